package agent

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	// maxFollowed bounds the objects that are watched for one Sync because a chart has looked them up: anybody writes charts.
	maxFollowed = 100
	// servedEvery is how often clusters are asked what they serve, for charts that depend on it; for as long as one may answer.
	servedEvery   = 30 * time.Second
	servedTimeout = 20 * time.Second
)

// Capabilities implements render.Cluster.
func (o *outside) Capabilities(ctx context.Context) (render.Capabilities, error) {
	capabilities, err := o.asked().Capabilities(ctx)
	if err == nil {
		o.mu.Lock()
		o.served = digestOf(capabilities)
		o.mu.Unlock()
	}
	return capabilities, err
}

func digestOf(capabilities render.Capabilities) state.Digest {
	return state.DigestBytes([]byte(capabilities.Version + "\n" + strings.Join(capabilities.APIVersions, "\n")))
}

// Lookup implements render.Cluster. An object that is asked for by its name is followed, while there are not too many of them; lists are
// asked for again from time to time.
func (o *outside) Lookup(ctx context.Context, apiVersion string, id state.ID) (map[string]any, error) {
	asked := o.asked()
	if group, _, found := strings.Cut(apiVersion, "/"); found {
		id.Group = group
	}
	if system, err := asked.system(ctx); err == nil && id.Name != "" && o.mayFollow(id) {
		_ = o.follow(ctx, system, id) // what cannot be followed is asked for again like lists, and its error is that of the look-up
	}
	return asked.Lookup(ctx, apiVersion, id)
}

func (o *outside) mayFollow(id state.ID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.values[id] != nil || len(o.values) < maxFollowed
}

// asked gives the cluster, and takes note that the render depends on it.
func (o *outside) asked() clusterOf {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cluster = o.round
	return clusterOf{clusters: o.agent.clusters, to: o.e.to}
}

// aged has the Sync rendered again when its last render depends on what nobody watches: what the cluster serves and lists, and the time, by
// which certificates end that a chart has made.
func (o *outside) aged() {
	o.mu.Lock()
	asked := o.cluster > 0 && o.cluster == o.round
	o.mu.Unlock()
	if asked {
		o.moved()
	}
}

// askedServed gives the cluster that the last render has asked for what it serves, and what it said; "" when it was not asked.
func (o *outside) askedServed() (to v1alpha1.ToKubernetes, served state.Digest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cluster != o.round {
		return o.e.to, ""
	}
	return o.e.to, o.served
}

func (a *Agent) everyMember() []*member {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.members))
}

// askAgain has those Syncs rendered again whose charts ask what nobody watches.
func (a *Agent) askAgain() {
	for _, m := range a.everyMember() {
		m.outside.aged()
	}
}

// compareServed has Syncs rendered again whose charts ask what their cluster serves, when that has changed. Each cluster is asked once for
// all of them, and not at all where no chart is rendered.
func (a *Agent) compareServed() {
	known := map[v1alpha1.ToKubernetes]state.Digest{}
	for _, m := range a.everyMember() {
		to, was := m.outside.askedServed()
		if was == "" {
			continue
		}
		if _, seen := known[to]; !seen {
			known[to] = a.servedBy(to)
		}
		if now := known[to]; now != "" && now != was {
			m.outside.moved()
		}
	}
}

// servedBy gives what a cluster serves, "" when it does not say.
func (a *Agent) servedBy(to v1alpha1.ToKubernetes) state.Digest {
	ctx, cancel := context.WithTimeout(a.ctx, servedTimeout)
	defer cancel()
	capabilities, err := clusterOf{clusters: a.clusters, to: to}.Capabilities(ctx)
	if err != nil {
		return ""
	}
	return digestOf(capabilities)
}
