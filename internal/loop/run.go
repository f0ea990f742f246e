package loop

import (
	"context"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// desired is the loop's side of the difference.
type desired struct {
	known bool
	declared
	candidate *candidate      // newer than what is in force; nil when nothing is
	artifact  source.Artifact // of the revision that was looked at last
	outside   uint64          // the version of what is beside the artifact, when it was looked at last
	result    render.Result   // of the render that was made last, without its objects
	err       error
	retryAt   time.Time
	tries     int
	took      time.Duration
	seenAt    time.Time // when the newest desired state was rendered first
}

// actual is the target's side.
type actual struct {
	known     bool
	entries   []diff.Entry
	unknown   []error
	all       bool // everything has to be compared again
	dirty     map[state.ID]struct{}
	err       error
	retryAt   time.Time // when err is tried again
	tries     int
	recheckAt time.Time // when entries that carry errors or are not healthy are compared again
	rechecks  int
	at        time.Time // of the last whole comparison
	changedAt time.Time
	began     time.Time // when the desired state in force was first acted on
	wasReady  bool
	checked   bool // what is checked beside the objects was healthy
}

// deadlines of single actions, so that nothing hangs for ever.
const (
	renderDeadline  = 2 * time.Minute
	compareDeadline = 2 * time.Minute
	applyDeadline   = 5 * time.Minute
)

// recalled is the number of attempts of the last hour that are looked at after a restart.
const recalled = 1000

// run looks, decides and acts until there is nothing to do.
func (l *Loop) run() {
	for {
		l.take(l.drain())
		now := l.cfg.Now()
		facts := l.gather(now)
		decision := Decide(facts, now)
		l.publish(decision, facts)
		if decision.Action == Nothing || l.stopping() {
			if l.sleep(l.wakeAt(decision)) {
				return
			}
			continue
		}
		if decision.Action == Forget {
			l.finishAttempt(decision)
			l.Stop()
			l.cfg.Gone(l.cfg.Owner.Sync)
			return
		}
		l.act(decision, facts)
	}
}

func (l *Loop) act(decision Decision, facts Facts) {
	switch decision.Action {
	case Render:
		l.render()
	case Judge:
		l.judge()
	case Probe:
		l.probe()
	case Compare:
		l.compare()
	case Rerun:
		l.rerun()
	case Apply:
		l.apply(facts)
	case GiveUp:
		l.giveUp(decision, facts)
	case GoBack:
		l.goBack()
	}
}

// wakeAt is when to look again without an event: what the decision waits for, or the safety net. An instant that has passed has been
// acted on already, as far as it could be: waking for it again and again would be a busy loop.
func (l *Loop) wakeAt(decision Decision) time.Time {
	until := l.answerAt(l.ahead(decision.WakeAt))
	if decision.State == Suspended || !l.actual.known {
		return until
	}
	return earliest(until, earliest(l.ahead(l.actual.recheckAt), l.ahead(l.actual.at.Add(l.cfg.Resync))))
}

// ahead gives an instant if it is still to come, else zero.
func (l *Loop) ahead(at time.Time) time.Time {
	if !at.After(l.cfg.Now()) {
		return time.Time{}
	}
	return at
}

// answerAt looks again soon while a person waits to hear that the source has been asked, for a minute at most.
func (l *Loop) answerAt(otherwise time.Time) time.Time {
	now := l.cfg.Now()
	if !l.status.Looked.Before(l.requestedAt) || now.Sub(l.requestedAt) > time.Minute {
		return otherwise
	}
	return earliest(otherwise, now.Add(100*time.Millisecond))
}

// take merges what was noted into what is known.
func (l *Loop) take(noted inbox) {
	if noted.inputs != nil {
		if l.in.Target == nil {
			l.recall()
		}
		l.configure(*noted.inputs)
	}
	if noted.request {
		l.retry()
	}
	if noted.rollback != nil {
		l.leaveFor(*noted.rollback)
	}
	if noted.all || (l.actual.known && l.cfg.Now().Sub(l.actual.at) >= l.cfg.Resync) {
		l.actual.all = true
	}
	for id := range noted.ids {
		l.actual.touch(id)
	}
	l.recheck()
	l.expire(l.cfg.Now())
	l.stir(noted)
}

// recall has the damping go on where it was before a restart. Without the history it begins anew.
func (l *Loop) recall() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.cfg.Context), recordDeadline)
	defer cancel()
	now := l.cfg.Now()
	attempts, err := l.cfg.History.Attempts(ctx, store.AttemptQuery{Sync: l.cfg.Owner.Sync, Since: now.Add(-time.Hour), Limit: recalled})
	if err != nil {
		l.cfg.Log.Warn("what was changed before the restart is not known", "sync", l.cfg.Owner.Sync, "error", err)
		return
	}
	slices.Reverse(attempts)
	l.memory.damper.recall(attempts, now)
	l.memory.damper.resume(l.cfg.Before.Status.Contended)
}

