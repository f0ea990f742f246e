package loop

import (
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// candidate is a desired state that was rendered, or that nothing is to be owned any more, and is not in force.
type candidate struct {
	declared
	judged   bool
	at       time.Time // when
	stale    bool      // something has happened since that may have changed the plan
	verdicts []policy.Verdict
	changes  []diff.Entry
	plan     state.Digest // of the changes: what an approval names
	void     *v1alpha1.Approval
	// probeAt is when the target is asked again whether it would still refuse a quarantined one; zero for never.
	probeAt  time.Time
	probes   int
	deleting bool
	missing  error // says that the source has the path no more
}

// declared is a desired state and where it comes from.
type declared struct {
	set      state.Set    // as it is applied: hooks carry the mark of their run
	digest   state.Digest // of the set as it was rendered
	revision state.Revision
	wrong    map[state.ID]error
	hooks    hooks
}

// offer takes a rendered set: what says the same as what is in force only moves its revision on, anything else has to be judged.
func (l *Loop) offer(result render.Result, missing error) {
	d := &l.desired
	revision, digest := d.artifact.Revision(), digestOfSet(result.Objects)
	wrong := result.Wrong
	d.result = result
	d.result.Objects = state.Set{} // held once, in declared
	switch {
	case d.known && d.digest == digest:
		d.revision, d.candidate = revision, nil
		l.relocate(result.Objects)
		return
	case d.candidate != nil && d.candidate.digest == digest && !d.candidate.deleting:
		d.candidate.revision = revision
		return
	}
	set, hooks := newHooks(result.Objects, digest)
	d.candidate = &candidate{declared: declared{set: set, digest: digest, revision: revision, wrong: wrong, hooks: hooks}, missing: missing}
	if !d.known && l.past.allowed == digest { // it was in force before a restart
		l.enforce(&d.candidate.declared, nil)
		return
	}
	d.seenAt = l.cfg.Now()
	switch {
	case l.past.quarantined(digest) != nil:
		l.probeLater()
		fallthrough
	default:
		l.restore()
	}
}

// restore has what was in force before a restart put in force again, when what is newest is not: the target is to be held to something
// while the newest is judged, held back, or cannot be read at all.
func (l *Loop) restore() {
	if !l.desired.known && l.backTo == nil && l.cfg.Shelf != nil {
		l.backTo = l.past.inForce()
	}
}

// digestOfSet is the digest of a desired state as it was rendered; that of nothing is not "", which stands for none.
func digestOfSet(set state.Set) state.Digest { return orElse(set.Digest(), emptyDigest) }

const emptyDigest state.Digest = "empty"

// judge compares the target with a candidate and asks the guards about the difference. What they allow is in force from then on.
func (l *Loop) judge() {
	c := l.desired.candidate
	query := l.query()
	query.Want = c.set
	report, err := l.compareNow(query)
	if err != nil {
		return
	}
	c.judged, c.at, c.stale, c.changes = true, l.cfg.Now(), false, l.changesOf(c, report)
	c.plan = policy.Digest(c.changes)
	input := policy.Input{
		Now: l.cfg.Now(), Revision: c.revision, Objects: c.set.Len(), Owned: ownedIn(report.Entries), Deleting: c.deleting,
		Terms: l.in.Terms,
		Sync:  policy.Sync{Name: l.cfg.Owner.Sync, Parent: l.cfg.Parent, Path: l.in.Path, Source: l.in.SourceName, Target: l.in.TargetName},
	}
	if c.deleting {
		terms := *l.in.Terms
		terms.Broken = nil // what it lacks may have gone with it, and would keep it for ever
		input.Terms = &terms
	}
	if o := l.override(); o != nil {
		input.WindowsUntil = o.Until
	}
	approval := l.in.Approval
	if approval != nil && l.past.used(*approval) {
		approval = nil
	}
	input.Approved = approval != nil && approval.Digest == string(c.plan)
	if input.Changes, err = l.withBefore(c.changes); err != nil {
		l.failedCompare(err)
		c.judged = false
		return
	}
	c.verdicts = c.explained(policy.Judge(input))
	if c.void != l.in.Approval {
		c.void = nil
	}
	if refused := l.in.Spec.Refused; refused != nil && !c.deleting { // what it asks for is not known: nothing new before it is
		c.verdicts = append([]policy.Verdict{{Outcome: policy.Hold, Check: declarationRefused, Message: describeRefused(refused),
			Remedy: fault.HintOf(refused)}}, c.verdicts...)
	}
	if len(report.Unknown) > 0 { // what would change there is not known, and cannot be judged
		c.verdicts = append(c.verdicts, l.incomparable(report.Unknown[0]))
	}
	switch {
	case len(report.Unknown) > 0:
	case len(c.verdicts) == 0 && input.Approved:
		l.past.approved = approval.Time
		if len(c.changes) > 0 {
			l.attempt.approval = approval
		}
		fallthrough
	case len(c.verdicts) == 0:
		l.allow(c, report)
	case approval != nil && !input.Approved: // another plan: it is void, and stays so
		c.void = approval
		l.past.approved, l.keep = approval.Time, true
	}
}

// explained says of an empty desired state what made it empty, where that is known.
func (c *candidate) explained(verdicts []policy.Verdict) []policy.Verdict {
	for i := range verdicts {
		if v := &verdicts[i]; v.Check == policy.EmptyRender && c.missing != nil {
			v.Message = c.missing.Error() + "; nothing is deleted"
			v.Remedy = strings.TrimSuffix(v.Remedy, ", or set spec.allowEmpty: true") // which says nothing of a path that is not there
			if hint := fault.HintOf(c.missing); hint != "" {
				v.Remedy = hint + "; " + v.Remedy
			}
		}
	}
	return verdicts
}

// notCompared is the reason of a change that guards cannot judge, because one of several targets does not answer.
const notCompared = "NotCompared"

func (l *Loop) incomparable(why error) policy.Verdict {
	return policy.Verdict{Outcome: policy.Hold, Check: notCompared, Until: l.cfg.Now().Add(l.in.Backoff.Max),
		Message: "what would change cannot be judged: " + why.Error(), Remedy: fault.HintOf(why)}
}

// allow puts a candidate in force, with the comparison that the guards have seen.
func (l *Loop) allow(c *candidate, report diff.Report) {
	if c.deleting {
		l.desired.candidate, l.past.allowed, l.keep = nil, ownDeletion, true
		l.compared(report, nil)
		return
	}
	l.enforce(&c.declared, &report)
}

// changesOf gives what a candidate would change: neither what is left as it is, nor what repairs drift. Hooks are among it: they would
// run, which is no more dangerous when an earlier run has left its object.
func (l *Loop) changesOf(c *candidate, report diff.Report) []diff.Entry {
	var changes []diff.Entry
	for _, entry := range report.Entries {
		l.leave(&entry)
		if _, hook := c.hooks.of[entry.ID]; hook && entry.Want != nil && entry.Op != diff.None {
			changes = append(changes, diff.Entry{ID: entry.ID, Op: diff.Create, Want: entry.Want, Err: entry.Err})
			continue
		}
		kept := entry.Op == diff.Delete && entry.Keep
		if entry.Op == diff.None || kept || entry.Terminating || l.memory.drift(entry, c.set) {
			continue
		}
		changes = append(changes, entry)
	}
	return changes
}

// ownedIn counts the objects of a comparison that are there and ours.
func ownedIn(entries []diff.Entry) int {
	owned := 0
	for _, entry := range entries {
		if entry.Op != diff.Create && entry.Err == nil {
			owned++
		}
	}
	return owned
}

// withBefore adds to each change what it replaces, where a rule looks at that.
func (l *Loop) withBefore(entries []diff.Entry) ([]policy.Change, error) {
	changes := make([]policy.Change, len(entries))
	reader, can := l.in.Target.(target.Reader)
	read := can && l.in.Terms.ReadBefore()
	ctx, cancel := l.bounded(compareDeadline)
	defer cancel()
	for i, entry := range entries {
		changes[i].Entry = entry
		changes[i].Lost = false // repairs are left out already: here it gets another content than the one that was lost
		if !read || entry.Op == diff.Create {
			continue
		}
		before, err := reader.Read(ctx, entry.ID)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), "read", entry.ID.String()+" for a rule", err)
		}
		changes[i].Before = before
	}
	return changes, nil
}

