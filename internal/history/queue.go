package history

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

const (
	// storeTimeout bounds one call of the store: a disk that hangs must not hang the loop.
	storeTimeout = 5 * time.Second
	// After a failure the store is left alone for firstPause, doubled with each further one, at most longestPause: the loop
	// must not wait for a locked database at every attempt.
	firstPause   = time.Second
	longestPause = time.Minute
)

// write is an attempt on its way to the store.
type write struct {
	attempt   v1alpha1.Attempt
	standsFor []string // attempts that it replaces
}

// queue brings writes to the store in their order. Normally it holds one for the time of the write; while the store fails it
// holds the newest state of up to MaxPending attempts.
type queue struct {
	store store.Store
	now   func() time.Time
	log   *slog.Logger
	limit int

	writing sync.Mutex // held while the store is written to; taken before mu

	mu      sync.Mutex
	waiting []write
	lost    int // finished attempts that did not fit while the store failed
	err     error
	pause   time.Duration
	retry   time.Time // the store is left alone until then
}

func newQueue(s store.Store, o Options) queue {
	return queue{store: s, now: o.Now, log: o.Log, limit: o.MaxPending}
}

// put adds a write and brings it to the store before it returns, unless the store fails.
func (q *queue) put(ctx context.Context, w write) {
	q.mu.Lock()
	q.add(w)
	q.mu.Unlock()
	q.flush(ctx, false)
}

// add replaces the waiting write of the same attempt, and those of attempts that the new one stands for; what they stood for, the
// new one does too. The place of a replaced write does not matter: only writes of one attempt must keep their order.
func (q *queue) add(w write) {
	q.waiting = slices.DeleteFunc(q.waiting, func(old write) bool {
		replaced := old.attempt.ID == w.attempt.ID || slices.Contains(w.standsFor, old.attempt.ID)
		if replaced {
			w.standsFor = append(w.standsFor, old.standsFor...)
		}
		return replaced
	})
	q.waiting = append(q.waiting, w)
	if len(q.waiting) > q.limit {
		q.makeRoom()
	}
}

// makeRoom gives up the oldest attempt that is not finished, or else the oldest: one that has just begun will be written again when
// it finishes.
func (q *queue) makeRoom() {
	victim := 0
	for i, w := range q.waiting {
		if w.attempt.Finished.IsZero() {
			victim = i
			break
		}
	}
	if !q.waiting[victim].attempt.Finished.IsZero() {
		if q.lost++; q.lost == 1 {
			q.log.Error("the history cannot be written for so long that attempts are lost", "kept", q.limit, "error", q.err)
		}
	}
	q.waiting = append(q.waiting[:victim], q.waiting[victim+1:]...)
}

// flush writes what waits until nothing does or the store fails; while the store is left alone it does nothing unless forced.
func (q *queue) flush(ctx context.Context, force bool) {
	q.writing.Lock()
	defer q.writing.Unlock()
	for {
		next, ok := q.next(force)
		if !ok {
			return
		}
		// An attempt is recorded even if whoever made it has gone in the meantime.
		writeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		err := q.store.PutAttempt(writeCtx, next.attempt, next.standsFor...)
		cancel()
		if !q.written(next, err) {
			return
		}
	}
}

func (q *queue) next(force bool) (write, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || (!force && q.now().Before(q.retry)) {
		return write{}, false
	}
	return q.waiting[0], true
}

// written takes note of how a write went, and says whether to go on.
func (q *queue) written(w write, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.failed(err)
		return false
	}
	// It may have been replaced by a newer state while it was written, or have made room.
	if len(q.waiting) > 0 && q.waiting[0].attempt.ID == w.attempt.ID && q.waiting[0].attempt.Outcome == w.attempt.Outcome {
		q.waiting[0] = write{} // let go of the changes
		q.waiting = q.waiting[1:]
	}
	if len(q.waiting) == 0 {
		q.waiting = nil
		if q.err != nil {
			q.log.Info("the history is written again", "lost", q.lost)
		}
		q.err, q.pause, q.retry, q.lost = nil, 0, time.Time{}, 0
	}
	return true
}

// failed logs once per cause and leaves the store alone for a while.
func (q *queue) failed(err error) {
	if q.err == nil || q.err.Error() != err.Error() {
		q.log.Error("the history cannot be written; the loop goes on, attempts are kept in memory", "error", err,
			"hint", fault.HintOf(err))
	}
	q.err = err
	q.pause = min(max(firstPause, 2*q.pause), longestPause)
	q.retry = q.now().Add(q.pause)
}

// pending gives what is not in the store yet.
func (q *queue) pending() []write {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]write(nil), q.waiting...)
}

func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		return nil
	}
	return fault.Wrap(fault.KindOf(q.err), "write", "history", q.err)
}
