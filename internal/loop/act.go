package loop

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// render reads the newest revision. When nothing that was read last time has changed, it only takes note of the revision.
func (l *Loop) render() {
	latest := l.in.Latest()
	if latest.Artifact == nil {
		return
	}
	d, outside := &l.desired, l.outside()
	if d.outside == outside && d.unchanged(latest.Artifact, l.in.Path) {
		d.artifact = latest.Artifact
		d.newest().revision = latest.Artifact.Revision()
		return
	}
	started := l.cfg.Now()
	result, err := l.renderNow(latest.Artifact)
	d.took = l.cfg.Now().Sub(started)
	fresh := d.artifact == nil || d.artifact.Revision().ID != latest.Artifact.Revision().ID
	d.artifact, d.outside, d.err, d.retryAt = latest.Artifact, outside, err, time.Time{}
	if err != nil && l.moved(latest.Artifact) {
		// What was there is gone: the same as a revision that declares nothing, for the guards to judge and for a person to approve.
		d.err = nil
		l.offer(result, err)
		return
	}
	if err != nil {
		if fresh {
			d.tries = 0
		}
		if fault.KindOf(err) == fault.Transient {
			d.tries++
			d.retryAt = l.cfg.Now().Add(l.in.Backoff.After(d.tries, l.cfg.Random))
		}
		l.restore()
		return
	}
	l.offer(result, nil)
}

func (l *Loop) outside() uint64 {
	if l.in.Outside == nil {
		return 0
	}
	return l.in.Outside()
}

// moved says whether the path of what is in force is not in a revision any more. A Sync that may declare nothing has to name the path all
// the same: with it nobody could tell a mistake from what is meant.
func (l *Loop) moved(artifact source.Artifact) bool {
	if l.in.Terms.AllowEmpty || !l.desired.known && l.past.allowed == "" {
		return false
	}
	_, err := fs.Stat(artifact, l.in.Path)
	return errors.Is(err, fs.ErrNotExist)
}

// unchanged says whether the newest revision that was rendered says the same as an artifact, from hashes alone.
func (d *desired) unchanged(artifact source.Artifact, path string) bool {
	return (d.known || d.candidate != nil) && d.artifact != nil && d.err == nil && d.result.Path == path &&
		d.result.Reads.Unchanged(artifact)
}

// newest gives the desired state that was rendered last: the one in force, or the one that waits.
func (d *desired) newest() *declared {
	if d.candidate != nil {
		return &d.candidate.declared
	}
	return &d.declared
}

func (l *Loop) renderNow(artifact source.Artifact) (render.Result, error) {
	ctx, cancel := l.bounded(renderDeadline)
	defer cancel()
	select {
	case l.cfg.Slots <- struct{}{}:
		defer func() { <-l.cfg.Slots }()
	case <-ctx.Done():
		return render.Result{}, fault.Wrap(fault.Transient, "wait for a turn to render", l.in.Path, ctx.Err())
	}
	result, err := l.cfg.Render(ctx, artifact, l.in.Path)
	result.Path = l.in.Path
	return result, err
}

// enforce makes a desired state the one that the target is held to. A comparison with it, where there is one, is taken over.
func (l *Loop) enforce(next *declared, report *diff.Report) {
	d := &l.desired
	if l.cfg.Before.Hooks != nil && !d.known && next.hooks.resume(*l.cfg.Before.Hooks) {
		next.set = next.hooks.marked()
	}
	d.known, d.declared = true, *next
	l.backTo, l.past.tries, l.past.backAt = nil, 0, time.Time{}               // what was to be gone back to is past, too
	if c := d.candidate; c != nil && !c.deleting && c.digest == next.digest { // what is newest says the same
		d.revision, d.candidate = c.revision, nil
	}
	l.past.allowed, l.keep = next.digest, true
	a := &l.actual
	a.all, a.known, a.began, a.rechecks = true, false, time.Time{}, 0
	for id, failed := range l.memory.failing {
		if object := d.set.Get(id); object == nil || object.Digest() != failed.digest {
			delete(l.memory.failing, id)
		} else if report != nil { // what comes back is no news
			failed.failures, failed.notYet = 0, time.Time{} // a new revision resets the back-off
			l.memory.failing[id] = failed
		}
	}
	if report != nil {
		l.compared(*report, nil)
	}
}

