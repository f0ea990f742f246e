package httpapi

import (
	"reflect"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// enums are the words of fields whose type is string, by schema and JSON name.
var enums = map[string][]any{
	"SyncStatus.state": {"Pending", "Rendering", "Syncing", "Settling", "InSync", "Drifted", "Held", "Failed", "RolledBack", "Suspended"},
	"Health.status":    {"Healthy", "Suspended", "Progressing", "Unknown", "Missing", "Degraded"},
	"Release.state":    {"Pending", "Active", "Superseded", "Failed"},
	"LogLine.stream":   {"stdout", "stderr"},
	"Verdict.outcome":  {"hold", "deny"},
	"Problem.kind":     {"Transient", "Invalid", "Denied", "Conflict", "NotFound", "Internal"},
}

// ref gives the schema of a Go type as encoding/json writes it: a reference for structs, which become named schemas.
func (s schemas) ref(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[v1alpha1.Duration]():
		return map[string]any{"type": "string", "description": "as Go writes it: 1m30s"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.ref(t.Elem())
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.ref(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.ref(t.Elem())}
	case reflect.Struct:
		s.define(t)
		return map[string]any{"$ref": "#/components/schemas/" + schemaName(t)}
	}
	return map[string]any{"type": "string"}
}

// schemaName says what people call a type: state.ID is known as ObjectID.
func schemaName(t reflect.Type) string {
	if t == reflect.TypeFor[v1alpha1.ObjectID]() {
		return "ObjectID"
	}
	return t.Name()
}

func (s schemas) define(t reflect.Type) {
	name := schemaName(t)
	if _, done := s[name]; done {
		return
	}
	definition := map[string]any{"type": "object"}
	s[name] = definition // before the fields: a type may hold itself
	properties, required := map[string]any{}, []any{}
	for _, field := range reflect.VisibleFields(t) {
		word, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || word == "" || word == "-" {
			continue
		}
		schema := s.ref(field.Type)
		if words := enums[schemaName(owner(t, field))+"."+word]; words != nil {
			schema["enum"] = words
		}
		properties[word] = schema
		if !strings.Contains(options, "omit") {
			required = append(required, word)
		}
	}
	definition["properties"] = properties
	definition["required"] = required
	definition["additionalProperties"] = false
}

// owner gives the struct in which a field of t is declared, which is another one for embedded fields.
func owner(t reflect.Type, field reflect.StructField) reflect.Type {
	for _, index := range field.Index[:len(field.Index)-1] {
		t = t.Field(index).Type
	}
	return t
}