// retry forgets, for a person, all that keeps the loop from trying again.
func (l *Loop) retry() {
	l.memory.failing, l.memory.damper = map[state.ID]failing{}, newDamper()
	l.actual.rechecks, l.actual.tries = 0, 0
	l.actual.all, l.actual.retryAt, l.desired.retryAt = true, time.Time{}, l.cfg.Now()
	l.attempt.trigger, l.requestedAt = byRequest, l.cfg.Now()
	if len(l.past.bad) > 0 {
		l.past.bad, l.keep = nil, true
		l.actual.began, l.actual.changedAt = time.Time{}, l.cfg.Now() // and all of its time again
		l.attempt.told = ""
	}
	if c := l.desired.candidate; c != nil {
		c.judged = false
	}
	l.tryHooksAgain()
}

// recheck marks what carries an error or is not healthy for another comparison, when its back-off is over: why an object is not
// healthy may become known without any change of the object itself.
func (l *Loop) recheck() {
	now := l.cfg.Now()
	for id, failed := range l.memory.failing {
		if failed.doubt && !now.Before(failed.notYet) {
			failed.failures, failed.ask = failed.failures+1, true
			failed.notYet = now.Add(l.in.Backoff.After(failed.failures, l.cfg.Random))
			l.memory.failing[id] = failed
			l.actual.touch(id)
		}
	}
	if l.actual.recheckAt.IsZero() || now.Before(l.actual.recheckAt) {
		return
	}
	l.actual.recheckAt = time.Time{}
	l.actual.all = l.actual.all || len(l.actual.unknown) > 0
	for _, entry := range l.actual.entries {
		if entry.Err != nil || !entry.Health.Ready() {
			l.actual.touch(entry.ID)
		}
	}
}

// configure takes over new inputs; what they make stale is looked at again.
func (l *Loop) configure(in Inputs) {
	if in.Terms == nil {
		in.Terms = &policy.Terms{}
	}
	if l.in.Path != in.Path {
		l.desired.artifact = nil
	}
	if l.in.Target != nil && l.in.Target != in.Target {
		l.actual = actual{}
	}
	if in.Deleting && !l.in.Deleting {
		l.actual.all, l.actual.retryAt = true, time.Time{}
		l.memory.failing = map[state.ID]failing{}
		l.desired.candidate = nil
		if l.past.allowed != ownDeletion {
			l.desired.candidate = &candidate{declared: declared{revision: l.desired.revision}, deleting: true}
		}
	}
	if !in.Deleting && l.in.Deleting {
		l.desired.candidate, l.desired.artifact, l.past.allowed = nil, nil, l.desired.digest // it is declared again
	}
	l.actual.all = true
	l.in = in
}

// erring says whether something could not be compared or changed.
func (a *actual) erring() bool {
	return len(a.unknown) > 0 || slices.ContainsFunc(a.entries, func(entry diff.Entry) bool { return entry.Err != nil })
}

// quiet says whether there is nothing to do about any object.
func (a *actual) quiet() bool {
	for i := range a.entries { // by index: an entry is large, and there are thousands
		if entry := &a.entries[i]; entry.Op != diff.None || entry.Err != nil || !entry.Health.Ready() {
			return false
		}
	}
	return true
}

func (a *actual) touch(id state.ID) {
	if a.dirty == nil {
		a.dirty = map[state.ID]struct{}{}
	}
	a.dirty[id] = struct{}{}
}

// want is the desired state: nothing when the Sync is on its way out.
func (l *Loop) want() state.Set {
	if l.in.Deleting {
		return state.Set{}
	}
	return l.desired.set
}

func digestOf(entry diff.Entry) state.Digest {
	if entry.Want == nil {
		return ""
	}
	return entry.Want.Digest()
}

// bounded gives a context for one action: it ends by itself, or when the agent has waited long enough for it.
func (l *Loop) bounded(deadline time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(l.cfg.Context, deadline)
}