// probe asks the target whether it would still refuse what made a candidate fail; nothing is changed by that. When it would not, the
// candidate is tried again.
func (l *Loop) probe() {
	c := l.desired.candidate
	q := l.past.quarantined(c.digest)
	if q == nil {
		return
	}
	query := l.query()
	query.Want, query.Only, query.Exact = c.set, q.Refused, true
	report, err := l.compareNow(query)
	if err != nil {
		return
	}
	for _, entry := range report.Entries {
		if entry.Err != nil || c.wrong[entry.ID] != nil || l.in.Terms.Refuses(entry.ID) != nil {
			l.probeLater()
			return
		}
	}
	l.past.release(c.digest)
	if l.past.retried == nil {
		l.past.retried = map[state.Digest]int{}
	}
	l.past.retried[c.digest]++
	c.probeAt, c.judged = time.Time{}, false
	l.keep = true
}

// probeLater sets when a quarantined candidate is looked at again: only one that the target refused, because the cause of a refusal may
// go away, and ill health cannot be seen without trying.
func (l *Loop) probeLater() {
	c := l.desired.candidate
	c.probeAt = time.Time{}
	if q := l.past.quarantined(c.digest); q != nil && len(q.Refused) > 0 {
		c.probes++
		c.probeAt = l.cfg.Now().Add(l.in.Backoff.After(c.probes+l.past.retried[c.digest], l.cfg.Random))
	}
}

