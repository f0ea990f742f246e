package expression

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/interpreter"
)

// A reason is a sentence of ours for what CEL says of an evaluation.
type reason struct {
	start    string // of CEL's message
	sentence string
}

const (
	noSuchKey = "no such key"
	mismatch  = "a value is null or of another type than the expression takes it for"
	noRegexp  = "a text that it matches against is no regular expression that is allowed"
	beyond    = "a number, time or duration is beyond its range"
	noTime    = "a text that it takes for a timestamp is none"
	// refused stands for all that is not known, and for what comes with a new version of CEL.
	refused = "one of its functions refused its argument"
)

// reasons are all that is ever said of an evaluation without a value. CEL's own messages quote what the expression works with: keys,
// indices, texts, patterns. That may be a secret, and what is said here is stored, logged and shown; so nothing of them is passed on.
var reasons = []reason{
	{"no such key", noSuchKey},
	{"no such field", noSuchKey},
	{"no such overload", mismatch},
	{"unsupported field selection", mismatch},
	{"got ", mismatch}, // "got 'types.String', expected iterable type"
	{"index out of ", "an index is out of bounds"},
	{"index '", "an index is out of bounds"},
	{"unsupported index ", "an index is not a whole number"},
	{"division by zero", "division by zero"},
	{"modulus by zero", "division by zero"},
	{"integer overflow", beyond},
	{"unsigned integer overflow", beyond},
	{"duration overflow", beyond},
	{"timestamp overflow", beyond},
	{"invalid RFC 3339 timestamp", noTime},
	{"unknown time zone", "a text that it takes for a time zone is none"},
	{"type conversion error", "a value cannot be converted to the type that is asked for"},
	{"error parsing regexp", noRegexp},
	{"regex program size", noRegexp},
	{"optional.none() dereference", "an optional value that it takes is not there"},
	{"no such attribute", "one of its variables has no value here"},
}

// unvalued says why an evaluation gave no value, in words that are ours or stand in the expression. It does not wrap the error of CEL, so
// that nobody can take its text out again.
func (p *Program) unvalued(err error) error {
	if cancelled, ok := errors.AsType[interpreter.EvalCancelledError](err); ok {
		switch cancelled.Cause {
		case interpreter.CostLimitExceeded:
			return fmt.Errorf("it costs more than the limit of %d", maxCost)
		case interpreter.MemoryLimitExceeded:
			return fmt.Errorf("it works with a value of more than %d items", maxValue)
		}
	}
	message := err.Error()
	for _, known := range reasons {
		if !strings.HasPrefix(message, known.start) {
			continue
		}
		if _, key, named := strings.Cut(message, ": "); known.sentence == noSuchKey && named && p.words[key] {
			return errors.New(noSuchKey + ": " + key)
		}
		return errors.New(known.sentence)
	}
	return errors.New(refused)
}

// maxWord is how long a word of an expression may be to be shown as the name of a key, in bytes.
const maxWord = 100

// wordsOf gives the names of fields and the texts that stand in an expression itself. Whoever reads of a problem may see them: people
// wrote them where rules are written, and they are no values of an object.
func wordsOf(checked *ast.AST) map[string]bool {
	words := map[string]bool{}
	add := func(word string) {
		if len(word) <= maxWord && !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }) {
			words[word] = true
		}
	}
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			add(e.AsSelect().FieldName())
		case ast.LiteralKind:
			if literal, ok := e.AsLiteral().Value().(string); ok {
				add(literal)
			}
		}
	}))
	return words
}
