package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// knownTime bounds the questions to an agent that may not be there.
const knownTime = 30 * time.Second

// known asks the agent, if one answers, what it has now: which Syncs there are, who declares them, and as what. An agent of another
// name than the one that is asked for says nothing about it.
func (s *session) known(ctx context.Context, name string) *agent.Known {
	client, err := s.client()
	if err != nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, knownTime)
	defer cancel()
	info, err := client.Agent(bounded)
	if err == nil && name != "" && info.Name != name {
		return nil
	}
	known := &agent.Known{Name: info.Name, HostRoot: info.HostRoot, Data: info.Data, Declared: map[state.ID]agent.KnownDeclaration{}}
	if err == nil {
		err = declarations(bounded, client, known.Declared)
	}
	if err != nil {
		s.err.Line("no agent answers at " + client.URL() + ": Syncs that would be changed or removed are not shown")
		return nil
	}
	known.Objects = func(sync string) ([]state.ID, error) {
		detail, err := client.Sync(ctx, sync)
		ids := make([]state.ID, 0, len(detail.Items))
		for _, item := range detail.Items {
			ids = append(ids, item.ID)
		}
		return ids, err
	}
	return known
}

// declarations gathers the Syncs and Sources that any Sync of the agent declares.
func declarations(ctx context.Context, client *httpapi.Client, into map[state.ID]agent.KnownDeclaration) error {
	list, err := client.Syncs(ctx)
	if err != nil {
		return err
	}
	parents := map[string]bool{"root": true}
	for _, status := range list.Syncs {
		parents[status.Parent] = true
	}
	for _, status := range list.Syncs {
		if !parents[status.Name] {
			continue
		}
		rendered, err := client.Rendered(ctx, status.Name)
		if err != nil {
			return err
		}
		var objects []json.RawMessage
		if err := json.Unmarshal(rendered, &objects); err != nil {
			return fault.Wrap(fault.Internal, "read", "what the agent declares", err)
		}
		for _, data := range objects {
			object, err := state.DecodeObject(data, state.Origin{})
			if err != nil {
				return fault.Wrap(fault.Internal, "read", "what the agent declares", err)
			}
			if id := object.ID(); id.Group == v1alpha1.Group {
				into[id] = agent.KnownDeclaration{Object: object, Parent: status.Name}
			}
		}
	}
	return nil
}
