package v1alpha1

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// walker compares JSON-shaped data with a Go type, and its values with the rules of their fields, and gathers what does not fit.
type walker struct {
	flat       string // why the kind has no namespace
	violations []violation
}

// maxNumber is the greatest whole number that a field may have.
const maxNumber = math.MaxInt32

var durationType = reflect.TypeFor[Duration]()

func (w *walker) fail(pointer, message, hint string) (any, bool) {
	w.violations = append(w.violations, violation{pointer, message, hint})
	return nil, false
}

// shape gives the part of a value that fits the type; ok is false when nothing does. A null is an error: it is a field whose
// value was forgotten.
func (w *walker) shape(t reflect.Type, value any, pointer string) (any, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil {
		return w.fail(pointer, "has no value", "give it one, or remove the line")
	}
	if t == durationType {
		return w.duration(value, pointer)
	}
	switch t.Kind() {
	case reflect.Interface:
		w.anything(value, pointer)
		return value, true
	case reflect.Struct:
		if fields, ok := value.(map[string]any); ok {
			return w.object(t, fields, pointer), true
		}
	case reflect.Map:
		if fields, ok := value.(map[string]any); ok {
			return w.mapping(t, fields, pointer), true
		}
	case reflect.Slice:
		if items, ok := value.([]any); ok {
			return w.list(t, items, pointer), true
		}
	case reflect.String:
		if _, ok := value.(string); ok {
			return value, true
		}
		return w.wrongType(t, value, pointer, "quote it")
	case reflect.Bool:
		if _, ok := value.(bool); ok {
			return value, true
		}
		return w.wrongType(t, value, pointer, "write true or false, without quotes")
	case reflect.Int:
		if number, ok := value.(int64); ok && number >= -maxNumber && number <= maxNumber {
			return value, true
		}
	}
	return w.wrongType(t, value, pointer, "")
}

// wrongType reports a value of another type; the hint is for scalars only.
func (w *walker) wrongType(t reflect.Type, value any, pointer, hint string) (any, bool) {
	if _, scalar := words[reflect.TypeOf(value).Kind()]; !scalar {
		hint = ""
	}
	return w.fail(pointer, fmt.Sprintf("want %s, not %s", wordFor(t), wordFor(reflect.TypeOf(value))), hint)
}

// words name the scalar types for people.
var words = map[reflect.Kind]string{
	reflect.String: "text", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a number",
	reflect.Float64: "a number",
}

func wordFor(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	}
	return words[t.Kind()]
}

func (w *walker) duration(value any, pointer string) (any, bool) {
	var d Duration
	data, err := json.Marshal(value)
	if err == nil {
		err = d.UnmarshalJSON(data)
	}
	if err != nil {
		return w.fail(pointer, err.Error(), "")
	}
	if time.Duration(d) == 0 {
		return w.fail(pointer, "must be longer than 0s", "remove the line for the default")
	}
	return value, true
}

func (w *walker) object(t reflect.Type, value map[string]any, pointer string) map[string]any {
	fields := fieldsOf(t)
	out := make(map[string]any, len(value))
	for _, name := range sortedKeys(value) {
		at := pointer + "/" + escape.Replace(name)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			w.fail(at, "unknown field", w.hintFor(at, name, fields))
			continue
		}
		if w.unquoted(fields[i], value[name], at) {
			continue
		}
		if fields[i].takesAnything(value[name]) {
			out[name] = value[name]
			continue
		}
		if shaped, ok := w.shape(fields[i].typ, value[name], at); ok && w.given(fields[i], shaped, at) {
			out[name] = shaped
		}
	}
	for _, f := range fields {
		if _, there := value[f.name]; f.required && !there {
			w.fail(pointer+"/"+f.name, "is missing", "")
		}
	}
	return out
}

// mapping keeps the names of values that do not fit, as list does their places: others may refer to them.
func (w *walker) mapping(t reflect.Type, value map[string]any, pointer string) map[string]any {
	out := make(map[string]any, len(value))
	for _, name := range sortedKeys(value) {
		shaped, ok := w.shape(t.Elem(), value[name], pointer+"/"+escape.Replace(name))
		if !ok {
			shaped = reflect.Zero(t.Elem()).Interface()
		}
		out[name] = shaped
	}
	return out
}

// anything lets values of every type pass, but for those that were forgotten.
func (w *walker) anything(value any, pointer string) {
	switch v := value.(type) {
	case nil:
		w.fail(pointer, "has no value", "give it one, or remove the line")
	case map[string]any:
		for _, name := range sortedKeys(v) {
			w.anything(v[name], pointer+"/"+escape.Replace(name))
		}
	case []any:
		for i, item := range v {
			w.anything(item, pointer+"/"+strconv.Itoa(i))
		}
	}
}

// list keeps the places of items that do not fit, so that the others keep their numbers.
func (w *walker) list(t reflect.Type, value []any, pointer string) []any {
	out := make([]any, len(value))
	for i, item := range value {
		shaped, ok := w.shape(t.Elem(), item, pointer+"/"+strconv.Itoa(i))
		if !ok {
			shaped = reflect.Zero(t.Elem()).Interface()
		}
		out[i] = shaped
	}
	return out
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// field is one field of a kind as users write it.
type field struct {
	name     string
	typ      reflect.Type
	owner    reflect.Type // the struct that declares it
	goName   string
	required bool
}

// fieldsOf gives a struct's fields in the order of their declaration, with those of embedded structs in place.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			fields = append(fields, fieldsOf(f.Type)...)
			continue
		}
		fields = append(fields, field{
			name: name, typ: f.Type, owner: t, goName: f.Name, required: !strings.Contains(options, "omit"),
		})
	}
	return fields
}

// hintFor says what an unknown field may have been meant to be.
func (w *walker) hintFor(pointer, name string, fields []field) string {
	if pointer == "/metadata/namespace" {
		return "remove it: " + w.flat
	}
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.name
	}
	return cmp.Or(meant(name, known), "known fields are "+strings.Join(known, ", "))
}

// meant asks whether a word is one of the known ones, misspelt; "" when none is near.
func meant(word string, known []string) string {
	best, distance := "", 3
	for _, one := range known {
		if d := fault.Misspelling(word, one); d < distance && d < len(one) {
			best, distance = one, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}
