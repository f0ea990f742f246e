package loop

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// The words of v1alpha1.Attempt.Trigger, Outcome and v1alpha1.Change.Cause.
const (
	byRevision = "revision"
	byDrift    = "drift"
	byRetry    = "retry"
	byRequest  = "request"
	byDeletion = "deletion"
	byRollback = "rollback"
	byRecovery = "recovery"

	succeeded  = "Succeeded"
	failed     = "Failed"
	unhealthy  = "Unhealthy"
	held       = "Held"
	superseded = "Superseded"
)

// recordDeadline bounds one write to the history; the loop goes on without it (package history keeps what could not be
// written).
const recordDeadline = 5 * time.Second

// attempt is the run of the loop that is being recorded.
type attempt struct {
	entry    *history.Entry // nil when none is open
	revision string
	trigger  string // set by a person's request, for the next one
	planned  []v1alpha1.Change
	changes  []v1alpha1.Change
	problems []v1alpha1.Problem
	spent    map[string]v1alpha1.Duration
	began    time.Time
	// told is the failure that was recorded last, so that it is recorded once and not at every look.
	told string
	// approval that let it through, and the revision that it leaves, for the next one.
	approval *v1alpha1.Approval
	leaves   *state.Revision
}

func (a *attempt) note(change v1alpha1.Change, errs []error) {
	for _, err := range errs {
		a.problems = appendProblem(a.problems, problemOf(err))
	}
	a.changes = append(a.changes, change)
}

func (a *attempt) took(what string, span time.Duration) {
	if a.spent == nil {
		a.spent = map[string]v1alpha1.Duration{}
	}
	a.spent[what] += v1alpha1.Duration(span)
}

// beginAttempt opens a record before the first change, so that one cut short by a crash is known as such.
func (l *Loop) beginAttempt(facts Facts) {
	a := &l.attempt
	if a.entry != nil && a.revision == l.desired.revision.ID {
		a.planned = append(a.planned, plannedIn(facts.Plan, byRevision)...)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.cfg.Context), recordDeadline)
		defer cancel()
		a.entry.Extend(ctx, a.planned)
		return
	}
	if a.entry != nil {
		l.close(superseded, "NewRevision", "a newer revision came before this one had settled")
	}
	trigger := a.trigger
	switch {
	case a.leaves != nil:
		trigger = byRollback
	case trigger != "":
	case l.in.Deleting:
		trigger = byDeletion
	case !facts.New, l.desired.hooks.run.Repairing: // hooks run before it, which are no drift
		trigger = byDrift
	case a.revision == l.desired.revision.ID && a.told != "":
		trigger = byRetry
	default:
		trigger = byRevision
	}
	planned := plannedIn(facts.Plan, trigger)
	l.open(trigger, l.desired.revision, planned)
	l.attempt.planned = planned
}

// plannedIn tells what a stage is about to do.
func plannedIn(p plan.Plan, cause string) []v1alpha1.Change {
	planned := make([]v1alpha1.Change, 0, len(p.Next))
	for _, step := range p.Next {
		planned = append(planned, diff.Change(diff.Entry{ID: step.ID, Op: step.Op, Want: step.Want, Fields: step.Fields}, cause, 0))
	}
	return planned
}

// open begins the record, with what is about to be changed: it is all that is left of an attempt that a crash cuts short.
func (l *Loop) open(trigger string, revision state.Revision, planned []v1alpha1.Change) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.cfg.Context), recordDeadline)
	defer cancel()
	approval, leaves := l.attempt.approval, l.attempt.leaves
	l.attempt = attempt{revision: l.desired.revision.ID, told: l.attempt.told, began: l.cfg.Now()}
	l.rest = v1alpha1.SyncStatus{}
	l.attempt.entry = l.cfg.History.Begin(ctx, v1alpha1.Attempt{
		Sync: l.cfg.Owner.Sync, Trigger: trigger, Revision: revision, Moved: revision.Moved(l.held), Started: l.attempt.began,
		Changes: planned, Approval: approval, RolledBackFrom: leaves,
	})
	if l.desired.took > 0 {
		l.attempt.took("render", l.desired.took)
		l.desired.took = 0
	}
}

