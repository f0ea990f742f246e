package expression

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

const (
	// maxCost of one evaluation, in CEL's units: some milliseconds. Looking through every field of a large object costs a few thousand.
	maxCost = 100_000
	// maxValue is how many items the largest value of an evaluation may have, with all below it, and strings counted by their length.
	// Cost alone does not bound this: a list that is doubled sixty times costs sixty.
	maxValue = 100_000
	// maxDepth is how deep an expression may be nested, or chained.
	maxDepth = 60
	// maxPattern is the size of a compiled regular expression, in instructions. Matching is linear in text times pattern.
	maxPattern = 500
)

// bounds of every program.
var bounds = []cel.ProgramOption{
	cel.EvalOptions(cel.OptOptimize),
	cel.CostLimit(maxCost),
	cel.MemoryLimit(maxValue),
	cel.MemoryTracking(types.MemoryTrackerSizeCalculator(types.NewSizeCalculator(
		types.SizeCalculatorMaxTraversal(2*maxValue), types.SizeCalculatorMaxDepth(maxDepth+100)))),
}

// unbounded are functions of the extension for strings whose result or running time grows with the product of what they are given: one
// call could take all memory before its cost is known.
var unbounded = []string{"replace", "join", "indexOf", "lastIndexOf"}

// A subject is what expressions are about.
type subject struct {
	name string
	// variables with the fields that are known; nil for those that have any.
	variables map[string][]string
	// environment is made when the first expression needs it: most runs of the command line need none.
	environment func() (*cel.Env, error)
	hint        string
}

var overChange = about("change", map[string][]string{
	"change":   {"op", "id", "object", "before", "fields", "drift"},
	"sync":     {"name", "parent", "path", "source", "target"},
	"revision": {"id", "ref", "author", "message", "time"},
})

var overObject = about("object", map[string][]string{"object": nil})

func about(name string, variables map[string][]string) subject {
	known := slices.Sorted(maps.Keys(variables))
	hint := "the expression can use " + listed(known)
	if len(known) == 1 {
		hint = "the expression can use the variable " + known[0]
	}
	return subject{name: name, variables: variables, hint: hint, environment: sync.OnceValues(func() (*cel.Env, error) {
		options := []cel.EnvOption{
			cel.CustomTypeAdapter(ordered{types.DefaultTypeAdapter}),
			ext.Strings(ext.StringsMaxPrecision(20)),
			cel.OptionalTypes(),
			cel.CrossTypeNumericComparisons(true),
			cel.DefaultUTCTimeZone(true),
			cel.ParserExpressionSizeLimit(MaxSource),
			cel.ParserRecursionLimit(maxDepth),
			cel.ParserErrorRecoveryLimit(1),
			cel.ExpressionNodeLimit(10 * MaxSource),
			cel.RegexProgramSizeLimit(maxPattern),
			cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()),
		}
		for _, variable := range known {
			shape := cel.DynType
			if variables[variable] != nil {
				shape = cel.MapType(cel.StringType, cel.DynType)
			}
			options = append(options, cel.Variable(variable, shape))
		}
		return cel.NewEnv(options...)
	})}
}

// listed gives "a, b and c".
func listed(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
