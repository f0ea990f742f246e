package v1alpha1_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// TestReferenceSamplesAreValid decodes every YAML sample of the reference.
func TestReferenceSamplesAreValid(t *testing.T) {
	shown := map[string]bool{}
	for _, page := range []string{"docs/signatures.md", "docs/kinds.md"} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		clear(shown)
		for _, sample := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
			documents, err := document.Read(sample[1], page)
			if err != nil {
				t.Error(err)
			}
			for _, doc := range documents {
				shown[doc.Object.Kind()] = true
				if err := v1alpha1.Check(doc.Object, doc.Line); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for _, kind := range v1alpha1.Kinds() {
		if !shown[kind] {
			t.Errorf("there is no sample of a %s", kind)
		}
	}
}

// TestReferenceNamesEveryField: a field that nobody reads about might as well not be there.
func TestReferenceNamesEveryField(t *testing.T) {
	text, err := os.ReadFile("../../docs/kinds.md")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(v1alpha1.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for kind, definition := range schema.Definitions {
		for _, name := range fieldsIn(definition) {
			if !regexp.MustCompile("`([a-zA-Z]+\\.)*" + name + "`|(?m:^|[{ ])" + name + ":").Match(text) {
				t.Errorf("%s: %s is not described", kind, name)
			}
		}
	}
}

// fieldsIn gives the names of the fields in a schema, but for those of metadata.
func fieldsIn(schema any) []string {
	var names []string
	s, _ := schema.(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	for name, property := range properties {
		if names = append(names, name); name != "metadata" {
			names = append(names, fieldsIn(property)...)
		}
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for _, property := range patterns {
		names = append(names, fieldsIn(property)...)
	}
	if items, ok := s["items"]; ok {
		names = append(names, fieldsIn(items)...)
	}
	return names
}
