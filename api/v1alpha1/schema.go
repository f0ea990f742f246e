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

// Schema gives the JSON Schema (draft-07, the one that YAML editors know best) of a document that is of one of the kinds.
func Schema() []byte {
	var descriptions map[string]string
	if err := json.Unmarshal(descriptionsJSON, &descriptions); err != nil {
		panic(fmt.Sprintf("embedded descriptions: %v", err)) // a test reads them
	}
	s := schemas{descriptions}
	definitions, choices := map[string]any{}, []any{}
	for _, one := range described {
		definitions[one.kind] = s.kind(one)
		is := map[string]any{"kind": map[string]any{"const": one.kind}}
		choices = append(choices, map[string]any{
			"if":   map[string]any{"properties": is, "required": []string{"kind"}},
			"then": map[string]any{"$ref": "#/definitions/" + one.kind},
		})
	}
	data, err := json.MarshalIndent(map[string]any{
		"$schema":  "http://json-schema.org/draft-07/schema#",
		"title":    "Setpoint " + Version,
		"type":     "object",
		"required": []string{"apiVersion", "kind"},
		"properties": map[string]any{ // of a document that does not say yet what it is
			"apiVersion": map[string]any{"enum": []string{APIVersion, APIVersionHost}},
			"kind":       map[string]any{"enum": Kinds()},
		},
		"allOf":       choices,
		"definitions": definitions,
	}, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("schema: %v", err)) // maps of text always have a JSON form
	}
	return append(data, '\n')
}

// schemas makes JSON Schemas of Go types.
type schemas struct{ descriptions map[string]string }

func (s schemas) kind(one description) map[string]any {
	schema := s.of(one.typ)
	properties := schema["properties"].(map[string]any)
	properties["apiVersion"].(map[string]any)["enum"] = []any{one.apiVersion()}
	properties["kind"].(map[string]any)["enum"] = []any{one.kind}
	schema["description"] = s.descriptions[one.kind]
	if one.groupKind == kindApp {
		metadata := properties["metadata"].(map[string]any)["properties"].(map[string]any)
		metadata["name"].(map[string]any)["maxLength"] = MaxAppName
	}
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
	case reflect.Interface:
		return map[string]any{"type": []any{"string", "number", "boolean", "object", "array"}}
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
		f.rule().apply(schema)
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
	switch t {
	case reflect.TypeFor[GitRef]():
		schema["maxProperties"] = 1
	case reflect.TypeFor[ValueFrom](), reflect.TypeFor[ContentFrom](), reflect.TypeFor[PublicKeys](), reflect.TypeFor[DecryptKey]():
		schema["minProperties"], schema["maxProperties"] = 1, 1
	case reflect.TypeFor[SourceSpec]():
		schema["oneOf"] = one(upstreams...)
	case reflect.TypeFor[SyncSource]():
		schema["oneOf"] = waysToName()
	case reflect.TypeFor[SyncSpec]():
		schema["oneOf"] = oneOrNone("helm", "jsonnet", "cue")
	case reflect.TypeFor[OCIRef]():
		schema["oneOf"] = oneOrNone("tag", "semver", "digest")
		schema["dependencies"] = map[string]any{"filter": []any{"semver"}}
	case reflect.TypeFor[Verification]():
		schema["minProperties"] = 1
	case reflect.TypeFor[GitVerification]():
		schema["anyOf"] = one("allowedSigners", "pgpKeys")
	case reflect.TypeFor[OCIVerification]():
		schema["anyOf"] = one("keys", "identities")
		schema["dependencies"] = map[string]any{"identities": []any{"trustedRoot"}, "trustedRoot": []any{"identities"}}
	case reflect.TypeFor[HelmValues]():
		schema["oneOf"] = one("file", "configMap", "secret")
		schema["not"] = map[string]any{"required": []any{"file", "key"}}
	case reflect.TypeFor[SubstituteFrom]():
		schema["oneOf"] = one("configMap", "secret")
	case reflect.TypeFor[FileSpec]():
		schema["oneOf"] = oneOrNone("content", "contentBase64", "contentFrom", "template")
	case reflect.TypeFor[ProcessCheck]():
		schema["oneOf"] = oneOrNone("http", "tcp", "command")
	case reflect.TypeFor[Template]():
		schema["oneOf"] = one("text", "file")
	case reflect.TypeFor[Build]():
		schema["oneOf"] = one("directory", "archive")
	case reflect.TypeFor[EnvSource]():
		schema["oneOf"] = one("file", "hostFile", "configMap", "secret")
	case reflect.TypeFor[HealthCheck]():
		schema["oneOf"] = waysToBeHealthy()
	}
}

// waysToName are a name and nothing else, or one upstream without a name.
func waysToName() []any {
	named := has("name")
	named["maxProperties"] = 1
	ways := []any{named}
	for _, upstream := range upstreams {
		inline := has(upstream)
		inline["not"] = has("name")
		ways = append(ways, inline)
	}
	return ways
}

// waysToBeHealthy are expressions about the objects of a kind, or one thing to look at and nothing else.
func waysToBeHealthy() []any {
	looks := []string{"http", "tcp", "object"}
	expressions := has("kind")
	expressions["anyOf"] = one("healthy", "progressing", "failed")
	expressions["not"] = map[string]any{"anyOf": one(looks...)}
	ways := []any{expressions}
	for _, look := range looks {
		alone := has(look)
		alone["maxProperties"] = 1
		ways = append(ways, alone)
	}
	return ways
}

func has(field string) map[string]any { return map[string]any{"required": []any{field}} }

// one is fulfilled when exactly one of some fields is there.
func one(fields ...string) []any {
	choices := make([]any, len(fields))
	for i, field := range fields {
		choices[i] = has(field)
	}
	return choices
}

func oneOrNone(fields ...string) []any {
	return append(one(fields...), map[string]any{"not": map[string]any{"anyOf": one(fields...)}})
}

func (r rule) apply(schema map[string]any) {
	if d, ok := r.Default.(Duration); ok {
		schema["default"] = shortest(d)
	} else if r.Default != nil {
		schema["default"] = r.Default
	}
	if schema["type"] == "integer" {
		schema["minimum"] = r.Minimum
	}
	if r.Maximum != 0 {
		schema["maximum"] = r.Maximum
	}
	if r.Keys != "" {
		r.names(schema)
	}
	if r.Free {
		schema["additionalProperties"] = true
	}
	r.size(schema)
	target := schema
	if items, ok := schema["items"].(map[string]any); ok {
		target = items
	}
	if r.Enum != nil {
		words := make([]any, len(r.Enum))
		for i, word := range r.Enum {
			words[i] = word
		}
		target["enum"] = words
	}
	if r.Pattern != "" {
		target["pattern"] = r.Pattern
	}
}

// size bounds how much of something there is.
func (r rule) size(schema map[string]any) {
	if r.NoEmpty {
		schema[map[any]string{"string": "minLength", "array": "minItems", "object": "minProperties"}[schema["type"]]] = 1
	}
	if r.Most != 0 {
		schema["maxItems"] = r.Most
	}
	if r.Longest != 0 {
		schema["maxLength"] = r.Longest
	}
	if r.Unique {
		schema["uniqueItems"] = true
	}
}

// names demands a form of the names in a mapping.
func (r rule) names(schema map[string]any) {
	patterns := map[string]any{r.Keys: schema["additionalProperties"]}
	if r.NoKeys != "" {
		patterns[r.NoKeys] = map[string]any{"not": map[string]any{}}
	}
	schema["patternProperties"], schema["additionalProperties"] = patterns, false
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
