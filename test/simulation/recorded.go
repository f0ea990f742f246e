package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// write is one change of the plant.
type write struct {
	id state.ID
	op diff.Op
	at time.Time
}

// recorded is called when an attempt is in the store.
func (w *world) recorded(attempt v1alpha1.Attempt) {
	for _, m := range w.members {
		if m.name == attempt.Sync {
			m.say("history: %s of %s, %d changes: %s/%s", attempt.Trigger, attempt.Revision.Message, len(attempt.Changes),
				attempt.Outcome, attempt.Reason)
			w.check(m, func(i invariant) string { return ask(i.kept, m, attempt) })
		}
	}
	w.mayCrash()
}

// unreliable says whether the store cannot be trusted now: then the history keeps attempts in memory, and a crash loses them.
func (w *world) unreliable() bool { return w.weather.store > 0 && w.history.Err() != nil }

// recordOpen: an attempt is in the store before anything is changed.
func recordOpen(m *member, step plan.Step) string {
	if _, open := m.world.ledger.running(m.name); !open && !m.world.unreliable() {
		return fmt.Sprintf("does %s %s without an attempt in the history", step.Op, step.ID.Name)
	}
	return ""
}

// recordComplete: an attempt that has finished tells of every change that was made while it was open. What was done at the very
// instant of its beginning or end may belong to its neighbour; allRecorded finds it when no attempt tells of it.
func recordComplete(m *member, attempt v1alpha1.Attempt) string {
	if attempt.Finished.IsZero() || attempt.Outcome == "Interrupted" {
		return ""
	}
	m.writing = slices.DeleteFunc(m.writing, func(w write) bool { return w.told(attempt) })
	for _, w := range m.writing {
		if w.at.After(attempt.Started) && w.at.Before(attempt.Finished) {
			return fmt.Sprintf("has an attempt that does not tell of %s %s", w.op, w.id.Name)
		}
	}
	return ""
}

// recordSurvives: what is in the store when the agent dies tells of every change that may have been made.
func recordSurvives(m *member, _ bool) string {
	attempt, open := m.world.ledger.running(m.name)
	switch missing := m.untold(); {
	case len(missing) == 0 || m.world.unreliable():
	case !open:
		return fmt.Sprintf("died without an attempt that tells of %s %s", missing[0].op, missing[0].id.Name)
	case !missing[0].told(attempt):
		return fmt.Sprintf("died, and its attempt does not tell of %s %s", missing[0].op, missing[0].id.Name)
	}
	return ""
}

// untold gives the writes that no attempt in the store tells of.
func (m *member) untold() []write {
	return slices.DeleteFunc(slices.Clone(m.writing), func(w write) bool {
		return slices.ContainsFunc(m.world.ledger.attempts, func(a v1alpha1.Attempt) bool {
			return a.Sync == m.name && !a.Finished.IsZero() && !a.Finished.Before(w.at) && w.told(a)
		})
	})
}

func (w write) told(attempt v1alpha1.Attempt) bool {
	return slices.ContainsFunc(attempt.Changes, func(change v1alpha1.Change) bool { return change.ID == w.id })
}
