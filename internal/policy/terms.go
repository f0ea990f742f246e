package policy

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/window"
)

// Terms are what a Sync keeps to: its own and those of all above it. They are immutable.
type Terms struct {
	AllowEmpty   bool
	MassDeletion string   // v1alpha1.GuardHold (also "") or GuardAllow
	Protected    []string // kinds, beside those that always are
	Approval     string   // the strictest of all levels; "" is v1alpha1.ApprovalNever
	Windows      []Window
	Rules        []Rule
	Allowed      []Allowed      // every one of them has to allow an object
	Verify       []Verification // every one of them has to hold of every source
	// Broken says why some of it cannot be used: a policy that is not declared, an expression that does not compile. It holds everything.
	Broken error

	added []constraints
}

// constraints are what Add was given.
type constraints struct {
	where string
	given v1alpha1.Constraints
}

// Window is a window with what it does.
type Window struct {
	window.Window
	Deny, HoldRepairs bool
	Message           string
	Where             string // the place that it was written in: "Policy freeze"

	level int // windows of one level that allow are a union; between levels, each has to allow
}

// Rule is a compiled rule.
type Rule struct {
	v1alpha1.Rule
	Program *expression.Program
	Where   string // the place that it was written in: "Sync shop"
}

// Allowed is a list of what may be declared.
type Allowed struct {
	v1alpha1.Allowed
	Where string // the place that it was written in: "Sync shop"
}

// Verification are signatures that are demanded of every source.
type Verification struct {
	v1alpha1.Verification
	Where string // the place that it was written in: "Sync shop"
}

// maxEach bounds how many windows, and how many rules, a Sync keeps to: each is looked at for each decision, or each change.
const maxEach = 256

// Add gives the terms of a child of t (nil for none) under further constraints: stricter or equal, never weaker. What cannot be
// compiled is in Broken, with the name of the place in front ("Sync shop", "Policy freeze"). The same from the same place counts once.
//
// What t lets pass by its guards is not handed down: AllowEmpty and MassDeletion are those of one Sync. See Guarded.
func (t *Terms) Add(where string, more v1alpha1.Constraints) *Terms {
	next := t.child()
	item := constraints{where: where, given: more}
	if slices.ContainsFunc(next.added, func(known constraints) bool { return reflect.DeepEqual(known, item) }) {
		return next
	}
	next.added = append(slices.Clip(next.added), item)
	problems := []error{next.Broken}
	problems = append(problems, next.addApproval(where, more.Approval))
	problems = append(problems, next.addWindows(where, more.Windows)...)
	problems = append(problems, next.addRules(where, more.Rules)...)
	problems = append(problems, next.addAllowed(where, more.Allowed))
	problems = append(problems, next.addVerification(where, more.Verify))
	next.Broken = errors.Join(problems...)
	return next
}

// Guarded gives the same terms with the guards of one Sync. Kinds that are protected above stay so.
func (t *Terms) Guarded(guards v1alpha1.Guards, allowEmpty bool) *Terms {
	next := t.child()
	next.AllowEmpty, next.MassDeletion = allowEmpty, guards.MassDeletion
	next.Protected = slices.Concat(next.Protected, guards.Protected)
	return next
}

// Lacking gives the same terms with a further reason why they cannot be used: a policy that is not declared.
func (t *Terms) Lacking(err error) *Terms {
	next := t.child()
	if t != nil {
		next.AllowEmpty, next.MassDeletion = t.AllowEmpty, t.MassDeletion
	}
	next.Broken = errors.Join(next.Broken, err)
	return next
}

// ReadBefore says whether any rule looks at what a change replaces.
func (t *Terms) ReadBefore() bool { return t.read("before") }

// read says whether any rule looks at a field of the change.
func (t *Terms) read(field string) bool {
	return t != nil && slices.ContainsFunc(t.Rules, func(rule Rule) bool {
		return rule.Program != nil && rule.Program.Reads("change", field)
	})
}

func (t *Terms) child() *Terms {
	next := Terms{}
	if t != nil {
		next = *t
	}
	next.AllowEmpty, next.MassDeletion = false, ""
	return &next
}