// stir has a candidate judged again when something that its verdict depends on may have changed.
func (l *Loop) stir(noted inbox) {
	c := l.desired.candidate
	if c == nil || !c.judged || len(c.verdicts) == 0 {
		return
	}
	now := l.cfg.Now()
	for _, verdict := range c.verdicts {
		if !verdict.Until.IsZero() && !now.Before(verdict.Until) {
			c.judged = false
		}
	}
	if noted.inputs != nil || noted.request {
		c.judged = false
	}
	c.stale = c.stale || noted.all || len(noted.ids) > 0
	if c.stale && !now.Before(c.at.Add(judgePause)) {
		c.judged = false
	}
}

// judgePause is how long a verdict is kept while things happen: comparing everything at every event would cost too much.
const judgePause = 5 * time.Second

// plan of a held candidate, for people.
func (c *candidate) held() *v1alpha1.HeldPlan {
	if c == nil || len(c.verdicts) == 0 {
		return nil
	}
	plan := &v1alpha1.HeldPlan{Digest: string(c.plan), Revision: c.revision, Changes: map[string]int{}, Void: c.void}
	for _, entry := range c.changes {
		plan.Changes[string(entry.Op)]++
	}
	for _, v := range c.verdicts {
		plan.Verdicts = append(plan.Verdicts, v1alpha1.Verdict{
			Check: v.Check, Outcome: string(v.Outcome), Message: v.Message, Remedy: v.Remedy, Until: v.Until, Approvable: v.Approvable,
		})
	}
	return plan
}

// override gives a person's override of the windows, while it lasts.
func (l *Loop) override() *v1alpha1.WindowOverride {
	if o := l.in.Override; o != nil && l.cfg.Now().Before(o.Until) {
		return o
	}
	return nil
}

// until is when the guards let a candidate go by themselves; zero for never.
func (c *candidate) until() time.Time {
	var until time.Time
	if c != nil {
		for _, verdict := range c.verdicts {
			until = earliest(until, verdict.Until)
		}
	}
	return until
}

// query is what every comparison asks in the same way.
func (l *Loop) query() target.Query {
	return target.Query{Owner: l.cfg.Owner, Want: l.want(), Ignore: l.in.Ignore, Assess: l.in.Assess}
}

// compareNow asks the target. A failure is noted with its back-off.
func (l *Loop) compareNow(query target.Query) (diff.Report, error) {
	ctx, cancel := l.bounded(compareDeadline)
	defer cancel()
	report, err := l.in.Target.Compare(ctx, query)
	if err != nil {
		l.failedCompare(err)
		return report, err
	}
	l.actual.err, l.actual.tries, l.actual.retryAt = nil, 0, time.Time{}
	return report, nil
}

func (l *Loop) failedCompare(err error) {
	a := &l.actual
	a.tries++
	a.all, a.err = true, err
	a.retryAt = l.cfg.Now().Add(l.in.Backoff.After(a.tries, l.cfg.Random))
}
