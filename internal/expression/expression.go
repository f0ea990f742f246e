// Package expression compiles and evaluates the CEL expressions that people write: rules over a change, and health of an object.
// It is pure, and bounds what an expression may cost.
package expression

import (
	"errors"
)

// Program is a compiled expression of type bool. It is immutable and safe for concurrent use.
type Program struct {
	source string
	reads  map[string]bool
}

// Rule compiles an expression over a change: the variables change (op, object, before, fields, id, drift), sync and revision. Errors
// are faults of kind Invalid that say where in the expression.
func Rule(source string) (*Program, error) { return nil, errors.New("not compiled: " + source) }

// Health compiles an expression over the variable object.
func Health(source string) (*Program, error) { return nil, errors.New("not compiled: " + source) }

// String gives the expression as it was written.
func (p *Program) String() string { return p.source }

// Reads says whether an expression looks at a field of a variable: Reads("change", "before").
func (p *Program) Reads(variable, field string) bool { return p.reads[variable+"."+field] }

// Holds evaluates the expression. An error says why it has no value: a field that is not there, a cost beyond the bound.
func (p *Program) Holds(_ map[string]any) (bool, error) { return false, errors.New("not compiled") }
