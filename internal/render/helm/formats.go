package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"sigs.k8s.io/yaml"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"

	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// formats are Helm's functions that read and write YAML, JSON and TOML. Those named must… fail; the others give the error as a value, or
// nothing, as Helm's do.
var formats = template.FuncMap{
	"toYaml":        orEmpty(toYAML),
	"mustToYaml":    toYAML,
	"toYamlPretty":  orEmpty(toYAMLPretty),
	"toJson":        orEmpty(toJSON),
	"mustToJson":    toJSON,
	"toToml":        orMessage(toTOML),
	"mustToToml":    toTOML,
	"fromYaml":      mapping(fromYAML),
	"fromYamlArray": sequence(fromYAML),
	"fromJson":      mapping(json.Unmarshal),
	"fromJsonArray": sequence(json.Unmarshal),
	"fromToml":      mapping(toml.Unmarshal),
}

func toYAML(value any) (string, error) {
	data, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(data), "\n"), err
}

func toYAMLPretty(value any) (string, error) {
	var data bytes.Buffer
	encoder := goyaml.NewEncoder(&data)
	encoder.SetIndent(2)
	err := encoder.Encode(value)
	return strings.TrimSuffix(data.String(), "\n"), err
}

func toJSON(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}

func toTOML(value any) (string, error) {
	var data bytes.Buffer
	err := toml.NewEncoder(&data).Encode(value)
	return data.String(), err
}

// fromYAML reads YAML whose aliases expand to a bounded number of values.
func fromYAML(data []byte, into any) error {
	if err := document.Bounded(data, ""); err != nil {
		return refusal{fmt.Sprintf("the aliases of a YAML text expand to more than %d values", document.MaxAliased)}
	}
	return yaml.Unmarshal(data, into)
}

func orEmpty(write func(any) (string, error)) func(any) string {
	return func(value any) string {
		text, err := write(value)
		if err != nil {
			return ""
		}
		return text
	}
}

func orMessage(write func(any) (string, error)) func(any) string {
	return func(value any) string {
		text, err := write(value)
		if err != nil {
			return err.Error()
		}
		return text
	}
}

// mapping reads a text as a mapping. What is wrong with it is its value "Error".
func mapping(read func([]byte, any) error) func(string) map[string]any {
	return func(text string) map[string]any {
		values := map[string]any{}
		if err := read([]byte(text), &values); err != nil {
			refuse(err)
			if values == nil {
				values = map[string]any{}
			}
			values["Error"] = err.Error()
		}
		return values
	}
}

// sequence reads a text as a list. What is wrong with it is its only item.
func sequence(read func([]byte, any) error) func(string) []any {
	return func(text string) []any {
		values := []any{}
		if err := read([]byte(text), &values); err != nil {
			refuse(err)
			return []any{err.Error()}
		}
		return values
	}
}

// refuse ends a template by a refusal, which no chart may pass over.
func refuse(err error) {
	if _, ok := err.(refusal); ok { //nolint:errorlint // it is never wrapped here
		panic(err)
	}
}
