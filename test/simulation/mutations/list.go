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
		old: "	case approval != nil && !input.Approved:\n",
		new: "	case approval == nil:\n		l.allow(c, report)\n	case approval != nil && !input.Approved:\n",
	},
	{
		name: "writes are not bounded", file: "internal/loop/damping.go",
		old: "if len(times) < MaxWritesPerHour {",
		new: "if len(times) < 10*MaxWritesPerHour {",
	},
	{
		name: "fights are not damped", file: "internal/loop/act.go",
		old: "		l.memory.damper.corrected(entry, now)\n",
		new: "		_ = l.memory.damper.corrected\n",
	},
}
