// Package history is the loop's memory: what was attempted, why, how it ended, and how often the same thing failed. The loop
// never waits for it and never fails with it: what the store cannot take now is kept, within bounds, and written later.
package history

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// The outcomes of v1alpha1.Attempt that this package gives or looks at.
const (
	outcomeRunning     = "Running"
	outcomeFailed      = "Failed"
	outcomeUnhealthy   = "Unhealthy"
	outcomeHeld        = "Held"
	outcomeInterrupted = "Interrupted"
)

// Options shape a History. The zero value of each field means its default.
type Options struct {
	Now func() time.Time // the clock; default time.Now
	Log *slog.Logger     // default: nothing is logged
	// Retention is how long finished attempts are kept beyond the newest Keep of each Sync. Default 30 days.
	Retention time.Duration
	// Keep is the number of attempts of each Sync that are kept however old they are. Default 200.
	Keep int
	// Most is the number of attempts of each Sync that are kept however young they are, so that a busy Sync cannot fill the
	// disk. Default 10,000, and never less than Keep.
	Most int
	// MaxChanges is the number of changes that are kept of one attempt; the others are only counted. Default 500.
	MaxChanges int
	// MaxPending is the number of attempts that are kept in memory while the store fails. Default 1,000.
	MaxPending int
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, field := range []struct {
		value    *int
		fallback int
	}{{&o.Keep, 200}, {&o.Most, 10_000}, {&o.MaxChanges, 500}, {&o.MaxPending, 1_000}} {
		if *field.value <= 0 {
			*field.value = field.fallback
		}
	}
	if o.Retention <= 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	o.Most = max(o.Most, o.Keep)
	return o
}

// History records attempts in a store. Safe for concurrent use. It has no goroutine of its own and writes only when told to.
type History struct {
	store   store.Store
	options Options
	ids     generator
	queue   queue

	sweep struct {
		sync.Mutex
		last  time.Time // when retention was last applied
		dirty bool      // something was recorded since
	}
}

// New makes a history over a store, which stays the caller's to close.
func New(s store.Store, options Options) *History {
	options = options.withDefaults()
	return &History{store: s, options: options, queue: newQueue(s, options)}
}

// Begin records that an attempt starts: it is in the store, as Running, before Begin returns, so that an agent that dies has
// left a trace of what it was doing. The caller sets Sync, Trigger, Revision, and Changes when it knows what it is about to do;
// ID, Started (now) and Outcome are set here. A store that fails does not keep the attempt from starting: see Err.
func (h *History) Begin(ctx context.Context, attempt v1alpha1.Attempt) *Entry {
	now := h.options.Now()
	attempt.ID = h.ids.next(now)
	attempt.Started, attempt.Finished = now.UTC().Round(0), time.Time{}
	attempt.Outcome = outcomeRunning
	attempt = h.bounded(attempt)
	h.touched()
	h.queue.put(ctx, write{attempt: attempt})
	return &Entry{history: h, attempt: attempt}
}

// Attempts reads the history, the newest first, including what the store could not take yet. Errors are the store's.
func (h *History) Attempts(ctx context.Context, query store.AttemptQuery) ([]v1alpha1.Attempt, error) {
	pending := h.queue.pending()
	hidden := map[string]bool{} // by what is pending: a newer state of the attempt, or one that stands for it
	for _, w := range pending {
		hidden[w.attempt.ID] = true
		for _, id := range w.standsFor {
			hidden[id] = true
		}
	}
	if query.Limit <= 0 {
		query.Limit = store.DefaultLimit
	}
	limit := query.Limit
	query.Limit += len(hidden)
	found, err := h.store.Attempts(ctx, query)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(a v1alpha1.Attempt) bool { return hidden[a.ID] })
	for _, w := range pending {
		if matches(query, w.attempt) {
			found = append(found, w.attempt)
		}
	}
	slices.SortFunc(found, func(a, b v1alpha1.Attempt) int { return strings.Compare(b.ID, a.ID) })
	return found[:min(len(found), limit)], nil
}

// matches is store.Store's reading of a query, for attempts that are not in the store yet.
func matches(query store.AttemptQuery, a v1alpha1.Attempt) bool {
	return (query.Sync == "" || query.Sync == a.Sync) &&
		(query.Before == "" || a.ID < query.Before) &&
		!a.Started.Before(query.Since) &&
		(!query.Running || a.Finished.IsZero())
}

// Err says why attempts are not written now, for readiness and doctor: a stable fault with a hint, or nil when all is well.
func (h *History) Err() error { return h.queue.failure() }

// Flush tries to write what the store could not take before, without waiting for the end of the back-off. For a stop, and for
// tests.
func (h *History) Flush(ctx context.Context) error {
	h.queue.flush(ctx, true)
	return h.Err()
}
