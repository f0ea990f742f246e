package expression

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// inspect finds which fields of which variables a checked expression reads, and refuses what CEL itself lets pass: fields that no
// variable has, items of a list that take the name of a variable, and functions without a bound.
func (s subject) inspect(checked *ast.AST) (map[string]bool, error) {
	look := inspection{subject: s, checked: checked, reads: map[string]bool{}, named: map[int64]bool{}}
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(look.visit))
	return look.reads, look.err
}

type inspection struct {
	subject subject
	checked *ast.AST
	reads   map[string]bool
	named   map[int64]bool // identifiers that were seen with the field that is read of them
	err     error          // the first
}

// visit sees an expression before its parts.
func (i *inspection) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		i.field(e, e.AsSelect().Operand(), e.AsSelect().FieldName())
	case ast.CallKind:
		i.call(e)
	case ast.ComprehensionKind:
		for _, name := range []string{e.AsComprehension().IterVar(), e.AsComprehension().IterVar2()} {
			if _, taken := i.subject.variables[name]; taken {
				i.refuse(e, fmt.Sprintf("%s is a variable of the expression: give the item another name", name))
			}
		}
	case ast.IdentKind:
		if !i.named[e.ID()] {
			i.reads[variable(e)] = true
		}
	}
}

// call sees a field that is read by its name in brackets, or as an optional one; and functions that are not to be had.
func (i *inspection) call(e ast.Expr) {
	call := e.AsCall()
	switch name := call.FunctionName(); {
	case slices.Contains([]string{operators.Index, operators.OptIndex, operators.OptSelect}, name):
		args := call.Args()
		if len(args) == 2 && args[1].Kind() == ast.LiteralKind {
			if field, ok := args[1].AsLiteral().Value().(string); ok {
				i.field(e, args[0], field)
			}
		}
	case slices.Contains(unbounded, name):
		i.refuse(e, fmt.Sprintf("the function %s is not available", name))
	}
}

// field notes that a field of something is read. Only variables are of interest.
func (i *inspection) field(e, of ast.Expr, field string) {
	if of.Kind() != ast.IdentKind {
		return
	}
	name := variable(of)
	fields, known := i.subject.variables[name]
	if !known {
		return
	}
	i.named[of.ID()] = true
	i.reads[name+"."+field] = true
	if fields == nil || slices.Contains(fields, field) {
		return
	}
	guess := ""
	for _, candidate := range fields {
		if fault.Misspelling(field, candidate) <= 2 {
			guess = fmt.Sprintf(" (did you mean %q?)", candidate)
			break
		}
	}
	i.refuse(e, fmt.Sprintf("%s has no field %q%s, it has %s", name, field, guess, listed(fields)))
}

func (i *inspection) refuse(e ast.Expr, cause string) {
	if i.err == nil {
		i.err = located(i.checked.SourceInfo().GetStartLocation(e.ID()), cause)
	}
}

// variable gives the name of an identifier, without the dot that CEL allows in front of it.
func variable(e ast.Expr) string { return strings.TrimPrefix(e.AsIdent(), ".") }
