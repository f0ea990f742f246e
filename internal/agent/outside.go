package agent

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// request says what a Sync renders, and with what.
func (a *Agent) request(name string, e effective, artifact source.Artifact, beside *outside) render.Request {
	how := e.spec.Rendering
	if e.to.ServiceAccount != "" && how.Decrypt == nil {
		how.Decrypt = &v1alpha1.Decrypt{} // the agent's own keys are not for those who act as somebody else
	}
	request := render.Request{
		Artifact: artifact, Path: e.spec.Path, Name: name, Namespace: e.to.Namespace, How: how,
		Outside: render.Outside{Sources: beside, Values: beside, Environ: a.environ(e), Memory: made{sync: name, shelf: a.shelf}},
	}
	if !a.onHostAlone(e.to) {
		request.Outside.Cluster = beside
	}
	return request
}

// onHostAlone says whether a Sync has no cluster and shall have none: a chart of it is rendered without one.
func (a *Agent) onHostAlone(to v1alpha1.ToKubernetes) bool {
	return a.cfg.NoCluster && to.Kubeconfig == "" && to.Context == ""
}

// outside is what a Sync's render depends on beside its artifact: how it is declared to be rendered, ConfigMaps and Secrets, artifacts
// that files refer to, the cluster. All that the last render asked for is followed, and the version moves whenever something of it may be
// another. Safe for concurrent use.
type outside struct {
	agent   *Agent
	name    string
	changed func() // told after each move of the version
	version atomic.Uint64

	mu       sync.Mutex
	declared string // how it is rendered, to see that it changes
	e        effective
	round    uint64 // of renders
	values   map[state.ID]*following
	sources  map[string]*following
	cluster  uint64       // the round that last asked the cluster itself
	served   state.Digest // what it said of itself then
	closed   bool
}

// following is one thing that is followed, with the last round that asked for it.
type following struct {
	stop  func()
	feed  *source.Subscription // of a source
	first chan struct{}        // closed when a source has been looked at
	waits atomic.Bool          // a render waits for that
	round uint64
}

// firstLook is how long a render waits for an artifact that nobody has pulled yet, before it says that it is not there.
const firstLook = 20 * time.Second

func (o *outside) now() uint64 { return o.version.Load() }

func (o *outside) moved() {
	o.version.Add(1)
	o.changed()
}

// declare takes in what the Sync's declaration says of rendering.
func (o *outside) declare(e effective) {
	told, _ := json.Marshal([]any{e.spec.Rendering, e.to, e.verifications()}) //nolint:errchkjson // plain data that was decoded from JSON
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.declared != "" && o.declared != string(told) {
		o.version.Add(1) // the loop is configured right after
	}
	o.declared, o.e = string(told), e
}

// begin and end enclose a render: what is not asked for in between is not followed any more.
func (o *outside) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.round++
}

func (o *outside) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	forget(o.values, o.round)
	forget(o.sources, o.round)
}

func forget[K comparable](all map[K]*following, round uint64) {
	for key, one := range all {
		if one.round != round {
			one.stop()
			delete(all, key)
		}
	}
}

// close follows nothing any more.
func (o *outside) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.round++
	forget(o.values, o.round)
	forget(o.sources, o.round)
}

// refresh looks at everything again, because a person asks.
func (o *outside) refresh() {
	o.mu.Lock()
	for _, one := range o.sources {
		one.feed.Refresh()
	}
	o.mu.Unlock()
	o.aged()
}

// Artifact implements render.Sources.
func (o *outside) Artifact(ctx context.Context, spec v1alpha1.SourceSpec) (source.Artifact, error) {
	spec.Default()
	o.mu.Lock()
	e := o.e
	o.mu.Unlock()
	err := confineSource(e, e, spec)
	if err == nil {
		err = e.terms.RefusesSource(sourceName(spec))
	}
	if err == nil {
		err = e.terms.RefusesKind(spec)
	}
	if err != nil {
		return nil, err
	}
	upstream, err := o.agent.upstreams.of(demand{spec, e.verifications(), e.to.ServiceAccount != ""})
	if err != nil {
		return nil, err
	}
	one := o.pull(upstream, source.Poll{Interval: time.Duration(spec.Interval), Timeout: time.Duration(spec.Timeout)})
	latest := one.feed.Latest()
	if latest.Artifact == nil && latest.CheckedAt.IsZero() {
		one.wait(ctx)
		latest = one.feed.Latest()
	}
	if latest.Artifact == nil {
		return nil, orFault(latest.Err, fault.New(fault.Transient, "pull", upstream.String(), "it has not answered yet"))
	}
	return latest.Artifact, nil
}

// wait waits until a source has been looked at, for a while.
func (f *following) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	f.waits.Store(true)
	defer f.waits.Store(false)
	select {
	case <-f.first:
	case <-ctx.Done():
	}
}

// pull follows an upstream.
func (o *outside) pull(upstream source.Upstream, poll source.Poll) *following {
	o.mu.Lock()
	defer o.mu.Unlock()
	if one := o.sources[upstream.Key()]; one != nil {
		one.round = o.round
		return one
	}
	one := &following{round: o.round, first: make(chan struct{})}
	var once sync.Once
	one.feed = o.agent.feeds.Subscribe(upstream, poll, func() {
		first := false
		once.Do(func() { first = true; close(one.first) })
		if !first || !one.waits.Load() { // a render that waits for the first answer gets it by itself
			o.moved()
		}
	})
	one.stop = one.feed.Close
	if o.sources == nil {
		o.sources = map[string]*following{}
	}
	o.sources[upstream.Key()] = one
	return one
}

// Object implements render.Values.
func (o *outside) Object(ctx context.Context, id state.ID) (*state.Object, error) {
	o.mu.Lock()
	asked := clusterOf{clusters: o.agent.clusters, to: o.e.to}
	o.mu.Unlock()
	system, err := asked.system(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.follow(ctx, system, id); err != nil { // before it is read, so that no change in between is missed
		return nil, err
	}
	return readValue(ctx, system, id)
}

// follow has the version move when an object changes.
func (o *outside) follow(ctx context.Context, system looker, id state.ID) error {
	o.mu.Lock()
	if one := o.values[id]; one != nil || o.closed {
		if one != nil {
			one.round = o.round
		}
		o.mu.Unlock()
		return nil
	}
	round := o.round
	o.mu.Unlock()
	stop, err := system.Follow(ctx, id, o.moved)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.values[id] != nil {
		stop()
		return nil
	}
	if o.values == nil {
		o.values = map[state.ID]*following{}
	}
	o.values[id] = &following{stop: stop, round: round}
	return nil
}

// environ gives the variables of the agent that a Sync may substitute; nil when it may use none.
func (a *Agent) environ(e effective) func(string) (string, bool) {
	if len(a.cfg.Environment) == 0 || e.to.ServiceAccount != "" {
		return nil
	}
	return func(name string) (string, bool) {
		value, ok := a.cfg.Environment[name]
		return value, ok
	}
}
