package loop

import (
	"maps"

	"github.com/setpoint-dev/setpoint/internal/plan"
)

// What has hooks run again: a repair, a person, another try of what had failed.

// again says whether there are hooks that run on every repair, and all have ended.
func (h *hooks) again() bool {
	found := false
	if h.run.Repairing {
		return false
	}
	for id, hook := range h.of {
		if !hook.Always || hook.Phase == plan.HookFail || hook.Phase == plan.HookSkip {
			continue
		}
		found = true
		if h.run.Records[id.Key()].Ended == "" {
			return false
		}
	}
	return found
}

// pendingAgain says whether hooks that run on every repair are on their way.
func (h *hooks) pendingAgain() bool {
	if h.run.Serial == 0 {
		return false
	}
	for id, hook := range h.of {
		if hook.Always && hook.Phase == plan.HookPre && h.run.Records[id.Key()].Ended == "" {
			return true
		}
	}
	return false
}

// anew gives the same desired state with all of its hooks to run again: it is to be tried again.
func (d declared) anew() declared {
	if d.hooks.of == nil {
		return d
	}
	next := d
	_, next.hooks = newHooks(d.hooks.rendered, d.digest)
	next.hooks.run.Tries = d.hooks.run.triedAgain(func(hookRecord) bool { return true })
	next.set = next.hooks.marked()
	return next
}

// triedAgain counts another try of those hooks that have run in a certain way.
func (r *hookRun) triedAgain(which func(hookRecord) bool) map[string]int {
	tries := map[string]int{}
	maps.Copy(tries, r.Tries)
	for key, record := range r.Records {
		if which(record) {
			tries[key]++
		}
	}
	return tries
}

// remark has the set carry the marks of the runs as they are now.
func (l *Loop) remark() {
	d := &l.desired
	whole := l.memory.whole == d.set.Digest()
	d.set = d.hooks.marked()
	if whole {
		l.memory.whole = d.set.Digest() // the same declaration with another mark
	}
	l.keep = true
}

// tryHooksAgain lets those run again, for a person, that failed, and those that run on every sync.
func (l *Loop) tryHooksAgain() {
	h := &l.desired.hooks
	h.run.Failed = ""
	broke := func(record hookRecord) bool { return record.Ended == "Failed" }
	if tries := h.run.triedAgain(broke); !maps.Equal(tries, h.run.Tries) {
		h.run.Tries = tries
		maps.DeleteFunc(h.run.Records, func(_ string, record hookRecord) bool { return broke(record) })
		l.remark()
	}
	if h.again() {
		l.rerun()
	}
}

// rerun lets the hooks that run again and again run once more.
func (l *Loop) rerun() {
	d := &l.desired
	d.hooks.run.Serial++
	d.hooks.run.Repairing = true
	for id, hook := range d.hooks.of {
		if hook.Always && hook.Phase != plan.HookFail {
			delete(d.hooks.run.Records, id.Key())
			l.actual.touch(id)
		}
	}
	l.remark()
}

// repaired takes note that the repair is done for which hooks have run again.
func (l *Loop) repaired(facts Facts) {
	run, p := &l.desired.hooks.run, facts.Plan
	if run.Repairing && len(facts.Hooks.Running)+len(p.Next)+len(p.Waiting)+len(p.Errors)+p.Behind == 0 {
		run.Repairing, l.keep = false, true
	}
}
