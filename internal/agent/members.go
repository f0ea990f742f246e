package agent

import (
	"context"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// member is a Sync of the agent: its loop, and what feeds it.
type member struct {
	name    string
	parent  string
	loop    *loop.Loop
	feeds   []feeding          // the source, and then its imports
	sources []string           // the Sources that are named for them
	latest  func() loop.Latest // of all of them as one; nil while there is no source
	outside *outside
	release *releasing
	target  *targets
	to      v1alpha1.ToKubernetes
	unwatch context.CancelFunc
	needs   []v1alpha1.Reference
	told    state.Health
	health  []v1alpha1.HealthCheck
	// policies that it names, and why its newest declaration is not in force.
	policies []string
	refused  error
	// What the member was told of objects that nobody watches, and the timer that has it look again.
	strangers map[state.ID]stranger
	look      *time.Timer
	lookAt    time.Time
}

// declared is told by the registry that a declaration came, changed or went.
func (a *Agent) declared(id state.ID) {
	a.mu.Lock()
	a.graph.stale = true
	a.mu.Unlock()
	defer a.uncycle()
	if id == self.SyncID(id.Name) {
		a.configure(id.Name)
		a.configureBelow(id.Name)
		return
	}
	a.mu.Lock()
	var users []string
	for name, m := range a.members {
		if id == self.SourceID(id.Name) && m.uses(id.Name) || id == self.PolicyID(id.Name) && slices.Contains(m.policies, id.Name) {
			users = append(users, name)
		}
	}
	a.mu.Unlock()
	for _, name := range users {
		a.configure(name)
		a.configureBelow(name)
	}
}

// uncycle has those look again that depended on themselves when they looked last: a declaration of another Sync may have ended it.
func (a *Agent) uncycle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.graph.stale = true
	for name := range a.cyclic {
		if m := a.members[name]; m != nil {
			m.loop.Poke()
		}
	}
}

// configureBelow passes on what the descendants of a Sync inherit.
func (a *Agent) configureBelow(parent string) {
	a.mu.Lock()
	var children []string
	for name, m := range a.members {
		if m.parent == parent && name != parent {
			children = append(children, name)
		}
	}
	a.mu.Unlock()
	for _, name := range children {
		a.configure(name)
		a.configureBelow(name)
	}
}