// strictness orders approvals.
var strictness = map[string]int{"": 0, v1alpha1.ApprovalNever: 0, v1alpha1.ApprovalRisky: 1, v1alpha1.ApprovalAlways: 2}

func (t *Terms) addApproval(where, approval string) error {
	if _, known := strictness[approval]; !known {
		return unknown(where, "approval", approval, "never, risky or always")
	}
	if strictness[approval] > strictness[t.Approval] {
		t.Approval = approval
	}
	return nil
}

func (t *Terms) addWindows(where string, windows []v1alpha1.Window) (problems []error) {
	level := 1
	for _, known := range t.Windows {
		level = max(level, known.level+1)
	}
	all := slices.Clip(t.Windows)
	for _, given := range windows {
		parsed, err := window.Parse(given.Schedule, time.Duration(given.Duration), given.TimeZone)
		switch {
		case err != nil:
			problems = append(problems, broken(where, err.Error(), fault.HintOf(err)))
		case given.Kind != v1alpha1.WindowAllow && given.Kind != v1alpha1.WindowDeny:
			problems = append(problems, unknown(where, "kind of a window", given.Kind, "allow or deny"))
		case given.Repairs != "" && given.Repairs != v1alpha1.GuardAllow && given.Repairs != v1alpha1.GuardHold:
			problems = append(problems, unknown(where, "repairs of a window", given.Repairs, "allow or hold"))
		default:
			all = append(all, Window{Window: parsed, Deny: given.Kind == v1alpha1.WindowDeny, Where: where, level: level,
				HoldRepairs: given.Repairs == v1alpha1.GuardHold, Message: given.Message})
		}
	}
	if len(all) > maxEach {
		return append(problems, broken(where, "there are too many windows, with those above", "put some of them together"))
	}
	t.Windows = all
	return problems
}

func (t *Terms) addRules(where string, rules []v1alpha1.Rule) (problems []error) {
	all := slices.Clip(t.Rules)
	for _, given := range rules {
		program, err := expression.Rule(given.Expression)
		switch {
		case err != nil:
			problems = append(problems, broken(where, "rule "+quoted(given.Name)+" cannot be compiled: "+cause(err), fault.HintOf(err)))
		case given.Outcome != "" && given.Outcome != v1alpha1.GuardHold && given.Outcome != v1alpha1.GuardDeny:
			problems = append(problems, unknown(where, "outcome of rule "+quoted(given.Name), given.Outcome, "hold or deny"))
		default:
			all = append(all, Rule{Rule: given, Program: program, Where: where})
		}
	}
	if len(all) > maxEach {
		return append(problems, broken(where, "there are too many rules, with those above", "put some of them together"))
	}
	t.Rules = all
	return problems
}

func (t *Terms) addAllowed(where string, allowed *v1alpha1.Allowed) error {
	if allowed == nil {
		return nil
	}
	for _, list := range [][]string{allowed.Kinds, allowed.Namespaces, allowed.Targets, allowed.Sources} {
		// It would be left out when it is written again, and then allow everything.
		if list != nil && len(list) == 0 {
			return broken(where, "a list of what is allowed is empty", "leave it out to allow everything")
		}
	}
	t.Allowed = append(slices.Clip(t.Allowed), Allowed{Allowed: *allowed, Where: where})
	return nil
}

// broken is an error of a constraint, with its place in front.
func broken(where, cause, hint string) error {
	if hint == "" {
		hint = "correct it; nothing is changed before"
	}
	return fault.New(fault.Invalid, "", where, cause).WithHint(hint)
}

// unknown is the error of a word that a field does not take.
func unknown(where, field, word, wanted string) error {
	return broken(where, "the "+field+" is "+quoted(word)+", want "+wanted, "")
}

// cause gives an error's cause without the operation in front.
func cause(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	return err.Error()
}

// lines gives all parts of an error in one line, and the first hint.
func lines(err error) (message, hint string) {
	var parts []string
	for _, part := range fault.Flatten(err) {
		parts = append(parts, part.Error())
	}
	return strings.Join(parts, "; "), fault.HintOf(err)
}