// relocate says where the same objects are declared now: their files may have been moved.
func (l *Loop) relocate(rendered state.Set) {
	d := &l.desired
	d.set = rendered
	if d.hooks.of != nil {
		d.hooks.rendered = rendered
		d.set = d.hooks.marked()
	}
	l.actual.entries = slices.Clone(l.actual.entries)
	for i := range l.actual.entries {
		entry := &l.actual.entries[i]
		if object := d.set.Get(entry.ID); object != nil && entry.Want != nil {
			entry.Want = object
		}
	}
}

// compare asks the target what differs: everything, or only the objects that something happened to.
func (l *Loop) compare() {
	a := &l.actual
	query := l.query()
	if !a.all && a.known {
		query.Only = sortedIDs(a.dirty)
	}
	a.all, a.dirty = false, nil
	report, err := l.compareNow(query)
	if err == nil && query.Only != nil && len(report.Unknown) > 0 { // which of them is not known: half an answer is none
		l.failedCompare(report.Unknown[0])
		return
	}
	if err == nil {
		l.compared(report, query.Only)
		l.doubts()
	}
}

// compared takes over a comparison of everything, or of the objects that were asked for.
func (l *Loop) compared(report diff.Report, only []state.ID) {
	a := &l.actual
	l.observe(report.Entries)
	report.Entries = l.correct(report.Entries)
	if only == nil {
		a.all, a.dirty = false, nil
		a.entries, a.unknown, a.known, a.at = report.Entries, report.Unknown, true, l.cfg.Now()
		l.memory.forget(l.want(), a.entries, l.cfg.Now())
	} else {
		a.merge(only, report.Entries)
	}
	l.remember(report.Entries)
}

// doubts asks the target about the objects that it refused when they were applied: what made it refuse them may have gone, and asking
// changes nothing. Those that it would accept are tried again.
func (l *Loop) doubts() {
	query := l.query()
	for _, entry := range l.actual.entries {
		failed, ok := l.memory.failing[entry.ID]
		if ok && failed.doubt && failed.ask && entry.Op != diff.None && failed.digest == digestOf(entry) {
			query.Only = append(query.Only, entry.ID)
		}
	}
	if query.Only == nil {
		return
	}
	query.Exact = true
	report, err := l.compareNow(query)
	if err != nil || len(report.Unknown) > 0 {
		return
	}
	for _, entry := range report.Entries {
		failed := l.memory.failing[entry.ID]
		failed.ask = false
		if entry.Err == nil {
			failed.doubt, failed.notYet = false, time.Time{}
		}
		l.memory.failing[entry.ID] = failed
	}
	l.compared(report, query.Only)
}

// correct adds to a comparison what only the loop knows: which declarations are wrong by themselves or not allowed, which differences are
// to be left as they are, whose turn it is among the hooks, and that fields which are only missing because they are newly declared were
// removed by nobody.
func (l *Loop) correct(entries []diff.Entry) []diff.Entry {
	kept := make([]diff.Entry, 0, len(entries))
	for _, entry := range entries {
		l.leave(&entry)
		if entry.Want != nil && !l.in.Deleting {
			if wrong := l.desired.wrong[entry.ID]; wrong != nil {
				entry.Err = wrong
			} else if refused := l.in.Terms.Refuses(entry.ID); refused != nil && entry.Err == nil {
				entry.Err = refused
			}
		}
		if !l.due(&entry) {
			continue
		}
		if entry.Op != diff.None && !l.memory.drift(entry, l.want()) {
			entry.Fields = slices.Clone(entry.Fields)
			for j := range entry.Fields {
				if field := &entry.Fields[j]; field.Old == "" {
					field.By, field.When = "", time.Time{}
				}
			}
		}
		kept = append(kept, entry)
	}
	return kept
}

// leave takes back a difference that is meant: drift of an object that is left to others, and an object that is no longer
// declared and is to be kept.
func (l *Loop) leave(entry *diff.Entry) {
	switch {
	case entry.Op == diff.Delete && !l.in.Deleting && (entry.Keep || !l.in.Prune):
		entry.Op = diff.None
		entry.Health = state.Health{Status: state.Healthy, Reason: "Kept", Message: "no longer declared, and not to be pruned"}
	case entry.Op == diff.Update && entry.Drift == v1alpha1.DriftIgnore && l.memory.drift(*entry, l.want()):
		entry.Op, entry.Fields = diff.None, nil
	}
}

