package v1alpha1_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// TestReferenceSamplesAreValid decodes every YAML sample of the reference.
func TestReferenceSamplesAreValid(t *testing.T) {
	text, err := os.ReadFile("../../docs/kinds.md")
	if err != nil {
		t.Fatal(err)
	}
	samples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(samples) < 2 {
		t.Fatalf("%d samples", len(samples))
	}
	for _, sample := range samples {
		documents, err := document.Read(sample[1], "docs/kinds.md")
		if err != nil {
			t.Error(err)
		}
		for _, doc := range documents {
			if err := v1alpha1.Check(doc.Object, doc.Line); err != nil {
				t.Error(err)
			}
		}
	}
}
