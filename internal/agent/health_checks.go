package agent

import (
	"context"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// checks gives the health of what spec.health of a Sync names beside the Sync's own objects: probes, and objects of any target and Sync.
// The Sync is woken whenever one of them moves.
func (a *Agent) checks(name string, checks []v1alpha1.HealthCheck) []loop.Need {
	var needs []loop.Need
	for _, check := range checks {
		if asked, ok := probe.Of(check); ok {
			needs = append(needs, loop.Need{ID: asked.ID(), Health: a.probes.Health(asked)})
		} else if check.Object != nil {
			needs = append(needs, a.need(name, *check.Object, true))
		}
	}
	return needs
}

// probed is told that the health of a probe of a Sync has moved.
func (a *Agent) probed(name string) {
	a.mu.Lock()
	m := a.members[name]
	a.mu.Unlock()
	if m != nil {
		m.loop.Poke()
	}
}

// probeHealth gives the health of a Sync's probe by its ID: the worst, where several of its checks are about one URL.
func (a *Agent) probeHealth(checks []v1alpha1.HealthCheck, id state.ID) state.Health {
	var worst state.Health
	for _, check := range probe.All(checks) {
		if check.ID() != id {
			continue
		}
		if health := a.probes.Health(check); worst.Status == "" || health.Worse(worst) {
			worst = health
		}
	}
	return worst
}

// checkedObjects gives the objects that checks refer to.
func checkedObjects(checks []v1alpha1.HealthCheck) []v1alpha1.Reference {
	var references []v1alpha1.Reference
	for _, check := range checks {
		if check.Object != nil {
			references = append(references, *check.Object)
		}
	}
	return references
}

// How often an object that no Sync owns is looked at, because nobody watches it: often while it is not healthy and somebody waits; seldom
// when it is, and only for those whose own health it is part of; and never again within strangerFresh, however often it is asked for.
const (
	strangerPoll  = 5 * time.Second
	strangerCheck = 30 * time.Second
	strangerFresh = time.Second
)

// stranger is what was seen of an object that no Sync owns.
type stranger struct {
	health state.Health
	at     time.Time
}

// objectHealth is the health of an ordinary object: as the Sync that owns it knows it, or as the target says when asked. The one that
// asks is woken when it may have moved: for one that waits (a dependency) while it is not healthy, for one that checks always.
func (a *Agent) objectHealth(name string, id state.ID, checking bool) state.Health {
	if owner, health := a.ownerOf(id, state.Health{}); owner != "" {
		return health
	}
	a.mu.Lock()
	m := a.members[name]
	a.mu.Unlock()
	if m == nil {
		return state.Health{Status: state.Unknown}
	}
	health := a.strangerHealth(m, id)
	switch {
	case !health.Ready():
		a.lookAgain(m, strangerPoll)
	case checking:
		a.lookAgain(m, strangerCheck)
	}
	return health
}

// strangerHealth asks a member's target about an object that no Sync owns.
func (a *Agent) strangerHealth(m *member, id state.ID) state.Health {
	a.mu.Lock()
	known, target := m.strangers[id], m.target
	a.mu.Unlock()
	if known.health.Status != "" && time.Since(known.at) < strangerFresh {
		return known.health
	}
	ctx, cancel := context.WithTimeout(a.ctx, strangerPoll)
	defer cancel()
	health, err := target.Health(ctx, id)
	if err != nil {
		health = state.Health{Status: state.Unknown, Message: err.Error()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.strangers == nil {
		m.strangers = map[state.ID]stranger{}
	}
	m.strangers[id] = stranger{health, time.Now()}
	return health
}

// lookAgain wakes a member after a while; one timer, which goes off at the earliest instant that was asked for.
func (a *Agent) lookAgain(m *member, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if m.lookAt.After(now) && m.lookAt.Before(now.Add(wait)) {
		return
	}
	m.lookAt = now.Add(wait)
	if m.look == nil {
		m.look = time.AfterFunc(wait, m.loop.Poke)
		return
	}
	m.look.Reset(wait)
}

// refersTo says whether one of some references is an object.
func refersTo(references []v1alpha1.Reference, id state.ID) bool {
	return slices.ContainsFunc(references, func(ref v1alpha1.Reference) bool { return idOf(ref) == id })
}