// merge replaces the entries of some objects.
func (a *actual) merge(asked []state.ID, entries []diff.Entry) {
	fresh := make(map[state.ID]diff.Entry, len(entries))
	for _, entry := range entries {
		fresh[entry.ID] = entry
	}
	stale := make(map[state.ID]bool, len(asked))
	for _, id := range asked {
		stale[id] = true
	}
	merged := make([]diff.Entry, 0, max(len(a.entries), len(entries)))
	for _, entry := range a.entries {
		if !stale[entry.ID] {
			merged = append(merged, entry)
		} else if now, ok := fresh[entry.ID]; ok {
			merged = append(merged, now)
			delete(fresh, entry.ID)
		}
	}
	for _, entry := range entries {
		if _, left := fresh[entry.ID]; left {
			merged = append(merged, entry)
		}
	}
	slices.SortStableFunc(merged, func(x, y diff.Entry) int { return x.ID.Compare(y.ID) })
	a.entries = merged
}

// remember draws the conclusions of a comparison.
func (l *Loop) remember(compared []diff.Entry) {
	a := &l.actual
	for _, entry := range compared {
		if entry.Op == diff.None && entry.Want != nil && entry.Err == nil {
			l.memory.inForce[entry.ID] = entry.Want.Digest()
			delete(l.memory.failing, entry.ID)
		}
	}
	ready, equal, errs := true, len(a.unknown) == 0, len(a.unknown) > 0
	for _, entry := range a.entries {
		ready = ready && (entry.Health.Ready() || entry.Health.Status == state.Suspended)
		equal = equal && entry.Op == diff.None
		errs = errs || entry.Err != nil
	}
	if a.wasReady && !ready {
		a.changedAt = l.cfg.Now() // the health timeout counts from here
	}
	if a.changedAt.IsZero() {
		a.changedAt = l.cfg.Now()
	}
	a.wasReady = ready
	if equal {
		l.memory.whole = l.want().Digest()
	}
	switch {
	case !errs && ready:
		a.rechecks, a.recheckAt = 0, time.Time{}
	case a.recheckAt.IsZero():
		a.rechecks++
		a.recheckAt = l.cfg.Now().Add(l.in.Backoff.After(a.rechecks, l.cfg.Random))
	}
}

// apply carries out one stage.
func (l *Loop) apply(facts Facts) {
	l.beginAttempt(facts)
	steps := make(map[state.ID]plan.Step, len(facts.Plan.Next))
	for _, step := range facts.Plan.Next {
		steps[step.ID] = step
	}
	ctx, cancel := l.bounded(applyDeadline)
	defer cancel()
	started := l.cfg.Now()
	err := l.in.Target.Apply(ctx, l.cfg.Owner, facts.Plan.Next, func(result target.Result) {
		if step, ok := steps[result.ID]; ok {
			l.applied(step, result)
			delete(steps, result.ID)
		}
	})
	l.attempt.took("apply", l.cfg.Now().Sub(started))
	for _, step := range facts.Plan.Next {
		if _, silent := steps[step.ID]; !silent {
			continue
		}
		cause := err // never reported: it may or may not have happened
		if cause == nil {
			cause = fault.New(fault.Internal, string(step.Op), step.ID.String(), "the target did not report an outcome")
		}
		l.applied(step, target.Result{ID: step.ID, Op: step.Op, Err: cause})
	}
	if facts.New || l.actual.wasReady { // repairs of what is not healthy must not put off its end
		l.actual.changedAt = l.cfg.Now()
	}
	if l.actual.began.IsZero() {
		l.actual.began = l.cfg.Now()
	}
	l.actual.recheckAt = time.Time{}
}

// applied takes note of one step's outcome.
func (l *Loop) applied(step plan.Step, result target.Result) {
	now := l.cfg.Now()
	l.actual.touch(step.ID)
	l.memory.damper.wrote(step.ID, now)
	l.stepped(step, result.Err != nil)
	entry := diff.Entry{ID: step.ID, Op: step.Op, Want: step.Want, Fields: step.Fields}
	drift := l.memory.drift(entry, l.want())
	l.attempt.note(l.change(entry, result, drift), located(step.Want, result.Err))
	if result.Err != nil {
		failed := l.memory.failing[step.ID]
		if failed.digest != digestOf(entry) {
			failed = failing{digest: digestOf(entry)}
		}
		failed.failures++
		failed.err, failed.doubt = result.Err, fault.KindOf(result.Err) != fault.Transient && step.Want != nil
		failed.notYet = now.Add(l.in.Backoff.After(failed.failures, l.cfg.Random))
		l.memory.failing[step.ID] = failed
		return
	}
	if drift {
		l.memory.damper.corrected(entry, now)
	}
	delete(l.memory.failing, step.ID)
	if step.Want != nil {
		l.memory.inForce[step.ID] = step.Want.Digest()
	} else {
		delete(l.memory.inForce, step.ID) // should it be declared again, that it is missing is no drift
	}
}
