package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Health asks how an object is doing that nobody watches, with one request.
func (t *Target) Health(ctx context.Context, id state.ID) (state.Health, error) {
	object, err := t.look(ctx, id)
	switch {
	case err != nil:
		return state.Health{}, err
	case object == nil:
		return state.Health{Status: state.Missing, Reason: "NotFound", Message: "it is not there"}, nil
	}
	return assess(object), nil
}

// Data asks what a ConfigMap or a Secret holds, with one request: the decoded values by their keys. One that is not there is a fault of
// kind NotFound.
func (t *Target) Data(ctx context.Context, id state.ID) (map[string]string, error) {
	object, err := t.look(ctx, id)
	if err != nil {
		return nil, err
	}
	if object == nil {
		return nil, fault.New(fault.NotFound, "read", id.String(), "it is not there").
			WithHint("declare it, in the same Sync with a smaller setpoint.dev/wave if it is to come first")
	}
	values := map[string]string{}
	data, _ := object["data"].(map[string]any)
	for key, value := range data {
		text, _ := value.(string)
		if id.Kind == "Secret" {
			decoded, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fault.New(fault.Invalid, "read", id.String(), "the value of "+key+" is not base64")
			}
			text = string(decoded)
		}
		values[key] = text
	}
	return values, nil
}

// Read implements target.Reader: from the cache, where the acting identity is the agent itself, else with one request that asks
// whether that identity may read it. A kind that the cluster does not serve has no objects. Errors: Denied, Transient.
func (t *Target) Read(ctx context.Context, id state.ID) (*state.Object, error) {
	r, id, err := t.locate(ctx, id)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil //nolint:nilnil // that nothing is there is an answer
	}
	if err != nil {
		return nil, err
	}
	var l *live
	if t.client == t.cluster.client {
		l = t.cluster.watches.latest(id)
	}
	if l != nil && l.version < t.cluster.follows.version(t.identity, id) {
		l = nil // whoever follows the object has been told of more than this watch has seen
	}
	if l == nil {
		l, err = t.get(ctx, r, id, id.String())
	}
	if l == nil || err != nil {
		return nil, err
	}
	return state.NewObject(l.object(), state.Origin{}), nil
}

// look reads an object as it is now; nil when it is not there.
func (t *Target) look(ctx context.Context, id state.ID) (map[string]any, error) {
	r, err := t.cluster.kinds.find(ctx, id.GroupKind(), "")
	if err != nil {
		return nil, err
	}
	namespace := id.Namespace
	if r.namespaced && namespace == "" {
		namespace = t.namespace
	}
	got, err := t.client.do(ctx, call{method: http.MethodGet, path: r.path(namespace, id.Name), lane: id.String()})
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Code == http.StatusNotFound {
		return nil, nil //nolint:nilnil // that nothing is there is an answer
	}
	if err != nil {
		return nil, explain("look at", id.String(), err)
	}
	var object map[string]any
	if err := json.Unmarshal(got.body, &object); err != nil {
		return nil, fault.Wrap(fault.Internal, "read", id.String(), err)
	}
	return object, nil
}

// Agents gives the names of the agents that own something in the cluster.
func (t *Target) Agents(ctx context.Context) ([]string, error) {
	p := t.cluster.parents
	if err := p.sync(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	names := map[string]bool{}
	for _, known := range p.byName {
		if at := strings.LastIndexByte(known.owner, '/'); at > 0 {
			names[known.owner[:at]] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Describe names the cluster's version and the identity that acts on it, for people.
func (t *Target) Describe(ctx context.Context) (string, error) {
	version, err := t.client.serverVersion(ctx, "describe")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Kubernetes %s at %s, as %s", version, t.cluster.rest.Host, t.identity), nil
}
