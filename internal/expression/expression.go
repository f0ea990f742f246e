// Package expression compiles and evaluates the CEL expressions that people write: rules over a change, and health of an object.
// It is pure, and bounds what an expression may cost.
package expression

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// MaxSource is how long an expression may be, in bytes.
const MaxSource = 4 << 10

// Program is a compiled expression of type bool. It is immutable and safe for concurrent use.
type Program struct {
	source  string
	reads   map[string]bool // "change.before"; "change" for the variable as a whole
	words   map[string]bool // that may be shown as the name of a key that is not there
	program cel.Program
}

// Rule compiles an expression over a change: the variables change (op, id, object, before, fields, drift), sync (name, parent, path,
// source, target) and revision (id, ref, author, message, time). Errors are faults of kind Invalid that say where in the expression.
// What was compiled lately is remembered, so that the same rule of many Syncs is compiled once.
func Rule(source string) (*Program, error) { return remembered.compile(overChange, source) }

// Health compiles an expression over the variable object, as Rule does.
func Health(source string) (*Program, error) { return remembered.compile(overObject, source) }

// String gives the expression as it was written.
func (p *Program) String() string { return p.source }

// Reads says whether an expression looks at a field of a variable: Reads("change", "before"). It does, too, when it uses the variable
// as a whole, or by a name that is only known when it is evaluated.
func (p *Program) Reads(variable, field string) bool {
	return p.reads[variable+"."+field] || p.reads[variable]
}

// Holds evaluates the expression over the values of its variables: maps, slices, strings, numbers, booleans, times and nil. An error
// says why it has no value: a field that is not there, a cost beyond the bound. It never tells a value of the variables: secrets may be
// among them.
func (p *Program) Holds(variables map[string]any) (bool, error) {
	holds, _, err := p.Weigh(variables)
	return holds, err
}

// Weigh is Holds with what the evaluation cost, in CEL's units: about one for a field that is looked at or a function that is called.
// Whoever evaluates again and again can add them up.
func (p *Program) Weigh(variables map[string]any) (holds bool, cost uint64, err error) {
	value, details, err := p.program.Eval(variables)
	if details != nil && details.ActualCost() != nil {
		cost = *details.ActualCost()
	}
	if err != nil {
		return false, cost, fault.Wrap(fault.Invalid, "evaluate the expression", "", p.unvalued(err))
	}
	holds, ok := value.Value().(bool)
	if !ok {
		return false, cost, fault.New(fault.Invalid, "evaluate the expression", "",
			fmt.Sprintf("it gives a value of type %s instead of true or false", value.Type().TypeName()))
	}
	return holds, cost, nil
}

// compile reads, checks and plans an expression.
func compile(in subject, source string) (*Program, error) {
	environment, err := in.environment()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "prepare expressions", "", err)
	}
	checked, issues := environment.Compile(source)
	if found := issues.Errors(); len(found) > 0 {
		return nil, invalid(first(found), in)
	}
	reads, err := in.inspect(checked.NativeRep())
	if err != nil {
		return nil, invalid(err.Error(), in)
	}
	if gives := checked.OutputType(); !gives.IsExactType(cel.BoolType) && !gives.IsExactType(cel.DynType) {
		return nil, fault.New(fault.Invalid, "compile the expression", "",
			fmt.Sprintf("it gives a value of type %s instead of true or false", cel.FormatCELType(gives))).
			WithHint("compare the value with something: ==, <, in, startsWith")
	}
	program, err := environment.Program(checked, bounds...)
	if err != nil {
		return nil, invalid(err.Error(), in)
	}
	return &Program{source: source, reads: reads, words: wordsOf(checked.NativeRep()), program: program}, nil
}

func size(source string) error {
	switch {
	case strings.TrimSpace(source) == "":
		return errors.New("it is empty")
	case len(source) > MaxSource:
		return fmt.Errorf("it is longer than %d bytes", MaxSource)
	}
	return nil
}

func invalid(cause string, in subject) error {
	return fault.New(fault.Invalid, "compile the expression", "", cause).WithHint(in.hint)
}