// configure brings a member up to what is declared: it comes, changes or goes.
func (a *Agent) configure(name string) {
	a.configuring.Lock() // one at a time, so that what was resolved last is told last
	defer a.configuring.Unlock()
	if _, ok := a.registry.Get(self.SyncID(name)); !ok && name != self.Root {
		a.drop(name)
		return
	}
	e := a.resolve(name)
	in := a.inputs(name, e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isStopping() {
		return
	}
	m := a.members[name]
	if m == nil {
		m = a.newMember(name, e.parent)
		a.members[name] = m
	}
	m.policies, m.refused = e.spec.Policies, in.Spec.Refused
	m.needs, m.sources, m.health, m.strangers = e.spec.DependsOn, e.named(), e.spec.Health, nil
	a.graph.stale = true // with what has just been set, whoever made the graph meanwhile
	a.probes.Use(name, probe.All(m.health))
	if err := a.feed(m, e, &in); err != nil && in.Spec.Err == nil {
		in.Spec.Err = err
	}
	a.aim(m, e, &in)
	m.outside.declare(e)
	in.Outside = m.outside.now
	m.loop.Configure(in)
}

func (a *Agent) newMember(name, parent string) *member {
	m := &member{name: name, parent: parent}
	m.release = &releasing{agent: a, name: name}
	m.outside = &outside{agent: a, name: name, changed: func() { m.loop.Poke() }}
	m.loop = loop.New(loop.Config{
		Context: a.ctx, Owner: a.owner(name), Parent: parent, Render: a.countedRender(m), History: a.history,
		Slots: a.slots, Stopping: a.stopping, Now: time.Now, Random: newRandom(), Log: a.log, Resync: resync,
		Go: func(run func()) {
			a.busy.Add(1)
			a.goDo(func() { defer a.busy.Done(); run() })
		},
		Publish: func(update loop.Update) { a.published(m, update) },
		Gone:    a.gone,
		Shelf:   a.shelf,
		Before:  a.before[name],
	})
	return m
}

// countedRender is the renderer, with the metrics of a Sync.
func (a *Agent) countedRender(m *member) func(context.Context, source.Artifact, string) (render.Result, error) {
	return func(ctx context.Context, artifact source.Artifact, _ string) (render.Result, error) {
		started := time.Now()
		m.outside.begin()
		e := a.resolve(m.name)
		result, err := a.renderer.Render(ctx, a.request(m.name, e, artifact, m.outside))
		m.outside.end()
		a.metrics.Rendered(m.name, time.Since(started))
		if err == nil {
			a.builds.refer(m.name, result.Builds)
			m.release.rendered(ctx, result, e.to)
		}
		result.Found, result.Release = nil, nil // they are large, and nobody asks the loop for them
		return result, err
	}
}

// aim gives a member its target, and watches it.
func (a *Agent) aim(m *member, e effective, in *loop.Inputs) {
	if m.target == nil || m.to != e.to {
		if m.unwatch != nil {
			m.unwatch()
		}
		m.target, m.to = a.targetOf(e.to), e.to
		ctx, cancel := context.WithCancel(a.ctx)
		m.unwatch = cancel
		a.goDo(func() { a.watch(ctx, m.target, m) })
	}
	in.Target = m.target
}

// watch passes a target's events on to a member, for as long as it drives that target.
func (a *Agent) watch(ctx context.Context, t target.Target, m *member) {
	backoff := loop.Backoff{Initial: time.Second, Max: time.Minute}
	random := newRandom()
	for failures := 1; ctx.Err() == nil; failures++ {
		err := t.Watch(ctx, a.owner(m.name), m.loop.Notify)
		if ctx.Err() != nil {
			return
		}
		a.log.Warn("watch ended", "sync", m.name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(backoff.After(failures, random)):
		}
	}
}

// gone is told by a loop that its Sync owns nothing any more.
func (a *Agent) gone(name string) {
	e := a.resolve(name)
	a.mu.Lock()
	m := a.members[name]
	a.mu.Unlock()
	if m != nil {
		m.release.gone(e)
	}
	if err := a.registry.Gone(a.ctx, self.SyncID(name)); err != nil {
		a.log.Error("cannot forget a Sync that is gone", "sync", name, "error", err)
	}
	a.forget(name)
}

// drop ends a member whose declaration is no longer there.
func (a *Agent) drop(name string) {
	a.mu.Lock()
	m := a.members[name]
	delete(a.members, name)
	delete(a.before, name)
	delete(a.cyclic, name)
	a.graph.stale = true
	left := a.bereaved(name)
	a.mu.Unlock()
	for _, waiting := range left {
		waiting.loop.Poke()
	}
	a.builds.refer(name, nil)
	a.probes.Use(name, nil)
	if m == nil {
		return
	}
	m.loop.Stop()
	closeFeeds(m.feeds, nil)
	m.outside.close()
	if m.unwatch != nil {
		m.unwatch()
	}
	a.metrics.Forget(name)
}

// published takes a loop's news: for those who follow, for the next start, and for those that wait for this Sync.
func (a *Agent) published(m *member, update loop.Update) {
	a.stir()
	for _, event := range update.Events {
		a.events.add(event)
		a.account(event)
	}
	a.measure(m.name, update)
	m.release.published(update)
	if update.Resting || update.Keep {
		a.remember(m.name, update)
	}
	a.mu.Lock()
	health := a.healthOf(m, update.Status)
	moved := health != m.told
	m.told = health
	if update.Status.Reason == loop.DependencyCycle {
		a.cyclic[m.name] = true
	} else {
		delete(a.cyclic, m.name)
	}
	a.mu.Unlock()
	for _, waiting := range a.dependants(m, moved) {
		waiting.loop.Poke()
	}
	if update.Resting {
		a.tellRefused(m)
	}
	if !moved {
		return
	}
	a.registry.Touched(self.SyncID(m.name))
}

// tellRefused tells the children of a Sync whose newest declaration it cannot put in force, or can again.
func (a *Agent) tellRefused(parent *member) {
	a.mu.Lock()
	var moved []string
	for name, m := range a.members {
		if m.parent == parent.name && name != parent.name && textOf(m.refused) != textOf(parent.loop.Refused(self.SyncID(name))) {
			moved = append(moved, name)
		}
	}
	a.mu.Unlock()
	for _, name := range moved {
		a.configure(name)
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// account logs and counts what happened.
func (a *Agent) account(event v1alpha1.Event) {
	switch {
	case event.Attempt != nil:
		a.metrics.Attempt(*event.Attempt)
		attempt := event.Attempt
		a.log.Info("attempt finished", "sync", event.Sync, "trigger", attempt.Trigger, "outcome", attempt.Outcome,
			"revision", attempt.Revision.Short(), "changes", len(attempt.Changes)+attempt.Omitted, "message", event.Message)
	case event.Type == "drift":
		a.metrics.Drift(event.Sync, 1)
		a.log.Info("drift corrected", "sync", event.Sync, "object", event.Change.ID.String(), "op", event.Change.Op,
			"fields", fieldsOf(event.Change))
	case event.Status != nil:
		a.log.Info("state", "sync", event.Sync, "state", event.Status.State, "reason", event.Reason, "message", event.Message)
	}
}

func fieldsOf(change *v1alpha1.Change) []string {
	fields := make([]string, 0, len(change.Fields))
	for _, field := range change.Fields {
		fields = append(fields, field.Path+" by "+orElse(field.By, "unknown"))
	}
	return fields
}

func (a *Agent) owner(name string) state.Owner { return state.Owner{Agent: a.cfg.Name, Sync: name} }

func (a *Agent) isStopping() bool {
	select {
	case <-a.stopping:
		return true
	default:
		return false
	}
}
