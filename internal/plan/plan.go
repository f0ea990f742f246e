// Package plan turns a difference into ordered steps. It is pure: no network, no clock.
package plan

import (
	"cmp"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Step is one operation on one object.
type Step struct {
	ID   state.ID
	Op   diff.Op
	Want *state.Object // nil for Delete
	// Ignore are the fields left to others, for this object.
	Ignore []diff.Ignore
	// Fields are what differs, for the record.
	Fields []diff.Field
	// Revision that the desired state comes from.
	Revision state.Revision
}

// Rules say which differences become steps.
type Rules struct {
	Revision state.Revision // of the desired state
	Prune    bool           // delete what is owned but no longer declared
	Ignore   []diff.Ignore
	// Skip leaves an entry alone though it differs: drift that is only reported, an object that waits for its back-off.
	Skip func(diff.Entry) bool
	// Repair says that an entry is a disturbance of what was in order before: it does not wait for earlier waves.
	Repair func(diff.Entry) bool
}

// Plan is what to do next, and what waits for it. It holds one stage at a time: the next one is planned when this one has been
// carried out, from what is then so.
type Plan struct {
	// Next are the steps of the earliest stage that has any; they may be carried out in any order.
	Next []Step
	// Waiting are objects that hold back later ones: not yet established, not yet healthy, not yet gone.
	Waiting []diff.Entry
	// Behind is the number of steps in later stages.
	Behind int
	// Errors are entries that cannot be carried out as they are declared.
	Errors []diff.Entry
	// Skipped are the entries that differ and were left alone by Rules.Skip.
	Skipped []diff.Entry
	// Kept is the number of objects no longer declared that are left in place: pruning is off, or they ask to be kept.
	Kept int
}

// Build plans the next stage. Within one Sync the order is: hooks before the sync, all others, deletions, hooks after it. Among the
// first two and the last go waves ascending, each when all objects of the earlier ones are healthy; in a wave definitions (CRDs,
// namespaces), which come before the earliest hook, then ordinary objects, webhooks, and children last; an object whose definition is not
// ready waits alone. Deletions go in the reverse order, each stage when the one before is gone, and never while anything declared cannot
// be applied, or a hook is not done: a mistake in one file must not turn into a deletion. Hooks of a failure wait for nobody but each
// other.
func Build(report diff.Report, rules Rules) Plan {
	sorted := sortStages(report.Entries)
	b := builder{rules: rules, defined: definitions(report.Entries)}
	b.declare(between(sorted, before, main))
	b.gate.shut = b.remove(sorted, len(report.Unknown) > 0) || b.gate.shut
	b.declare(between(sorted, after, after))
	sync := b.gate
	b.gate = gate{}
	b.declare(between(sorted, failed, failed))
	if len(b.plan.Next) == 0 && b.plan.Behind > 0 {
		b.wait(sync)
	}
	return b.plan
}

// between gives the part of the order from one part to another.
func between(sorted []staged, from, to part) []staged {
	start, _ := slices.BinarySearchFunc(sorted, from, func(item staged, p part) int { return cmp.Compare(item.stage.part, p) })
	end, _ := slices.BinarySearchFunc(sorted, to+1, func(item staged, p part) int { return cmp.Compare(item.stage.part, p) })
	return sorted[start:end]
}

// builder makes a plan.
type builder struct {
	rules   Rules
	defined defined
	gate    gate
	at      stage // of the steps in plan.Next
	plan    Plan
}

// declare plans creations and updates.
func (b *builder) declare(sorted []staged) {
	for _, item := range sorted {
		if item.entry.Op != diff.Delete {
			b.gate.enter(item.stage, len(b.plan.Next) > 0)
			b.one(item)
		}
	}
}

func (b *builder) one(item staged) {
	p, entry := &b.plan, *item.entry
	if entry.Err != nil {
		p.Errors = append(p.Errors, entry)
	}
	differs := entry.Op != diff.None && entry.Err == nil
	if differs && b.rules.skips(entry) {
		p.Skipped = append(p.Skipped, entry)
		differs = false
	}
	switch {
	case !differs:
		b.gate.note(entry, item.hook)
	case entry.Terminating, b.gate.shut && (item.hook || !b.rules.repairs(entry)), b.defined.holds(entry):
		p.Behind++
		b.gate.behind++
		if entry.Terminating {
			p.Waiting = append(p.Waiting, entry)
		}
	case len(p.Next) > 0 && item.stage != b.at:
		p.Behind++
	default:
		b.at = item.stage
		p.Next = append(p.Next, step(entry, b.rules))
	}
	if differs || entry.Err != nil {
		b.gate.pending = true
	}
}

// remove plans deletions in reverse order, one stage at a time, and says whether what comes after them has to wait. They wait themselves
// for everything declared to be applied and for hooks to be done; unknown says that not all is known that may be declared.
func (b *builder) remove(sorted []staged, unknown bool) (left bool) {
	p := &b.plan
	blocked := unknown || len(p.Next) > 0 || p.Behind > 0 || len(p.Errors) > 0 || len(b.gate.hooks) > 0
	leaving := false // objects of a later stage are on their way out
	for _, item := range slices.Backward(sorted) {
		entry := *item.entry
		if entry.Op != diff.Delete {
			continue
		}
		if !b.rules.Prune || entry.Keep {
			p.Kept++
			continue
		}
		first := len(p.Next) == 0 && !leaving
		switch {
		case entry.Err != nil:
			p.Errors = append(p.Errors, entry)
		case b.rules.skips(entry):
			p.Skipped = append(p.Skipped, entry)
			continue
		case blocked:
			p.Behind++
		case entry.Terminating && (first || item.stage == b.at):
			b.at, leaving = item.stage, true
			p.Waiting = append(p.Waiting, entry)
		case first || item.stage == b.at:
			b.at = item.stage
			p.Next = append(p.Next, step(entry, b.rules))
		default:
			p.Behind++
		}
		left = true
	}
	return left || unknown
}

// wait names what is waited for, when nothing is to be done before: at the gate of the sync, and at that of its failure.
func (b *builder) wait(sync gate) {
	p := &b.plan
	if sync.behind > 0 {
		p.Waiting = append(p.Waiting, sync.unready...)
	} else { // deletions wait for hooks, and for nobody's health
		p.Waiting = append(p.Waiting, sync.hooks...)
	}
	if b.gate.behind > 0 {
		p.Waiting = append(p.Waiting, b.gate.unready...)
	}
	if sync.behind+b.gate.behind > 0 {
		p.Waiting = append(p.Waiting, b.defined.unready...)
	}
}

func (r Rules) repairs(entry diff.Entry) bool { return r.Repair != nil && r.Repair(entry) }
func (r Rules) skips(entry diff.Entry) bool   { return r.Skip != nil && r.Skip(entry) }

func step(entry diff.Entry, rules Rules) Step {
	s := Step{ID: entry.ID, Op: entry.Op, Want: entry.Want, Fields: entry.Fields, Revision: rules.Revision}
	for _, rule := range rules.Ignore {
		if rule.Matches(entry.ID) {
			s.Ignore = append(s.Ignore, rule)
		}
	}
	return s
}

// gate closes when an earlier wave is not done: not applied, or not healthy.
type gate struct {
	stage   stage
	open    bool // the first wave has been entered
	shut    bool
	pending bool         // something of this wave or an earlier one is still to be applied
	behind  int          // objects that wait for it, or for what defines them
	unready []diff.Entry // objects of earlier waves that are not healthy
	current []diff.Entry // the same for the wave being looked at
	hooks   []diff.Entry // hooks of any wave that are not done
}

// enter moves on to an object's stage; a new wave starts only when the one before is done.
func (g *gate) enter(next stage, planned bool) {
	if g.open && next.compareWave(g.stage) == 0 {
		return
	}
	if g.open && (planned || g.pending || len(g.current) > 0) {
		g.shut = true
		g.unready = append(g.unready, g.current...)
	}
	g.open, g.stage, g.current = true, next, nil
}

// note remembers an object that has nothing to be applied but is not healthy.
func (g *gate) note(entry diff.Entry, hook bool) {
	if entry.Health.Ready() || entry.Health.Status == state.Suspended {
		return
	}
	g.current = append(g.current, entry)
	if hook {
		g.hooks = append(g.hooks, entry)
	}
}
