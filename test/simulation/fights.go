package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// manyWrites within an hour are so many that an object is repaired once a minute from then on.
const manyWrites = 60

// mostRepairs is how often one object may be repaired in the same way within fightSpan: some times at once, and then less and less.
const (
	mostRepairs = 10
	fightSpan   = time.Minute
)

// fightsEnd: two controllers that want different things do not make an object oscillate.
func fightsEnd(m *member, step plan.Step) string {
	if !m.known.disturbed(step) {
		return ""
	}
	now, key := m.world.wall(), repair{id: step.ID, op: step.Op}
	recent := slices.DeleteFunc(m.known.repaired[key], func(at time.Time) bool { return now.Sub(at) > fightSpan })
	m.known.repaired[key] = recent
	if answers := m.answers[key]; answers.count >= mostAnswers && now.Sub(answers.last) < answered {
		return fmt.Sprintf("repairs %s for the %dth time in a fight of %s", step.ID.Name, answers.count+1, now.Sub(answers.first))
	}
	if len(recent) >= mostRepairs {
		return fmt.Sprintf("repairs %s for the %dth time within %s", step.ID.Name, len(recent)+1, fightSpan)
	}
	return ""
}

// Repairs that come within answered of each other answer each other; the waits in between grow, so that there are few. The count goes on
// in the next life of the agent.
const (
	mostAnswers = 30
	answered    = 40 * time.Second
)

// answers are repairs that answered others.
type answers struct {
	count       int
	first, last time.Time
}

func (m *member) answered(key repair) {
	now := m.world.wall()
	a := m.answers[key]
	if gap := now.Sub(a.last); gap >= answered || gap < 0 {
		a = answers{first: now}
	}
	a.count++
	a.last = now
	m.answers[key] = a
}

// truce is what was left to others when an agent died.
type truce struct {
	until   time.Time
	desired state.Digest // that was in force as a whole: the next life knows a disturbance by that
}

// recallMargin is by how much the next life may be mistaken: the history knows when an attempt began, and not when each change was made.
const recallMargin = 2 * time.Minute

// truces takes note, at the end of a life, of what it has remembered to be left to others.
func (m *member) truces() {
	m.truce = map[repair]truce{}
	rest := m.before()
	for _, c := range rest.Status.Contended {
		if c.Rounds >= manyWrites {
			continue // is not contended, perhaps, but has been written too often
		}
		key := repair{id: c.ID, op: diff.Update}
		if c.Path == "" {
			key.op = diff.Create
		}
		m.truce[key] = truce{until: c.RetryAt.Add(-recallMargin), desired: rest.Desired}
	}
}

// fightsGoOn: what the last life of the agent left to others for a while, this one leaves to them, too.
func fightsGoOn(m *member, step plan.Step) string {
	left, found := m.truce[repair{id: step.ID, op: step.Op}]
	now := m.world.wall()
	if !found || !now.Before(left.until) || left.desired != m.loop.Want().Digest() || !m.known.repairs(step) || m.world.weather.store > 0 {
		return ""
	}
	return fmt.Sprintf("repairs %s, which the last life of the agent left alone for another %s", step.ID.Name, left.until.Sub(now))
}
