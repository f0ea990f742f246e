package history

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/internal/store"
)

// sweepEvery is the shortest time between two applications of retention.
const sweepEvery = time.Hour

// Recover ends what an agent that died left Running: such attempts become Interrupted. It is called once, before the first Begin,
// and also makes new IDs sort after all old ones even if the clock was set back. An error means that the store
// could not be read.
func (h *History) Recover(ctx context.Context) error {
	newest, err := h.store.Attempts(ctx, store.AttemptQuery{Limit: 1})
	if err != nil {
		return err
	}
	if len(newest) > 0 {
		h.ids.after(newest[0].ID)
	}
	query := store.AttemptQuery{Running: true}
	for {
		running, err := h.store.Attempts(ctx, query)
		if err != nil || len(running) == 0 {
			return err
		}
		for _, attempt := range running {
			attempt.Finished = h.options.Now().UTC().Round(0)
			attempt.Outcome, attempt.Reason, attempt.Message = outcomeInterrupted, "AgentStopped", "the agent stopped"
			h.queue.put(ctx, write{attempt: attempt})
		}
		h.touched()
		query.Before = running[len(running)-1].ID
	}
}

// touched remembers that there may be something to sweep.
func (h *History) touched() {
	h.sweep.Lock()
	defer h.sweep.Unlock()
	h.sweep.dirty = true
}

// Sweep writes what could not be written before, and applies retention, at most once an hour and only when something was
// recorded since the last time. It costs nothing when there is nothing to do, so it may be called from any slow tick.
func (h *History) Sweep(ctx context.Context) error {
	h.queue.flush(ctx, false)
	h.sweep.Lock()
	defer h.sweep.Unlock()
	now := h.options.Now()
	if !h.sweep.dirty || now.Sub(h.sweep.last) < sweepEvery {
		return nil
	}
	h.sweep.last = now // also after a failure: once an hour is often enough to try
	if _, err := h.store.DropAttempts(ctx, now.Add(-h.options.Retention), h.options.Keep); err != nil {
		return err
	}
	if _, err := h.store.DropAttempts(ctx, now, h.options.Most); err != nil {
		return err
	}
	h.sweep.dirty = false
	return nil
}
