package main

// mutations are the bugs. To add one, name a file and a text that stands in it exactly once; a test tells when it no longer does.
var mutations = []mutation{
	{
		name: "the back-off of a failing object is ignored", file: "internal/loop/memory.go",
		old: "(failed.doubt || now.Before(failed.notYet))",
		new: "failed.doubt && now.IsZero()",
	},
	{
		name: "the back-off never grows", file: "internal/loop/backoff.go",
		old: "for i := 1; i < failures && wait < b.Max; i++ {",
		new: "for i := failures; i < failures && wait < b.Max; i++ {",
	},
	{
		name: "a failed comparison is repeated at once", file: "internal/loop/candidate.go",
		old: "a.retryAt = l.cfg.Now().Add(l.in.Backoff.After(a.tries, l.cfg.Random))",
		new: "a.retryAt = l.cfg.Now()",
	},
	{
		name: "prune before apply", file: "internal/plan/plan.go",
		old: "blocked := unknown || len(p.Next) > 0 || p.Behind > 0 || len(p.Errors) > 0 || len(b.gate.hooks) > 0",
		new: "blocked := unknown || len(p.Errors) > 0 || len(b.gate.hooks) > 0",
	},
	{
		name: "prune while something declared is refused", file: "internal/plan/plan.go",
		old: "blocked := unknown || len(p.Next) > 0 || p.Behind > 0 || len(p.Errors) > 0 || len(b.gate.hooks) > 0",
		new: "blocked := unknown || len(p.Next) > 0 || p.Behind > 0 || len(b.gate.hooks) > 0",
	},
	{
		name: "prune while a target is unknown", file: "internal/plan/plan.go",
		old: "blocked := unknown || len(p.Next) > 0 || p.Behind > 0 || len(p.Errors) > 0 || len(b.gate.hooks) > 0",
		new: "blocked := len(p.Next) > 0 || p.Behind > 0 || len(p.Errors) > 0 || len(b.gate.hooks) > 0",
	},
	{
		name: "drift is not known as such after a repair", file: "internal/loop/act.go",
		old: "l.memory.inForce[step.ID] = step.Want.Digest()",
		new: "delete(l.memory.inForce, step.ID)",
	},
	{
		name: "every difference counts as drift", file: "internal/loop/memory.go",
		old: "return digest == entry.Want.Digest()",
		new: "return digest != \"\"",
	},
	{
		name: "what the target refuses is applied all the same", file: "internal/plan/plan.go",
		old: "differs := entry.Op != diff.None && entry.Err == nil",
		new: "differs := entry.Op != diff.None",
	},
	{
		name: "the owner of an object is not looked at", file: "internal/target/inmem/inmem.go",
		old: "	if o != nil && o.owner != owner && o.owner != (state.Owner{}) {\n		result.Err",
		new: "	if o != nil && o.owner != owner && o.content == nil {\n		result.Err",
	},
	{
		name: "what failed is tried again when there is nothing to go back to", file: "internal/loop/rollback.go",
		old: "l.past.good = slices.DeleteFunc(l.past.good, func(g Good) bool { return g.Digest == to.Digest })",
		new: "l.past.good, l.past.bad = slices.DeleteFunc(l.past.good, func(g Good) bool { return g.Digest == to.Digest }), nil",
	},
	{
		name: "a lost event is never made good", file: "internal/loop/run.go",
		old: "earliest(l.ahead(l.actual.recheckAt), l.ahead(l.actual.at.Add(l.cfg.Resync)))",
		new: "l.ahead(l.actual.recheckAt)",
	},
	{
		name: "events are ignored", file: "internal/loop/run.go",
		old: "	for id := range noted.ids {\n		l.actual.touch(id)\n	}\n",
		new: "	for range noted.ids {\n		_ = l.actual.touch\n	}\n",
	},
	{
		name: "what was changed is not compared again", file: "internal/loop/act.go",
		old: "	l.actual.touch(step.ID)\n	l.memory.damper.wrote",
		new: "	l.memory.damper.wrote",
	},
	{
		name: "no attempt is opened", file: "internal/loop/act.go",
		old: "	l.beginAttempt(facts)\n",
		new: "	_ = l.beginAttempt\n",
	},
	{
		name: "a change is left out of its attempt", file: "internal/loop/record.go",
		old: "a.changes = append(a.changes, change)",
		new: "if len(a.changes) == 0 {\n		a.changes = append(a.changes, change)\n	}",
	},
	{
		name: "a suspended Sync acts", file: "internal/loop/decide.go",
		old: "	suspension,\n",
		new: "",
	},
	{
		name: "what a Sync depends on is not waited for", file: "internal/loop/gather.go",
		old: "blocked = blocked || !need.Health.Ready()",
		new: "blocked = blocked && !need.Health.Ready()",
	},
	{
		name: "an empty revision is taken for granted", file: "internal/policy/policy.go",
		old: "if input.Objects > 0 || input.Deleting",
		new: "if input.Objects >= 0 || input.Deleting",
	},
	{
		name: "waves are not waited for", file: "internal/plan/plan.go",
		old: "if g.open && (planned || g.pending || len(g.current) > 0) {",
		new: "if g.open && planned {",
	},
	{
		name: "an unfinished step counts as done", file: "internal/loop/act.go",
		old: "l.applied(step, target.Result{ID: step.ID, Op: step.Op, Err: cause})",
		new: "_ = cause\n		delete(steps, step.ID)",
	},
	{
		name: "a revision that cannot be read empties the desired state", file: "internal/loop/act.go",
		old: "	if err != nil {\n		if fresh {",
		new: "	if err != nil {\n		d.set, d.known = state.Set{}, true\n" +
			"		l.actual.all, l.actual.known = true, false\n		if fresh {",
	},
	{
		name: "a Sync goes before what it owns", file: "internal/loop/decide_forbidden.go",
		old: "case len(f.Plan.Next) > 0:\n		return deleting",
		new: "case len(f.Plan.Next) > 1:\n		return deleting",
	},
	{
		name: "a quarantine is forgotten at a restart", file: "internal/loop/loop.go",
		old: "bad: slices.Clone(cfg.Before.Bad)",
		new: "bad: slices.Clone(cfg.Before.Bad[:0])",
	},
	{
		name: "a quarantine is not looked at", file: "internal/loop/rollback.go",
		old: "		if p.bad[i].Digest == digest {",
		new: "		if p.bad[i].Digest == digest && len(p.bad) > keptBad {",
	},
	{
		name: "nobody is asked for an approval that names another plan", file: "internal/loop/candidate.go",
		old: "input.Approved = approval != nil && approval.Digest == string(c.plan)",
		new: "input.Approved = approval != nil",
	},
	{
		name: "a held plan is carried out", file: "internal/loop/candidate.go",
		old: "	case approval != nil && !input.Approved:",
		new: "	case approval == nil:\n		l.allow(c, report)\n	case approval != nil && !input.Approved:",
	},
	{
		name: "writes are not bounded", file: "internal/loop/damping.go",
		old: "	times := d.recent(id, now)\n	if len(times)",
		new: "	times := d.recent(id, now)[:0]\n	if len(times)",
	},
	{
		name: "fights are not damped", file: "internal/loop/act.go",
		old: "		l.memory.damper.corrected(entry, now)\n",
		new: "		_ = l.memory.damper.corrected\n",
	},
	{
		name: "a hook that a killed agent had created runs again", file: "internal/loop/hooks.go",
		old: "case entry.Op == diff.None && entry.Err == nil && record.Started.IsZero():",
		new: "case false && record.Started.IsZero():",
	},
	{
		name: "a hook runs again when its object has been cleared away", file: "internal/loop/hooks.go",
		old: "	case record.Ended != \"\":\n		l.ended(hook, record, entry)\n",
		new: "	case record.Ended != \"\" && entry.Op != diff.Create:\n		l.ended(hook, record, entry)\n" +
			"	case record.Ended != \"\":\n",
	},
	{
		name: "hooks before the others run among them", file: "internal/plan/stage.go",
		old: "HookPre: before,",
		new: "HookPre: main,",
	},
	{
		name: "hooks after the others do not wait for health", file: "internal/plan/stage.go",
		old: "HookPost: after,",
		new: "HookPost: main,",
	},
	{
		name: "hooks of a failure always run", file: "internal/loop/hooks.go",
		old: "	if hook.Phase == plan.HookFail && h.run.Failed == \"\" {",
		new: "	if hook.Phase == plan.HookFail && h.run.Failed == \"-\" {",
	},
	{
		name: "going back runs hooks", file: "internal/loop/rollback.go",
		old: "	hooks.skip() // they ran",
		new: "	_ = hooks.skip // they ran",
	},
	{
		name: "a failed hook is not run again for a person", file: "internal/loop/hooks_again.go",
		old: "			tries[key]++\n",
		new: "			tries[key] += 0\n",
	},
	{
		name: "a hook of a failure ignores its back-off", file: "internal/loop/hooks.go",
		old: "l.memory.errorOf(entry, l.cfg.Now()) == nil {",
		new: "entry.Err == nil {",
	},
	{
		name: "windows are ignored", file: "internal/policy/policy.go",
		old: "falseRules, outsideWindow, massDeletion",
		new: "falseRules, massDeletion",
	},
	{
		name: "repairs are made while windows hold them", file: "internal/loop/decide_change.go",
		old: "if f.Frozen.Outcome == policy.Hold {",
		new: "if f.Frozen.Outcome == policy.Deny {",
	},
	{
		name: "rules are ignored", file: "internal/policy/policy.go",
		old: "emptyRender, falseRules,",
		new: "emptyRender,",
	},
	{
		name: "what others would lose is not asked about", file: "internal/policy/deletion.go",
		old: "if change.Holds != \"\" {",
		new: "if false {",
	},
	{
		name: "a refused declaration holds nothing", file: "internal/loop/candidate.go",
		old: "refused != nil && !c.deleting {",
		new: "refused != nil && c.deleting {",
	},
	{
		name: "what cannot be compared is judged all the same", file: "internal/loop/candidate.go",
		old: "		c.verdicts = append(c.verdicts, l.incomparable(report.Unknown[0]))\n	}\n" +
			"	switch {\n	case len(report.Unknown) > 0:\n",
		new: "		_ = l.incomparable\n	}\n	switch {\n",
	},
	{
		name: "an approval is used twice", file: "internal/loop/rollback.go",
		old: "return !approval.Time.After(p.approved)",
		new: "return approval.Time.IsZero()",
	},
	{
		name: "the oldest revision is gone back to", file: "internal/loop/rollback.go",
		old: "	for i := range p.good {\n		if p.quarantined(p.good[i].Digest) == nil {",
		new: "	for i := len(p.good) - 1; i >= 0; i-- {\n		if p.quarantined(p.good[i].Digest) == nil {",
	},
	{
		name: "what a person has left is gone back to", file: "internal/loop/rollback.go",
		old: "		if p.quarantined(p.good[i].Digest) == nil {",
		new: "		if len(p.good) > 0 {",
	},
	{
		name: "what the target answers about a quarantine is ignored", file: "internal/loop/candidate.go",
		old: "		if entry.Err != nil || c.wrong[entry.ID] != nil",
		new: "		if c.wrong[entry.ID] != nil",
	},
	{
		name: "what is checked beside the objects is ignored", file: "internal/loop/decide_health.go",
		old: "	for _, check := range f.Checks {\n		if !check.Health.Ready()",
		new: "	for _, check := range f.Checks {\n		if check.Health.Final",
	},
	{
		name: "what has to be remembered is not", file: "internal/loop/record.go",
		old: "Keep: keep, Settled",
		new: "Keep: keep && decision.Action == Nothing, Settled",
	},
	{
		name: "a fight is never over", file: "internal/loop/damping.go",
		old: "f != nil && now.Before(f.until) {",
		new: "f != nil && !f.until.IsZero() {",
	},
	{
		name: "the wait of a fight does not grow", file: "internal/loop/damping.go",
		old: "f.wait = min(max(2*f.wait, fightFirst), fightLast)",
		new: "f.wait = fightFirst",
	},
	{
		name: "a restart forgets fights", file: "internal/loop/run.go",
		old: "	l.memory.damper.resume(l.cfg.Before.Status.Contended)\n",
		new: "",
	},
	{
		name: "what a hook leaves is waited for without an end", file: "internal/loop/hooks.go",
		old: "return h.lingering[id] && l.cfg.Now().Before(",
		new: "return h.lingering[id] && !time.Time{}.After(",
	},
	{
		name: "a hook's deadline is looked at while its Sync goes", file: "internal/loop/hooks.go",
		old: "	if l.in.Deleting {\n		return\n	}\n	if h := &l.desired.hooks; len(h.lingering)",
		new: "	if h := &l.desired.hooks; len(h.lingering)",
	},
}