func (l *Loop) close(outcome, reason, message string) {
	a := &l.attempt
	if a.entry == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.cfg.Context), recordDeadline)
	defer cancel()
	changes, problems, spent := a.changes, a.problems, a.spent
	finished := a.entry.Finish(ctx, func(record *v1alpha1.Attempt) {
		record.Finished, record.Outcome, record.Reason, record.Message = l.cfg.Now(), outcome, reason, message
		record.Changes, record.Problems, record.Durations = changes, problems, spent
	})
	l.events = append(l.events, v1alpha1.Event{Type: "attempt", Reason: outcome, Message: message, Attempt: &finished})
	a.entry, a.planned, a.changes, a.problems, a.spent = nil, nil, nil, nil, nil
}

// finishAttempt closes the record when the loop has come to rest, and records what came without any change: a failure, and that health
// has come back after one.
func (l *Loop) finishAttempt(decision Decision) {
	a := &l.attempt
	signature := l.signatureOf(decision)
	switch {
	case a.entry != nil || signature == a.told:
	case signature != "":
		l.open(orElse(a.trigger, byRevision), l.revisionSeen(), nil) // not what is in force: what has failed, or is held back
	case decision.State == InSync:
		l.open(orElse(a.trigger, byRecovery), l.desired.revision, nil)
	}
	if decision.State == InSync && !l.desired.seenAt.IsZero() {
		l.settled, l.desired.seenAt = max(1, l.cfg.Now().Sub(l.desired.seenAt)), time.Time{}
	}
	if a.entry != nil {
		for _, err := range decision.Errs {
			a.problems = appendProblem(a.problems, problemOf(err))
		}
		if decision.State != Settling {
			a.took("settle", l.cfg.Now().Sub(a.began))
		}
		l.close(outcomeOf(decision), decision.Reason, decision.Message)
	}
	a.told = signature
}

// signatureOf tells failures apart, so that each is recorded once; "" for no failure. What a later revision says is the same failure while
// it says the same.
func (l *Loop) signatureOf(decision Decision) string {
	if decision.State != Failed && decision.State != Held {
		return ""
	}
	what := string(l.desired.newest().digest)
	if l.desired.err != nil || what == "" {
		what = l.revisionSeen().ID
	}
	if outcomeOf(decision) == unhealthy { // what keeps it unhealthy may become clearer, and is no new failure
		return what + "|" + decision.Reason
	}
	return what + "|" + decision.Reason + "|" + decision.Message
}

func outcomeOf(decision Decision) string {
	switch {
	case decision.State == Failed && decision.Reason == "Unhealthy":
		return unhealthy
	case decision.State == Held:
		return held
	case decision.State == Failed:
		return failed
	}
	return succeeded
}

// resting says whether a state ends an attempt: nothing more happens without an event from outside.
func resting(decision Decision) bool {
	return decision.Action == Nothing && (decision.State != Settling || decision.Reason == DependencyUnhealthy) &&
		!(decision.State == Pending && decision.Reason != "DependencyNotReady")
}

// change describes one step and its outcome.
func (l *Loop) change(entry diff.Entry, result target.Result, drift bool) v1alpha1.Change {
	cause := byRevision
	switch {
	case drift:
		cause = byDrift
	case l.in.Deleting:
		cause = byDeletion
	}
	change := diff.Change(entry, cause, 0)
	change.TookOver = result.TookOver
	if result.Adopted {
		change.Op = "adopt"
	}
	if result.Err != nil {
		problem := problemOf(result.Err)
		change.Error = &problem
	}
	kind := "change"
	if drift {
		kind = "drift"
	}
	l.events = append(l.events, v1alpha1.Event{Type: kind, Reason: change.Op, Message: entry.ID.String(), Change: &change})
	return change
}

