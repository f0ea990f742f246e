package v1alpha1

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// The doc comments of the kinds, by "Type.Field". Made by "go test -run TestDescriptions -update".
//
//go:embed descriptions.json
var descriptionsJSON []byte

// rule is what the schema says of a field beside its type. Strict decoding demands the same by other means, so that it can
// say more in its errors; a test holds both against each other.
type rule struct {
	Default any
	Enum    []string
	Pattern string
	Minimum int
	NoEmpty bool // at least one item, or letter
}

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

// Schema gives the JSON Schema (draft-07, the one that YAML editors know best) of a document that is a Source or a Sync.
func Schema() []byte {
	var descriptions map[string]string
	if err := json.Unmarshal(descriptionsJSON, &descriptions); err != nil {
		panic(fmt.Sprintf("embedded descriptions: %v", err)) // a test reads them
	}
	s := schemas{descriptions}
	kind := map[string]any{"kind": map[string]any{"const": KindSource}}
	data, err := json.MarshalIndent(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "Setpoint " + APIVersion,
		"type":    "object",
		"if":      map[string]any{"properties": kind, "required": []string{"kind"}},
		"then":    map[string]any{"$ref": "#/definitions/" + KindSource},
		"else":    map[string]any{"$ref": "#/definitions/" + KindSync},
		"definitions": map[string]any{
			KindSource: s.kind(reflect.TypeFor[Source](), KindSource),
			KindSync:   s.kind(reflect.TypeFor[Sync](), KindSync),
		},
	}, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("schema: %v", err)) // maps of text always have a JSON form
	}
	return append(data, '\n')
}

// schemas makes JSON Schemas of Go types.
type schemas struct{ descriptions map[string]string }

func (s schemas) kind(t reflect.Type, name string) map[string]any {
	schema := s.of(t)
	properties := schema["properties"].(map[string]any)
	properties["apiVersion"].(map[string]any)["enum"] = []any{APIVersion}
	properties["kind"].(map[string]any)["enum"] = []any{name}
	schema["description"] = s.descriptions[name]
	return schema
}

func (s schemas) of(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.object(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Int64: // Duration is the only one
		return map[string]any{"type": "string", "pattern": patternDuration}
	}
	return map[string]any{"type": "string"}
}

func (s schemas) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []any{}
	for _, f := range fieldsOf(t) {
		key := f.owner.Name() + "." + f.goName
		schema := s.of(f.typ)
		if text := s.descriptions[key]; text != "" {
			schema["description"] = text
		}
		rules[key].apply(schema)
		properties[f.name] = schema
		if f.required {
			required = append(required, f.name)
		}
	}
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	together(t, schema)
	return schema
}

// together adds what holds between the fields of one type.
func together(t reflect.Type, schema map[string]any) {
	has := func(field string) map[string]any { return map[string]any{"required": []any{field}} }
	switch t {
	case reflect.TypeFor[GitRef]():
		schema["maxProperties"] = 1
	case reflect.TypeFor[ValueFrom]():
		schema["minProperties"], schema["maxProperties"] = 1, 1
	case reflect.TypeFor[SourceSpec]():
		schema["required"] = []any{"git"}
	case reflect.TypeFor[SyncSource]():
		named := has("name")
		named["maxProperties"] = 1
		inline := has("git")
		inline["not"] = has("name")
		schema["oneOf"] = []any{named, inline}
	}
}

func (r rule) apply(schema map[string]any) {
	if d, ok := r.Default.(Duration); ok {
		schema["default"] = shortest(d)
	} else if r.Default != nil {
		schema["default"] = r.Default
	}
	if r.Enum != nil {
		words := make([]any, len(r.Enum))
		for i, word := range r.Enum {
			words[i] = word
		}
		schema["enum"] = words
	}
	if r.Minimum != 0 {
		schema["minimum"] = r.Minimum
	}
	target := schema
	if items, ok := schema["items"].(map[string]any); ok {
		target = items
		if r.NoEmpty {
			schema["minItems"] = 1
		}
	} else if r.NoEmpty {
		schema["minLength"] = 1
	}
	if r.Pattern != "" {
		target["pattern"] = r.Pattern
	}
}

// shortest writes a span as people do: "5m", not "5m0s".
func shortest(d Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
