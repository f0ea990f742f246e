package expression

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
)

// located puts the place in an expression in front of a sentence: line and column, both from 1. A place that is not known is left out.
func located(at common.Location, cause string) error {
	if at == nil || at.Line() < 1 {
		return errors.New(cause)
	}
	return fmt.Errorf("%d:%d: %s", at.Line(), max(at.Column(), 0)+1, cause)
}

// first gives the problem that comes first in the text. Those behind it are often its consequences.
func first(found []*cel.Error) string {
	found = slices.SortedStableFunc(slices.Values(found), func(a, b *cel.Error) int {
		return cmp.Or(cmp.Compare(a.Location.Line(), b.Location.Line()), cmp.Compare(a.Location.Column(), b.Location.Column()))
	})
	return located(found[0].Location, sentence(found[0].Message)).Error()
}

// sentence says in one line what the parser or the checker of CEL means.
func sentence(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	message, _, _ = strings.Cut(message, " expecting {") // all the tokens of the language
	message = strings.TrimSuffix(message, " expecting <EOF>")
	message = strings.TrimPrefix(message, "Syntax error: ")
	switch {
	case message == "mismatched input '<EOF>'":
		return "it ends too early"
	case strings.HasPrefix(message, "token recognition error at: '= "):
		return "a single =: equality is =="
	case strings.HasPrefix(message, "token recognition error at: "):
		return "not readable from here: " + strings.TrimPrefix(message, "token recognition error at: ")
	case strings.HasPrefix(message, "extraneous input "), strings.HasPrefix(message, "mismatched input "):
		return "not expected here: " + strings.SplitN(message, " ", 3)[2]
	case strings.HasPrefix(message, "undeclared reference to "):
		return strings.Replace(message, "undeclared reference to ", "nothing is called ", 1)
	case strings.Contains(message, "recursion"):
		return fmt.Sprintf("it is nested or chained more than %d deep", maxDepth)
	}
	return message
}