// publish tells the outside what the loop is going through, if that has changed.
func (l *Loop) publish(decision Decision, facts Facts) {
	if decision.Action == Nothing && (decision.State == InSync || decision.State == RolledBack) {
		l.noteGood()
		facts.GivenUp = false
	}
	if resting(decision) {
		l.finishAttempt(decision)
	}
	status := l.statusOf(decision, facts)
	if decision.Action == Nothing && l.isNews(status) {
		shown := status
		l.news = status
		l.events = append(l.events, v1alpha1.Event{Type: "state", Reason: status.Reason, Message: status.Message, Status: &shown})
	}
	entries := l.memory.marked(l.actual.entries, l.cfg.Now())
	changed := !equalStatus(status, l.status) || movedHealth(l.view.entries, entries)
	l.mu.Lock()
	l.status = status
	l.view = view{status: status, entries: entries, want: l.want(), good: l.past.good, inForce: l.desired.digest}
	if c := l.desired.candidate; c != nil && len(c.verdicts) > 0 {
		l.view.changes = c.changes
	}
	l.mu.Unlock()
	if !changed && len(l.events) == 0 && !l.keep && l.settled == 0 {
		return
	}
	events, keep, settled := l.events, l.keep, l.settled
	l.events, l.keep, l.settled = nil, false, 0
	for i := range events {
		events[i].Time, events[i].Sync = l.cfg.Now(), l.cfg.Owner.Sync
	}
	l.cfg.Publish(Update{
		Status: status, Events: events, Resting: decision.Action == Nothing, Keep: keep, Settled: settled, Rest: l.restOf(status),
	})
}

// restOf is what is to be known after a restart.
func (l *Loop) restOf(status v1alpha1.SyncStatus) Rest {
	rest := Rest{
		Status: status, Desired: l.memory.whole, InForce: l.past.allowed, Approved: l.past.approved,
		Good: slices.Clone(l.past.good), Bad: slices.Clone(l.past.bad), Hooks: l.cfg.Before.Hooks,
	}
	if l.desired.known {
		rest.Hooks = nil
	}
	if l.desired.hooks.of != nil {
		run := l.desired.hooks.run
		run.Records = maps.Clone(run.Records)
		rest.Hooks = &run
	}
	return rest
}

// isNews says whether a status is worth an event: another state, or another problem. What a state waits for in between is shown
// by the status and makes no noise.
func (l *Loop) isNews(status v1alpha1.SyncStatus) bool {
	problem := status.State == string(Failed) || status.State == string(Held) || status.State == string(RolledBack) ||
		status.Reason == ReasonContended
	return status.State != l.news.State || (problem && (status.Reason != l.news.Reason || status.Message != l.news.Message))
}

func (l *Loop) statusOf(decision Decision, facts Facts) v1alpha1.SyncStatus {
	status := v1alpha1.SyncStatus{
		Name: l.cfg.Owner.Sync, Parent: l.cfg.Parent,
		State: string(decision.State), Reason: decision.Reason, Message: decision.Message, Hint: decision.Hint,
		Source: l.in.SourceName, Path: l.in.Path, To: l.in.TargetName,
		Revision: l.revisionSeen(), Applied: l.inForce(),
		NextTry: decision.WakeAt, SuspendedBy: l.in.Spec.SuspendedBy, Deleting: l.in.Deleting,
		Plan: l.desired.candidate.held(), Contended: facts.Contended, Override: l.override(), Cause: decision.Cause,
		Deviation: deviationOf(facts.Objects, facts.Checks), Quarantine: quarantineOf(facts, l.past.quarantined(l.desired.digest)),
	}
	switch waits := decision.State == Failed || decision.State == Settling || decision.Reason == ReasonContended; {
	case decision.State == Held || facts.held():
		status.NextTry = earliest(l.desired.candidate.until(), facts.Frozen.Until)
	case !waits || facts.GivenUp:
		status.NextTry = time.Time{}
	}
	for _, err := range decision.Errs {
		status.Problems = appendProblem(status.Problems, problemOf(err))
	}
	if !l.actual.known {
		status.Objects = l.cfg.Before.Status.Objects // as far as is known
	}
	for _, entry := range facts.Objects {
		status.Objects.Total++
		if entry.Op != diff.None {
			status.Objects.Different++
		}
		if entry.Err != nil || entry.Health.Status == state.Degraded {
			status.Objects.Failed++
		} else if entry.Op != diff.Delete && entry.Health.Ready() {
			status.Objects.Healthy++
		}
	}
	status.Since, status.Looked = l.since(status), l.looked(decision, facts)
	if decision.Action == Nothing {
		l.rest = status
	}
	return status
}

