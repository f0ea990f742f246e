package helm

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// renderValues gives what templates see, with values that the schemas of the chart and its subcharts allow.
func (j *job) renderValues(
	tree *chart.Chart, values map[string]any, layers []layer, capabilities *common.Capabilities,
) (top common.Values, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			top, err = nil, j.invalid("Helm gives up on the values of this chart")
		}
	}()
	// A release is always the first of its name: otherwise the same inputs would give other objects after the first time.
	release := common.ReleaseOptions{Name: j.name, Namespace: j.namespace, Revision: 1, IsInstall: true}
	top, err = util.ToRenderValuesWithSchemaValidation(tree, values, release, capabilities, true)
	if err != nil {
		return nil, j.invalid(err.Error())
	}
	if j.noSchema {
		return top, nil
	}
	merged, _ := top["Values"].(common.Values)
	if merged == nil {
		merged, _ = top["Values"].(map[string]any)
	}
	v := validation{job: j, layers: layers, left: maxEvaluations}
	v.chart(tree, merged, nil)
	return top, errors.Join(v.errs...)
}

// The bounds of a validation: how often a schema may be held against a value, and how many errors are told.
const (
	maxEvaluations  = 500_000
	maxSchemaErrors = 10
)

const schemaFile = "values.schema.json"

// validation holds the values of a chart against its schema, and those of its subcharts against theirs.
type validation struct {
	*job

	layers []layer
	left   int64
	errs   []error
}

func (v *validation) chart(c *chart.Chart, values map[string]any, path []string) {
	if len(c.Schema) > 0 {
		v.one(c, values, path)
	}
	for _, sub := range c.Dependencies() {
		below := append(slices.Clone(path), sub.Name())
		switch given := values[sub.Name()].(type) {
		case nil:
		case map[string]any:
			v.chart(sub, given, below)
		default:
			v.errs = append(v.errs, v.invalid(fmt.Sprintf("values%s: the values of a subchart are no mapping", pointer(below))))
		}
	}
}

func (v *validation) one(c *chart.Chart, values map[string]any, below []string) {
	file := v.place(path.Join(subPath(c), schemaFile))
	defer func() {
		if caught := recover(); caught != nil {
			cause := "the schema cannot be held against the values"
			if why, ok := caught.(refusal); ok {
				cause = why.cause
			}
			v.errs = append(v.errs, fault.New(fault.Invalid, "check values by", file, cause))
		}
	}()
	schema, err := v.compile(c.Schema)
	if err != nil {
		v.errs = append(v.errs, fault.New(fault.Invalid, "read", file, firstLine(err)).
			WithHint("a schema refers to nothing but itself; write what it needs into it, or say helm.skipSchema: true"))
		return
	}
	if wrong, ok := errors.AsType[*jsonschema.ValidationError](schema.Validate(values)); ok {
		v.tell(wrong, file, below)
	}
}

// compile makes a schema that counts how often it is used. Nothing is loaded that it may refer to elsewhere.
func (v *validation) compile(data []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(closed{})
	compiler.UseRegexpEngine(v.expression)
	const self = "setpoint:///" + schemaFile
	if err := compiler.AddResource(self, document); err != nil {
		return nil, err
	}
	schema, err := compiler.Compile(self)
	if err != nil {
		return nil, err
	}
	v.count(reflect.ValueOf(schema), map[*jsonschema.Schema]bool{})
	return schema, nil
}

// closed loads nothing but what Helm takes for any schema.
type closed struct{}

// Load implements jsonschema.URLLoader.
func (closed) Load(url string) (any, error) {
	if strings.HasPrefix(url, "urn:") {
		return true, nil
	}
	return nil, fmt.Errorf("it refers to %s, and nothing is fetched", url)
}

// count has every schema that one is made of take from what is left, each time that it is held against a value: a few of them that refer
// to each other in the right way would otherwise keep the library busy for ever.
func (v *validation) count(value reflect.Value, seen map[*jsonschema.Schema]bool) {
	switch value.Kind() {
	case reflect.Interface, reflect.Pointer:
		if value.IsNil() {
			return
		}
		if schema, ok := reflect.TypeAssert[*jsonschema.Schema](value); ok {
			if seen[schema] {
				return
			}
			seen[schema] = true
			schema.Format = v.counting(schema.Format)
		}
		v.count(value.Elem(), seen)
	case reflect.Struct:
		for field, held := range value.Fields() {
			if field.IsExported() {
				v.count(held, seen)
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			v.count(value.Index(i), seen)
		}
	case reflect.Map:
		for entry := value.MapRange(); entry.Next(); {
			v.count(entry.Value(), seen)
		}
	}
}

// counting is called for every value that a schema is held against, before anything else.
func (v *validation) counting(format *jsonschema.Format) *jsonschema.Format {
	counted := &jsonschema.Format{Validate: func(any) error { return nil }}
	if format != nil {
		*counted = *format
	}
	check := counted.Validate
	counted.Validate = func(value any) error {
		v.spend(1)
		return check(value)
	}
	return counted
}

func (v *validation) spend(n int64) {
	if v.left -= n; v.left < 0 {
		panic(refusal{"the schema takes too long to be held against the values"})
	}
}

// expression compiles a regular expression whose use counts by its size and that of the text.
func (v *validation) expression(pattern string) (jsonschema.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("a regular expression is longer than %d letters", maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(pattern)
	return countedExpression{Regexp: compiled, size: int64(len(program.Inst)), spend: v.spend}, err
}

type countedExpression struct {
	*regexp.Regexp

	size  int64
	spend func(int64)
}

// MatchString implements jsonschema.Regexp.
func (e countedExpression) MatchString(text string) bool {
	e.spend(e.size * int64(len(text)) / 1000)
	return e.Regexp.MatchString(text)
}

// tell says which fields are wrong, and where they have their values from.
func (v *validation) tell(wrong *jsonschema.ValidationError, file string, below []string) {
	english := message.NewPrinter(language.English)
	for _, leaf := range leaves(wrong, nil) {
		if len(v.errs) >= maxSchemaErrors {
			return
		}
		at := append(slices.Clone(below), leaf.InstanceLocation...)
		item := "values" + pointer(at)
		if from := origin(v.layers, at); from != "" {
			item += " of " + from
		}
		cause := leaf.ErrorKind.LocalizedString(english)
		v.errs = append(v.errs, fault.New(fault.Invalid, "check", item, cause).WithHint("see "+file))
	}
}

// leaves gives the errors that have no others for their cause.
func leaves(wrong *jsonschema.ValidationError, into []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(wrong.Causes) == 0 {
		return append(into, wrong)
	}
	for _, cause := range wrong.Causes {
		into = leaves(cause, into)
	}
	return into
}

// pointer writes a path as ".image.tag".
func pointer(path []string) string {
	var b strings.Builder
	for _, part := range path {
		b.WriteString("." + part)
	}
	return b.String()
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
