package history

import (
	"context"
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Entry is an attempt under way. Safe for concurrent use.
type Entry struct {
	history *History
	mu      sync.Mutex
	attempt v1alpha1.Attempt
}

// ID gives the attempt's ID, which sorts by time of start.
func (e *Entry) ID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.attempt.ID
}

// Extend records what the attempt is about to do further, before it does it: the changes as planned so far. An attempt that is over is not
// changed any more.
func (e *Entry) Extend(ctx context.Context, planned []v1alpha1.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.attempt.Finished.IsZero() {
		return
	}
	attempt := e.attempt
	attempt.Changes, attempt.Omitted = planned, 0
	e.attempt = e.history.bounded(attempt)
	e.history.touched()
	e.history.queue.put(ctx, write{attempt: e.attempt})
}

// Finish records how the attempt ended and gives it as it was recorded. edit sets Outcome, Reason, Message, Changes, Problems and
// Durations; Finished is now unless edit sets it, and the identity (ID, Sync, Started) stays. It is recorded also when ctx has
// ended already, because a stopping agent has the most to tell. Only the first Finish counts.
func (e *Entry) Finish(ctx context.Context, edit func(*v1alpha1.Attempt)) v1alpha1.Attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.attempt.Finished.IsZero() {
		return e.attempt
	}
	h := e.history
	finished := h.bounded(e.attempt) // a copy: the store may still be reading the attempt as it began
	edit(&finished)
	finished.ID, finished.Sync, finished.Started = e.attempt.ID, e.attempt.Sync, e.attempt.Started
	if finished.Finished.IsZero() {
		finished.Finished = h.options.Now()
	}
	finished.Finished = finished.Finished.UTC().Round(0)
	if finished.Outcome == "" || finished.Outcome == outcomeRunning {
		finished.Outcome = outcomeInterrupted // it ended, and nobody says how
	}
	ctx = context.WithoutCancel(ctx)
	w := h.gather(ctx, h.bounded(finished))
	e.attempt = w.attempt
	h.touched()
	h.queue.put(ctx, w)
	return e.attempt
}