// looked is when everything was last seen as it then was: the source asked, the target compared, nothing left to do.
func (l *Loop) looked(decision Decision, facts Facts) time.Time {
	if decision.State == Suspended {
		return l.cfg.Now() // it looks no further
	}
	if decision.Action != Nothing || (!facts.Compare.Fresh && facts.Compare.Known) {
		return l.status.Looked
	}
	if l.in.Latest != nil {
		if checked := l.in.Latest().CheckedAt; checked.Before(l.requestedAt) {
			return l.status.Looked // the source has not answered a person's request yet
		}
	}
	return l.cfg.Now()
}

// since is when a state began. A look that found everything as it was does not make a new beginning, and neither does a
// restart; an attempt does (see open).
func (l *Loop) since(status v1alpha1.SyncStatus) time.Time {
	for _, before := range []v1alpha1.SyncStatus{l.rest, l.status} {
		if status.State == before.State && status.Reason == before.Reason && !before.Since.IsZero() {
			return before.Since
		}
	}
	return l.cfg.Now()
}

// inForce is the newest revision that the target was seen equal to.
func (l *Loop) inForce() state.Revision {
	if l.actual.known && l.desired.known && l.memory.whole == l.desired.set.Digest() && !l.in.Deleting {
		l.held = l.desired.revision
	}
	return l.held
}

// revisionSeen is the newest revision that the loop has looked at, before a restart too.
func (l *Loop) revisionSeen() state.Revision {
	if l.desired.artifact != nil {
		return l.desired.artifact.Revision()
	}
	return l.cfg.Before.Status.Revision
}

func problemOf(err error) v1alpha1.Problem {
	return v1alpha1.Problem{Kind: string(fault.KindOf(err)), Message: err.Error(), Hint: fault.HintOf(err)}
}

// maxProblems bounds what a status and an attempt carry; the count of failed objects is exact all the same.
const maxProblems = 50

func appendProblem(problems []v1alpha1.Problem, problem v1alpha1.Problem) []v1alpha1.Problem {
	if len(problems) >= maxProblems || slices.Contains(problems, problem) {
		return problems
	}
	return append(problems, problem)
}

func equalStatus(a, b v1alpha1.SyncStatus) bool {
	same := slices.Equal(a.Problems, b.Problems) && slices.Equal(a.Contended, b.Contended) && reflect.DeepEqual(a.Plan, b.Plan) &&
		reflect.DeepEqual(a.Quarantine, b.Quarantine) && reflect.DeepEqual(a.Cause, b.Cause) && reflect.DeepEqual(a.Override, b.Override) &&
		a.Deviation == b.Deviation
	a.Problems, b.Problems = nil, nil
	return same && a.Name == b.Name && a.State == b.State && a.Reason == b.Reason && a.Message == b.Message &&
		a.Source == b.Source && a.Path == b.Path && a.To == b.To && a.Objects == b.Objects &&
		a.Revision.ID == b.Revision.ID && a.Applied.ID == b.Applied.ID && a.NextTry.Equal(b.NextTry) &&
		a.SuspendedBy == b.SuspendedBy && a.Deleting == b.Deleting && a.Hint == b.Hint
}
