// Package policy judges a change before it is carried out: an ordered list of named checks over a plan, each of which allows, holds or
// denies with a sentence and a remedy. It is pure.
package policy

import (
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Outcome of a check.
type Outcome string

// The outcomes.
const (
	Allow Outcome = "allow"
	Hold  Outcome = "hold" // until the declaration, the time or a person says otherwise
	Deny  Outcome = "deny" // until the declaration says otherwise
)

// The names of the checks, as people see them.
const (
	TermsBroken      = "TermsBroken"      // a constraint cannot be used
	EmptyRender      = "EmptyRender"      // nothing is declared
	RuleDenies       = "RuleDenies"       // a rule is false, and nobody can approve that
	RuleHolds        = "RuleHolds"        // a rule is false, or has no value
	OutsideWindow    = "OutsideWindow"    // not now
	MassDeletion     = "MassDeletion"     // most of what is owned would go, or what holds the content of others
	ApprovalRequired = "ApprovalRequired" // a person has to approve it
)

// Verdict is what a check says.
type Verdict struct {
	Outcome Outcome
	Check   string // the name of the check, CamelCase; it is the reason that people see
	Message string // the same as long as the reason is: it holds no current time
	Remedy  string
	// Until is when it may say otherwise without any event; zero for never.
	Until time.Time
	// Approvable says that a person's approval of the plan lifts it.
	Approvable bool
}

// Input is what checks look at. All times are of the same clock.
type Input struct {
	Now      time.Time
	Sync     Sync
	Revision state.Revision
	Objects  int  // that the revision declares
	Owned    int  // that the Sync owns now
	Deleting bool // the Sync itself goes
	Changes  []Change
	// Approved says that a person has approved exactly these changes (see Digest).
	Approved bool
	// WindowsUntil is until when a person has overridden the windows; zero for not.
	WindowsUntil time.Time
	Terms        *Terms // nil is the zero value: the guards that are on by default
}

// Sync is what rules can know of the Sync.
type Sync struct{ Name, Parent, Path, Source, Target string }

// Change is one thing that would be done.
type Change struct {
	diff.Entry
	// Before is the actual object, where a rule looks at it (see Terms.ReadBefore); nil when it is not there.
	Before *state.Object
	// Drift says that the change corrects a disturbance and applies nothing new. Windows and approvals are about what is new; see
	// Terms.Repairs for the rest. Entry.Lost says so, too.
	Drift bool
}

// repairs says whether a change only corrects a disturbance.
func (c Change) repairs() bool { return c.Drift || c.Lost }

// check is one rule of the house. It gives no verdict when it allows.
type check func(Input) []Verdict

// checks are all of them, in the order in which people are told.
var checks = []check{brokenTerms, emptyRender, falseRules, outsideWindow, massDeletion, approval}

// Judge gives the verdicts of all checks that do not allow: those that deny first, then in the order of the checks. None: go ahead.
// An approval lifts what it can lift, and nothing else.
func Judge(input Input) []Verdict {
	if input.Terms == nil {
		input.Terms = &Terms{}
	}
	input.Changes = slices.DeleteFunc(slices.Clone(input.Changes), func(change Change) bool { return !pending(change.Entry) })
	slices.SortStableFunc(input.Changes, func(a, b Change) int { return a.ID.Compare(b.ID) })
	var denied, held []Verdict
	for _, judge := range checks {
		for _, verdict := range judge(input) {
			switch {
			case verdict.Outcome == Deny:
				denied = append(denied, verdict)
			case !verdict.Approvable || !input.Approved:
				held = append(held, verdict)
			}
		}
	}
	return append(denied, held...)
}

// pending says whether an entry is something that would be done: not what is equal already, to be kept, or on its way out.
func pending(entry diff.Entry) bool {
	return entry.Op != diff.None && (entry.Op != diff.Delete || !entry.Keep && !entry.Terminating)
}

// brokenTerms holds everything as long as a constraint cannot be used: what it would have kept back is not known.
func brokenTerms(input Input) []Verdict {
	if input.Terms.Broken == nil {
		return nil
	}
	message, remedy := lines(input.Terms.Broken)
	return []Verdict{{Outcome: Hold, Check: TermsBroken, Message: message, Remedy: remedy}}
}

// emptyRender holds a revision that declares nothing at all: nearly always a moved folder or a wrong path, and obeying it would
// delete everything that the Sync owns.
func emptyRender(input Input) []Verdict {
	if input.Objects > 0 || input.Deleting || input.Terms.AllowEmpty {
		return nil
	}
	return []Verdict{{Outcome: Hold, Check: EmptyRender, Approvable: true,
		Message: "its path declares no objects; nothing is deleted",
		Remedy: "put the path right; if having nothing is meant, approve it with `setpoint approve " + input.name() +
			"`, or set spec.allowEmpty: true"}}
}

// name gives the Sync's name as commands take it.
func (i Input) name() string {
	if i.Sync.Name == "" {
		return "NAME"
	}
	return i.Sync.Name
}
