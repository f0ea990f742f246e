package loop

import (
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

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
	facts.Needs, facts.Checks = l.needs(), l.checks()
	l.recovered(slices.Concat(facts.Needs, facts.Checks))
	facts.Render = RenderFacts{Known: l.desired.known, Err: l.desired.err, RetryAt: l.desired.retryAt}
	if l.desired.artifact != nil {
		facts.Render.Revision, facts.Render.Stale = l.desired.artifact.Revision().ID, l.desired.outside != l.outside()
	}
	facts.Compare = CompareFacts{
		Known: l.actual.known, Fresh: !l.actual.all && len(l.actual.dirty) == 0,
		Err: l.actual.err, RetryAt: l.actual.retryAt, Unknown: l.actual.unknown,
	}
	ready := !slices.ContainsFunc(facts.Checks, func(check Need) bool { return !check.Health.Ready() })
	if l.actual.checked && !ready {
		l.actual.changedAt = now // the timeout counts from here
	}
	l.actual.checked = ready
	facts.Objects, facts.ChangedAt, facts.BeganAt = l.actual.entries, l.actual.changedAt, l.actual.began
	l.gatherPast(&facts, now)
	if l.actual.erring() {
		facts.RetryAt = earliest(facts.RetryAt, l.actual.recheckAt) // another look at what is not healthy is no retry
	}
	l.plan(&facts, now)
	if facts.Compare.Fresh {
		l.repaired(facts)
	}
	return facts
}

// gatherPast adds what is known of other desired states than the one in force.
func (l *Loop) gatherPast(facts *Facts, now time.Time) {
	d := &l.desired
	if c := d.candidate; c != nil {
		bad := l.past.quarantined(c.digest)
		facts.Candidate = CandidateFacts{Known: true, Revision: c.revision, Judged: c.judged, Verdicts: c.verdicts}
		if c.stale {
			facts.RetryAt = earliest(facts.RetryAt, c.at.Add(judgePause))
		}
		if bad != nil && !c.deleting {
			facts.Candidate.Quarantined, facts.Away = true, bad
			facts.Candidate.Probe = !c.probeAt.IsZero() && !now.Before(c.probeAt)
			if !facts.Candidate.Probe {
				facts.RetryAt = earliest(facts.RetryAt, c.probeAt)
			}
		}
	}
	waiting := now.Before(l.past.backAt)
	if waiting {
		facts.RetryAt = earliest(facts.RetryAt, l.past.backAt)
	}
	facts.GoBack = l.backTo != nil && !waiting
	facts.Hooks = l.hookFacts(l.actual.entries)
	if d.known {
		facts.Proven, facts.GivenUp = l.past.proven(d.digest), l.past.quarantined(d.digest) != nil
		if facts.GivenUp && !waiting {
			facts.Back = l.back()
		}
	}
}

func (l *Loop) needs() []Need {
	if l.in.Needs == nil {
		return nil
	}
	return l.in.Needs()
}

func (l *Loop) checks() []Need {
	if l.in.Checks == nil {
		return nil
	}
	return l.in.Checks()
}

// plan adds the plan and what it depends on to the facts.
func (l *Loop) plan(facts *Facts, now time.Time) {
	if l.actual.quiet() && len(l.desired.hooks.cleanup) == 0 {
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
		if l.desired.hooks.of[entry.ID].Phase == plan.HookFail && !facts.Deleting {
			continue // see hookSteps
		}
		if entry.Op != diff.None && blocked && !facts.Deleting && !l.memory.drift(entry, l.want()) {
			facts.Gated++
			continue
		}
		report.Entries = append(report.Entries, entry)
	}
	rules := l.planRules()
	restrained := l.restrain(facts, report.Entries, &rules, now)
	facts.Plan = plan.Build(report, rules)
	facts.Plan.Skipped = slices.DeleteFunc(facts.Plan.Skipped, func(entry diff.Entry) bool { return restrained[entry.ID] })
	if !facts.Deleting {
		facts.Plan.Next = append(facts.Plan.Next, l.hookSteps(l.actual.entries)...)
	}
	for i, step := range facts.Plan.Next {
		facts.Plan.Next[i].Fields = uncontended(step, facts.Contended)
		entry := diff.Entry{ID: step.ID, Op: step.Op, Want: step.Want}
		facts.New = facts.New || !l.memory.drift(entry, l.want())
	}
	if !facts.New && len(facts.Plan.Next) > 0 && !facts.Deleting {
		var overridden time.Time
		if o := l.override(); o != nil {
			overridden = o.Until
		}
		facts.Frozen = l.in.Terms.Repairs(now, overridden, l.cfg.Owner.Sync)
	}
	facts.Hooks.Again = facts.Hooks.Again && !facts.New
}

// restrain leaves out of the plan what would be a fight: fields and objects that another writer changes back again and again, and
// objects that have been written too often, whatever the reason. It gives the objects of which nothing is changed now.
func (l *Loop) restrain(facts *Facts, entries []diff.Entry, rules *plan.Rules, now time.Time) map[state.ID]bool {
	damper := &l.memory.damper
	restrained := map[state.ID]bool{}
	for _, entry := range entries {
		if entry.Op == diff.None || entry.Err != nil || facts.Deleting {
			continue
		}
		if until := damper.exhausted(entry.ID, l.memory.drift(entry, l.want()), now); !until.IsZero() {
			restrained[entry.ID] = true
			facts.ContendedUntil = earliest(facts.ContendedUntil, until)
			facts.Contended = append(facts.Contended, remedied(v1alpha1.Contention{
				ID: entry.ID, By: writerOf(entry), RetryAt: until,
				Rounds: len(damper.recent(entry.ID, now)), Since: damper.recent(entry.ID, now)[0],
			}))
			continue
		}
		if !l.memory.drift(entry, l.want()) {
			continue
		}
		left, whole := damper.contended(entry, now)
		for _, c := range left {
			facts.Contended = append(facts.Contended, remedied(c))
			facts.ContendedUntil = earliest(facts.ContendedUntil, c.RetryAt)
			if !whole {
				rules.Ignore = append(slices.Clip(rules.Ignore), diff.Ignore{ID: entry.ID, Fields: []string{c.Path}})
			}
		}
		restrained[entry.ID] = whole
	}
	skip := rules.Skip
	rules.Skip = func(entry diff.Entry) bool { return restrained[entry.ID] || skip(entry) }
	return restrained
}

// uncontended gives the fields that a step sets right: those that are left to another writer are no round of that fight.
func uncontended(step plan.Step, left []v1alpha1.Contention) []diff.Field {
	fields := step.Fields
	for _, c := range left {
		if c.ID == step.ID && c.Path != "" {
			fields = slices.DeleteFunc(slices.Clone(fields), func(field diff.Field) bool { return field.Path == c.Path })
		}
	}
	return fields
}

func writerOf(entry diff.Entry) string {
	for _, field := range entry.Fields {
		if field.By != "" {
			return field.By
		}
	}
	return ""
}

func (l *Loop) planRules() plan.Rules {
	isDrift := func(entry diff.Entry) bool { return l.memory.drift(entry, l.want()) }
	return plan.Rules{
		Revision: l.desired.revision,
		Prune:    l.in.Prune || l.in.Deleting,
		Ignore:   l.in.Ignore,
		// Hooks that run on every repair come before it, like before anything else.
		Repair: func(entry diff.Entry) bool { return isDrift(entry) && !l.desired.hooks.pendingAgain() },
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
