// Package plan turns a difference into ordered steps. It is pure: no network, no clock.
package plan

import (
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

// Build plans the next stage. Within one Sync the order is: waves ascending, each when all objects of the earlier ones are
// healthy; in a wave definitions (CRDs, namespaces), ordinary objects, webhooks, and children last; an object whose definition
// is not ready waits alone. Deletions come after all of that, in the reverse order, each stage when the one before is gone, and
// never while anything declared cannot be applied: a mistake in one file must not turn into a deletion.
func Build(report diff.Report, rules Rules) Plan {
	sorted := sortStages(report.Entries)
	var p Plan
	blocked := p.addDeclared(sorted, definitions(report.Entries), rules)
	p.addDeletions(sorted, rules, blocked || len(report.Unknown) > 0)
	return p
}

// addDeclared plans creations and updates, and says whether deletions must wait for them.
func (p *Plan) addDeclared(sorted []staged, defined defined, rules Rules) (blocked bool) {
	var at stage
	gate := gate{}
	for _, item := range sorted {
		entry := *item.entry
		if entry.Op == diff.Delete {
			continue
		}
		gate.enter(item.stage, len(p.Next) > 0)
		if entry.Err != nil {
			p.Errors = append(p.Errors, entry)
		}
		differs := entry.Op != diff.None && entry.Err == nil
		if differs && rules.Skip != nil && rules.Skip(entry) {
			p.Skipped = append(p.Skipped, entry)
			differs = false
		}
		switch {
		case !differs:
			gate.note(entry)
		case entry.Terminating, gate.shut && !rules.repairs(entry), defined.holds(entry):
			p.Behind++
			if entry.Terminating {
				p.Waiting = append(p.Waiting, entry)
			}
		case len(p.Next) > 0 && item.stage != at:
			p.Behind++
		default:
			at = item.stage
			p.Next = append(p.Next, step(entry, rules))
		}
		if differs || entry.Err != nil {
			gate.pending = true
		}
	}
	if p.Behind > 0 && len(p.Next) == 0 {
		p.Waiting = append(p.Waiting, gate.unready...)
		p.Waiting = append(p.Waiting, defined.unready...)
	}
	return len(p.Next) > 0 || p.Behind > 0 || len(p.Errors) > 0
}

// addDeletions plans deletions in reverse order, one stage at a time.
func (p *Plan) addDeletions(sorted []staged, rules Rules, blocked bool) {
	var at stage
	leaving := false // objects of a later stage are on their way out
	for _, item := range slices.Backward(sorted) {
		entry := *item.entry
		if entry.Op != diff.Delete {
			continue
		}
		if !rules.Prune || entry.Keep {
			p.Kept++
			continue
		}
		first := len(p.Next) == 0 && !leaving
		switch {
		case entry.Err != nil:
			p.Errors = append(p.Errors, entry)
		case rules.Skip != nil && rules.Skip(entry):
			p.Skipped = append(p.Skipped, entry)
		case blocked:
			p.Behind++
		case first || item.stage == at:
			at = item.stage
			if entry.Terminating {
				leaving = true
				p.Waiting = append(p.Waiting, entry)
				continue
			}
			p.Next = append(p.Next, step(entry, rules))
		default:
			p.Behind++
		}
	}
}

func (r Rules) repairs(entry diff.Entry) bool { return r.Repair != nil && r.Repair(entry) }

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
	unready []diff.Entry // objects of earlier waves that are not healthy
	current []diff.Entry // the same for the wave being looked at
}

// enter moves on to an object's stage; a new wave starts only when the one before is done.
func (g *gate) enter(next stage, planned bool) {
	if g.open && next.wave == g.stage.wave {
		return
	}
	if g.open && (planned || g.pending || len(g.current) > 0) {
		g.shut = true
		g.unready = append(g.unready, g.current...)
	}
	g.open, g.stage, g.current = true, next, nil
}

// note remembers an object that has nothing to be applied but is not healthy.
func (g *gate) note(entry diff.Entry) {
	if !entry.Health.Ready() && entry.Health.Status != state.Suspended {
		g.current = append(g.current, entry)
	}
}
