package loop

import (
	"context"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// desired is the loop's side of the difference.
type desired struct {
	known    bool
	set      state.Set
	artifact source.Artifact // of the revision that was looked at last
	revision state.Revision  // of set, or a later one that declares the same
	result   render.Result
	err      error
	verdict  policy.Verdict
	retryAt  time.Time
	tries    int
	took     time.Duration
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
	wasReady  bool
}

// deadlines of single actions, so that nothing hangs for ever.
const (
	renderDeadline  = 2 * time.Minute
	compareDeadline = 2 * time.Minute
	applyDeadline   = 5 * time.Minute
)

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
	case Compare:
		l.compare()
	case Apply:
		l.apply(facts)
	}
}

// wakeAt is when to look again without an event: what the decision waits for, or the safety net.
func (l *Loop) wakeAt(decision Decision) time.Time {
	switch {
	case decision.State == Suspended:
		return decision.WakeAt
	case !l.actual.known:
		return l.answerAt(decision.WakeAt)
	}
	return earliest(l.answerAt(decision.WakeAt), earliest(l.actual.recheckAt, l.actual.at.Add(l.cfg.Resync)))
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
		l.configure(*noted.inputs)
	}
	if noted.request {
		l.memory.failing = map[state.ID]failing{}
		l.actual.rechecks, l.actual.tries = 0, 0
		l.actual.all, l.actual.retryAt, l.desired.retryAt = true, time.Time{}, l.cfg.Now()
		l.attempt.trigger, l.requestedAt = byRequest, l.cfg.Now()
	}
	if noted.all || (l.actual.known && l.cfg.Now().Sub(l.actual.at) >= l.cfg.Resync) {
		l.actual.all = true
	}
	for id := range noted.ids {
		l.actual.touch(id)
	}
	l.recheck()
}

// recheck marks what carries an error or is not healthy for another comparison, when its back-off is over: why an object is not
// healthy may become known without any change of the object itself.
func (l *Loop) recheck() {
	if l.actual.recheckAt.IsZero() || l.cfg.Now().Before(l.actual.recheckAt) {
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
	if l.in.Path != in.Path {
		l.desired.artifact = nil
	}
	if l.in.Target != nil && l.in.Target != in.Target {
		l.actual = actual{}
	}
	if in.Deleting && !l.in.Deleting {
		l.actual.all, l.actual.retryAt = true, time.Time{}
		l.memory.failing = map[state.ID]failing{}
	}
	if in.Allow != l.in.Allow {
		l.desired.artifact = nil // the guards judge anew
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

// gather puts together what Decide looks at.
func (l *Loop) gather(now time.Time) Facts {
	facts := Facts{Spec: l.in.Spec, Deleting: l.in.Deleting}
	if l.in.Latest != nil {
		latest := l.in.Latest()
		facts.Source.Err = latest.Err
		if latest.Artifact != nil {
			revision := latest.Artifact.Revision()
			facts.Source.Revision = &revision
		}
	}
	if l.in.Needs != nil {
		facts.Needs = l.in.Needs()
	}
	facts.Render = RenderFacts{Known: l.desired.known, Err: l.desired.err, Verdict: l.desired.verdict, RetryAt: l.desired.retryAt}
	if l.desired.artifact != nil {
		facts.Render.Revision = l.desired.artifact.Revision().ID
	}
	facts.Compare = CompareFacts{
		Known: l.actual.known, Fresh: !l.actual.all && len(l.actual.dirty) == 0,
		Err: l.actual.err, RetryAt: l.actual.retryAt, Unknown: l.actual.unknown,
	}
	facts.Objects, facts.ChangedAt = l.actual.entries, l.actual.changedAt
	if l.actual.erring() {
		facts.RetryAt = l.actual.recheckAt // another look at what is not healthy is no retry
	}
	l.plan(&facts, now)
	return facts
}

// plan adds the plan and what it depends on to the facts.
func (l *Loop) plan(facts *Facts, now time.Time) {
	if l.actual.quiet() {
		return // the usual case costs no copies and no sorting
	}
	blocked := false
	for _, need := range facts.Needs {
		blocked = blocked || !need.Health.Ready()
	}
	report := diff.Report{Unknown: l.actual.unknown, Entries: make([]diff.Entry, 0, len(l.actual.entries))}
	for _, entry := range l.actual.entries {
		entry.Err = l.memory.errorOf(entry, now)
		if entry.Err != nil {
			facts.RetryAt = earliest(facts.RetryAt, l.retryOf(entry, now))
		}
		if entry.Op != diff.None && blocked && !facts.Deleting && !l.memory.drift(entry, l.want()) {
			facts.Gated++
			continue
		}
		report.Entries = append(report.Entries, entry)
	}
	facts.Plan = plan.Build(report, l.planRules())
	for _, step := range facts.Plan.Next {
		entry := diff.Entry{ID: step.ID, Op: step.Op, Want: step.Want}
		facts.New = facts.New || !l.memory.drift(entry, l.want())
	}
}

func (l *Loop) planRules() plan.Rules {
	isDrift := func(entry diff.Entry) bool { return l.memory.drift(entry, l.want()) }
	return plan.Rules{
		Revision: l.desired.revision,
		Prune:    l.in.Prune || l.in.Deleting,
		Ignore:   l.in.Ignore,
		Repair:   isDrift,
		Skip: func(entry diff.Entry) bool {
			report := entry.Drift == "report" || (entry.Drift == "" && l.in.Spec.Report)
			return report && isDrift(entry)
		},
	}
}

// retryOf is when an object that cannot be changed is tried again.
func (l *Loop) retryOf(entry diff.Entry, now time.Time) time.Time {
	if f, ok := l.memory.failing[entry.ID]; ok && now.Before(f.notYet) {
		return f.notYet
	}
	return l.actual.recheckAt
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
