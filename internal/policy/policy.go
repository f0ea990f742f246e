// Package policy judges a change before it is carried out: an ordered list of named checks over a plan, each of which allows, holds or
// denies with a sentence and a remedy. It is pure.
package policy

import (
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/window"
)

// Outcome of a check.
type Outcome string

// The outcomes.
const (
	Allow Outcome = "allow"
	Hold  Outcome = "hold" // until the declaration, the time or a person says otherwise
	Deny  Outcome = "deny" // until the declaration says otherwise
)

// Verdict is what a check says.
type Verdict struct {
	Outcome Outcome
	Check   string // the name of the check, CamelCase; it is the reason that people see
	Message string
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
	// Approved says that a person has approved exactly these changes.
	Approved bool
	// WindowsUntil is until when a person has overridden the windows; zero for not.
	WindowsUntil time.Time
	Terms        *Terms
}

// Sync is what rules can know of the Sync.
type Sync struct{ Name, Parent, Path, Source, Target string }

// Change is one thing that would be done.
type Change struct {
	diff.Entry
	// Before is the actual object, where a rule looks at it (see Terms.ReadBefore); nil when it is not there.
	Before *state.Object
}

// Terms are what a Sync keeps to: its own and those of all above it. They are immutable.
type Terms struct {
	AllowEmpty   bool
	MassDeletion string // v1alpha1.GuardHold or GuardAllow
	Protected    []string
	Approval     string // the strictest of all levels
	Windows      []Window
	Rules        []Rule
	Allowed      []v1alpha1.Allowed // every one of them has to allow an object
	// Broken says why some of it cannot be used: a policy that is not declared, an expression that does not compile. It holds everything.
	Broken error
}

// Window is a window with what it does.
type Window struct {
	window.Window
	Deny, HoldRepairs bool
	Message           string
}

// Rule is a compiled rule.
type Rule struct {
	v1alpha1.Rule
	Program *expression.Program
}

// check is one rule of the house.
type check func(Input) Verdict

// checks are all of them, in the order in which people are told.
var checks = []check{emptyRender}

// Judge gives the verdicts of all checks that do not allow: those that deny first, then in the order of the checks. None: go ahead.
func Judge(input Input) []Verdict {
	var verdicts []Verdict
	for _, judge := range checks {
		if verdict := judge(input); verdict.Outcome != Allow {
			verdicts = append(verdicts, verdict)
		}
	}
	return verdicts
}

// ReadBefore says whether any rule looks at what a change replaces.
func (t *Terms) ReadBefore() bool { return false }

// Repairs says whether drift may be repaired at an instant: Allow, or a Hold with its end, from windows that hold repairs too.
func (t *Terms) Repairs(_, _ time.Time) Verdict { return Verdict{Outcome: Allow} }

// Refuses says why an object may not be declared at all, or nil: a fault of kind Denied that names the list.
func (t *Terms) Refuses(_ state.ID) error { return nil }

// emptyRender holds a revision that declares nothing at all: nearly always a moved folder or a wrong path, and obeying it would
// delete everything that the Sync owns.
func emptyRender(input Input) Verdict {
	if input.Objects > 0 || input.Deleting || input.Approved || input.Terms == nil || input.Terms.AllowEmpty {
		return Verdict{Outcome: Allow}
	}
	return Verdict{Outcome: Hold, Check: "EmptyRender", Approvable: true,
		Message: "its path declares no objects; nothing is deleted",
		Remedy:  "put the path right; if having nothing is meant, approve it, or set spec.allowEmpty: true"}
}
