package agent

import (
	"context"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// looker is a cluster that answers what a render asks.
type looker interface {
	target.Reader
	// Capabilities gives the version and everything that is served.
	Capabilities(ctx context.Context) (version string, served []string, err error)
	// Lookup gives one object, or a list of them.
	Lookup(ctx context.Context, apiVersion string, id state.ID) (map[string]any, error)
	// Follow tells when an object may have changed, until it is stopped.
	Follow(ctx context.Context, id state.ID, notify func()) (stop func(), err error)
}

// clusterOf asks the cluster of a Sync as its identity, and follows nothing.
type clusterOf struct {
	clusters *clusters
	to       v1alpha1.ToKubernetes
}

var (
	_ render.Values  = clusterOf{}
	_ render.Cluster = clusterOf{}
)

func (c clusterOf) system(ctx context.Context) (looker, error) {
	system, err := c.clusters.target(ctx, c.to)
	if err == nil && system == nil {
		err = noCluster()
	}
	if err != nil {
		return nil, err
	}
	found, ok := system.(looker)
	if !ok {
		return nil, fault.New(fault.Internal, "ask", "the cluster", "the target is of another kind")
	}
	return found, nil
}

// Object implements render.Values.
func (c clusterOf) Object(ctx context.Context, id state.ID) (*state.Object, error) {
	system, err := c.system(ctx)
	if err != nil {
		return nil, err
	}
	return readValue(ctx, system, id)
}

func readValue(ctx context.Context, system looker, id state.ID) (*state.Object, error) {
	object, err := system.Read(ctx, id)
	if err == nil && object == nil {
		err = fault.New(fault.NotFound, "read", id.String(), "it is not there").WithHint("create it; it is noticed by itself")
	}
	return object, err
}

// Capabilities implements render.Cluster.
func (c clusterOf) Capabilities(ctx context.Context) (render.Capabilities, error) {
	system, err := c.system(ctx)
	if err != nil {
		return render.Capabilities{}, err
	}
	version, served, err := system.Capabilities(ctx)
	return render.Capabilities{Version: version, APIVersions: served}, err
}

// Lookup implements render.Cluster.
func (c clusterOf) Lookup(ctx context.Context, apiVersion string, id state.ID) (map[string]any, error) {
	system, err := c.system(ctx)
	if err != nil {
		return nil, err
	}
	return system.Lookup(ctx, apiVersion, id)
}
