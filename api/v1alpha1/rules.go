package v1alpha1

import (
	"cmp"
	"fmt"
)

// rule is what the schema says of a field beside its type. Decoding takes bounds from it too; the rest it demands by other means,
// so that it can say more in its errors; a test holds both against each other.
type rule struct {
	Default any
	Enum    []string
	Pattern string
	Minimum int
	Maximum int    // 0 for none
	NoEmpty bool   // at least one item, name, or letter
	Keys    string // pattern of the names in a mapping
	NoKeys  string // pattern of names that are taken
	Example string // of a text that people forget to quote
}

// rules are those of the kinds of setpoint.dev, and of what all kinds share; hostRules are the others.
var rules = map[string]rule{
	"Metadata.Name":               {Pattern: patternName},
	"SourceSpec.Interval":         {Default: DefaultInterval},
	"SourceSpec.Timeout":          {Default: DefaultFetchTimeout},
	"SourceSpec.Suspend":          {Default: false},
	"GitSource.URL":               {Pattern: patternURL},
	"GitSource.Proxy":             {Pattern: patternProxy},
	"GitSource.Submodules":        {Default: false},
	"GitRef.Branch":               {Pattern: patternRefName},
	"GitRef.Tag":                  {Pattern: patternRefName},
	"GitRef.Commit":               {Pattern: patternCommit},
	"GitRef.PR":                   {Minimum: 1},
	"SyncSpec.Path":               {Default: DefaultPath, Pattern: patternPath},
	"SyncSpec.Prune":              {Default: true},
	"SyncSpec.Drift":              {Default: DriftCorrect, Enum: []string{DriftCorrect, DriftReport}},
	"SyncSpec.Timeout":            {Default: DefaultTimeout},
	"SyncSpec.Suspend":            {Default: false},
	"SyncSpec.Deletion":           {Default: DeletionPrune, Enum: []string{DeletionPrune, DeletionOrphan}},
	"SyncSpec.AllowEmpty":         {Default: false},
	"SyncSource.Name":             {Pattern: patternName},
	"ToKubernetes.ServiceAccount": {Pattern: patternAccount},
	"ToKubernetes.Namespace":      {Pattern: patternName, Default: "default"},
	"Ignore.Fields":               {NoEmpty: true, Pattern: patternPointer},
	"Reference.Kind":              {NoEmpty: true},
	"Reference.Name":              {NoEmpty: true},
	"Retry.Initial":               {Default: DefaultRetryInitial},
	"Retry.Max":                   {Default: DefaultRetryMax},
}

// patternPath is a path in its shortest form, without "..". (Neither Go nor JSON Schema editors agree on look-ahead.)
const (
	patternSegment = `([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)`
	patternPath    = `^(\.|` + patternSegment + `(/` + patternSegment + `)*)$`
)

func (f field) rule() rule {
	key := f.owner.Name() + "." + f.goName
	if r, ok := hostRules[key]; ok {
		return r
	}
	return rules[key]
}

// given refuses values out of bounds, and those that Go cannot tell from a field left out, where nobody can have meant that.
func (w *walker) given(f field, value any, pointer string) bool {
	rule := f.rule()
	empty := false
	switch v := value.(type) {
	case string:
		empty = v == "" && (rule.Pattern != "" || rule.Enum != nil || rule.NoEmpty)
	case map[string]any:
		empty = len(v) == 0 && rule.NoEmpty
	case int64:
		return w.within(v, rule, pointer)
	}
	if empty {
		w.fail(pointer, "is empty", "give it a value, or remove the line")
	}
	return !empty
}

func (w *walker) within(number int64, rule rule, pointer string) bool {
	least, most := int64(rule.Minimum), int64(cmp.Or(rule.Maximum, maxNumber))
	switch {
	case number >= least && number <= most:
		return true
	case rule.Maximum == 0:
		w.fail(pointer, fmt.Sprintf("must be %d or more", least), "")
	default:
		w.fail(pointer, fmt.Sprintf("must be from %d to %d", least, most), "")
	}
	return false
}

// unquoted reports a number where YAML would have wanted quotes for a text that looks like one: 0644 is read as 420, and nobody can
// tell any more what was written.
func (w *walker) unquoted(f field, value any, pointer string) bool {
	rule := f.rule()
	if rule.Example == "" {
		return false
	}
	switch value.(type) {
	case int64, float64:
		w.fail(pointer, "want text, not a number", "quote it, as in "+rule.Example)
		return true
	}
	return false
}
