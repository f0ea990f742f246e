package history

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// gather makes an attempt that failed just as the one before it stand for both: a Sync that cannot work is tried for weeks, and a
// thousand equal rows would push what matters out of the history. Nothing is lost by it: the number of attempts, the time of the
// first and everything about the last are kept. The new attempt keeps its ID, so that what happens now is the newest.
func (h *History) gather(ctx context.Context, a v1alpha1.Attempt) write {
	w := write{attempt: a}
	if !failed(a) {
		return w
	}
	before, ok := h.before(ctx, a)
	if !ok || !alike(before, a) {
		return w
	}
	if a.Trigger == "retry" {
		w.attempt.Trigger = before.Trigger // what began it all explains more than "retry"
	}
	w.attempt.Repeats = before.Repeats + 1
	w.attempt.First = before.First
	if before.First.IsZero() {
		w.attempt.First = before.Started
	}
	w.standsFor = []string{before.ID}
	return w
}

func failed(a v1alpha1.Attempt) bool {
	return a.Outcome == outcomeFailed || a.Outcome == outcomeUnhealthy || a.Outcome == outcomeHeld
}

// before gives the attempt of the same Sync directly before this one. A store that cannot tell only costs a row.
func (h *History) before(ctx context.Context, a v1alpha1.Attempt) (v1alpha1.Attempt, bool) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	found, err := h.Attempts(ctx, store.AttemptQuery{Sync: a.Sync, Before: a.ID, Limit: 1})
	if err != nil || len(found) == 0 {
		return v1alpha1.Attempt{}, false
	}
	return found[0], true
}

// alike says whether two attempts ended the same way, at the same revision, for the same reason, after doing the same. When they
// were made, how long they took and when others had set a field does not count.
func alike(a, b v1alpha1.Attempt) bool {
	return a.Outcome == b.Outcome && a.Revision.ID == b.Revision.ID && a.Reason == b.Reason && a.Message == b.Message &&
		a.Omitted == b.Omitted && slices.Equal(a.Problems, b.Problems) && slices.EqualFunc(a.Changes, b.Changes, alikeChange)
}

func alikeChange(a, b v1alpha1.Change) bool {
	fieldsA, fieldsB := a.Fields, b.Fields
	a.Fields, b.Fields = nil, nil
	if len(a.TookOver) == 0 && len(b.TookOver) == 0 {
		a.TookOver, b.TookOver = nil, nil // absent and empty are the same
	}
	return reflect.DeepEqual(a, b) && slices.EqualFunc(fieldsA, fieldsB, func(a, b v1alpha1.Field) bool {
		a.When, b.When = time.Time{}, time.Time{}
		return a == b
	})
}
