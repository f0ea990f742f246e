package v1alpha1

import (
	"cmp"
	"fmt"
	"reflect"
	"unicode/utf8"
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
	Most    int    // items of a list; 0 for any number
	Longest int    // of a text, in letters; 0 for any length
	Unique  bool   // no item comes twice
	Free    bool   // a mapping of anything, null too, which means something to those it is for
}

// rules are those of Source and Sync, and of what all kinds share; policyRules, sourceRules, renderRules and hostRules are the others.
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
	for _, known := range []map[string]rule{policyRules, sourceRules, renderRules, hostRules} {
		if r, ok := known[key]; ok {
			return r
		}
	}
	return rules[key]
}

// given refuses values out of bounds, and those that Go cannot tell from a field left out, where nobody can have meant that.
func (w *walker) given(f field, value any, pointer string) bool {
	rule := f.rule()
	empty := false
	switch v := value.(type) {
	case string:
		if empty = v == "" && (rule.Pattern != "" || rule.Enum != nil || rule.NoEmpty); !empty {
			return w.short(utf8.RuneCountInString(v), rule.Longest, pointer, "letters")
		}
	case []any:
		return w.short(len(v), rule.Most, pointer, "items")
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

// short demands at most so many letters or items; most 0 is any number.
func (w *walker) short(count, most int, pointer, of string) bool {
	if most == 0 || count <= most {
		return true
	}
	w.fail(pointer, fmt.Sprintf("has %d %s, and may have %d", count, of, most), "")
	return false
}

// takesAnything says whether a value is for others to judge.
func (f field) takesAnything(value any) bool {
	_, mapping := value.(map[string]any)
	return mapping && f.rule().Free
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

// unquoted reports what YAML took for something else than text where one of some words, or a text that looks like a number, has to be:
// it reads off as false and 0644 as 420, and nobody can tell any more what was written.
func (w *walker) unquoted(f field, value any, pointer string) bool {
	rule := f.rule()
	switch value.(type) {
	case bool:
		if rule.Enum != nil && f.typ.Kind() == reflect.String {
			w.fail(pointer, "want text, not true or false", "want "+oneOf(rule.Enum))
			return true
		}
	case int64, float64:
		if rule.Example != "" {
			w.fail(pointer, "want text, not a number", "quote it, as in "+rule.Example)
			return true
		}
	}
	return false
}
