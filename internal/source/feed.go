package source

import (
	"context"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// feed looks at one upstream for all its subscribers.
type feed struct {
	owner    *Feeds
	upstream Upstream
	cancel   context.CancelFunc // ends run; guarded by the owner
	wake     chan struct{}      // holds one: "look at the subscribers again"

	mu      sync.Mutex
	subs    map[*Subscription]bool
	latest  Latest
	refresh bool
	looked  time.Time // when the last look began
	due     time.Time // when the next one is; zero when it has to be worked out
	fails   int       // looks in a row that failed
}

func (f *feed) join(poll Poll, notify func()) *Subscription {
	s := &Subscription{feed: f, poll: poll, notify: notify}
	f.mu.Lock()
	defer f.mu.Unlock()
	if poll.Suspend {
		frozen := f.latest
		s.frozen = &frozen
	}
	f.subs[s] = true
	f.due = time.Time{} // the interval may be another now
	f.poke()
	return s
}

func (f *feed) poke() {
	select {
	case f.wake <- struct{}{}:
	default: // it is awake
	}
}

// run looks when it is time, until the context ends.
func (f *feed) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, active := f.next(time.Now())
		switch {
		case !active:
			timer.Stop()
		case wait <= 0:
			f.look(ctx)
			if ctx.Err() != nil {
				return
			}
			continue
		default:
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
	}
}

// next says how long to wait for the next look; active is false when nobody wants one.
func (f *feed) next(now time.Time) (wait time.Duration, active bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	poll, active := f.poll()
	switch {
	case !active:
		f.refresh = false
		return 0, false
	case f.looked.IsZero():
		return 0, true
	case f.refresh:
		return f.looked.Add(refreshGap).Sub(now), true
	case f.due.IsZero():
		f.due = f.looked.Add(f.pause(poll.Interval))
	}
	return f.due.Sub(now), true
}

// poll sums up the subscribers that are not suspended.
func (f *feed) poll() (sum Poll, active bool) {
	for s := range f.subs {
		if s.poll.Suspend {
			continue
		}
		if !active || s.poll.Interval < sum.Interval {
			sum.Interval = s.poll.Interval
		}
		sum.Timeout = max(sum.Timeout, s.poll.Timeout)
		active = true
	}
	return sum, active
}

// pause gives the time between two looks: the interval, or, while looks fail, one that doubles up to five minutes (or the
// interval, when that is longer). Content that is refused is no reason to spare the server: its author may be correcting it.
func (f *feed) pause(interval time.Duration) time.Duration {
	pause := interval
	if f.fails > 0 && fault.KindOf(f.latest.Err) != fault.Invalid {
		pause = min(interval, firstBackoff)
		limit := max(interval, maxBackoff)
		for i := 1; i < f.fails && pause < limit; i++ {
			pause *= 2
		}
		pause = min(pause, limit)
	}
	return time.Duration(float64(pause) * (0.9 + 0.2*f.owner.opts.Random()))
}

// look pulls once and tells the subscribers what has changed.
func (f *feed) look(ctx context.Context) {
	f.mu.Lock()
	poll, _ := f.poll()
	known := f.latest.Artifact
	f.refresh, f.due, f.looked = false, time.Time{}, time.Now()
	f.mu.Unlock()

	pulling, cancel := context.WithTimeout(ctx, poll.Timeout)
	defer cancel()
	artifact, note, err := f.upstream.Pull(pulling, known)
	if ctx.Err() != nil {
		return // the end of the agent, or of the last subscription, is no error of the upstream
	}
	now, changed, tell := f.record(Latest{Artifact: artifact, Note: note, Err: err})
	if hear := f.owner.opts.Looked; hear != nil {
		hear(f.upstream.String(), now, changed)
	}
	for _, notify := range tell {
		notify()
	}
}

// record takes in a look's outcome, and gives what is known then, whether that has changed, and whom to tell.
func (f *feed) record(now Latest) (known Latest, changed bool, tell []func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.latest
	now.CheckedAt = time.Now()
	if now.Err != nil {
		f.fails++
		now.Artifact, now.Note, now.Since = old.Artifact, old.Note, now.CheckedAt
		if old.Err != nil && old.Err.Error() == now.Err.Error() {
			now.Since = old.Since
		}
	} else {
		f.fails = 0
		if same(old.Artifact, now.Artifact) {
			now.Note = old.Note
		}
	}
	f.latest = now
	f.log(old, now)
	if same(old.Artifact, now.Artifact) && message(old.Err) == message(now.Err) {
		return now, false, nil
	}
	for s := range f.subs {
		if s.notify != nil && !s.poll.Suspend {
			tell = append(tell, s.notify)
		}
	}
	return now, true, tell
}

func (f *feed) log(old, now Latest) {
	log := f.owner.opts.Log
	switch {
	case now.Err != nil && message(old.Err) != message(now.Err):
		log.Warn("source cannot be pulled", "source", f.upstream.String(), "error", now.Err, "hint", now.Hint())
	case now.Err == nil && old.Err != nil:
		log.Info("source can be pulled again", "source", f.upstream.String())
	}
	if now.Err == nil && !same(old.Artifact, now.Artifact) {
		log.Info("new revision", "source", f.upstream.String(),
			"revision", now.Artifact.Revision().Short(), "rewritten", now.Note.Rewritten)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return string(fault.KindOf(err)) + " " + err.Error()
}
