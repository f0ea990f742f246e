package agent

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// documented gives spec.health of each sample of docs/health.md, decoded as a declaration is.
func documented(t *testing.T) [][]v1alpha1.HealthCheck {
	t.Helper()
	text, err := os.ReadFile("../../docs/health.md")
	if err != nil {
		t.Fatal(err)
	}
	var samples [][]v1alpha1.HealthCheck
	for _, sample := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
		documents, err := document.Read(sample[1], "docs/health.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range documents {
			sync, err := v1alpha1.DecodeSync(one.Object)
			if err != nil {
				t.Errorf("%s: %v", sample[1], err)
				continue
			}
			samples = append(samples, sync.Spec.Health)
		}
	}
	return samples
}

// What the documentation shows compiles, and says what the documentation says that it says.
func TestDocumentedHealth(t *testing.T) {
	samples := documented(t)
	if len(samples) != 4 {
		t.Fatalf("%d samples, want those of a custom resource, of known kinds, of probes and of objects", len(samples))
	}
	custom := state.ID{Group: "example.com", Kind: "Database", Name: "main"}
	web := state.ID{Group: "apps", Kind: "Deployment", Name: "web"}
	settings := state.ID{Kind: "ConfigMap", Name: "web-settings"}
	for _, test := range []struct {
		sample int
		id     state.ID
		object string
		want   state.HealthStatus // "": left to the target
	}{
		{0, custom,
			`{metadata: {generation: 2}, spec: {members: 3}, status: {phase: Running, readyMembers: 3, observedGeneration: 2}}`,
			state.Healthy},
		{0, custom,
			`{metadata: {generation: 3}, spec: {members: 3}, status: {phase: Running, readyMembers: 3, observedGeneration: 2}}`,
			state.Progressing},
		{0, custom,
			`{metadata: {generation: 2}, spec: {members: 3}, status: {phase: Running, readyMembers: 2, observedGeneration: 2}}`,
			state.Progressing},
		{0, custom,
			`{metadata: {generation: 2}, spec: {members: 3}, status: {phase: Failed}}`, state.Degraded},
		{0, custom, `{metadata: {generation: 1}, spec: {members: 3}}`, state.Progressing},
		{0, web, `{}`, ""},
		{1, web, `{spec: {replicas: 4}, status: {availableReplicas: 2}}`, state.Healthy},
		{1, web, `{spec: {replicas: 4}, status: {availableReplicas: 1}}`, state.Progressing},
		{1, state.ID{Group: "apps", Kind: "Deployment", Name: "other"}, `{spec: {replicas: 4}}`, ""},
		{1, settings, `{data: {broken: "yes"}}`, state.Degraded},
		{1, settings, `{}`, ""},
	} {
		assess, err := assessor(samples[test.sample])
		if err != nil {
			t.Fatal(err)
		}
		object, err := document.Read([]byte("apiVersion: v1\nkind: X\n"+blockOf(t, test.object)), "sample")
		if err != nil {
			t.Fatal(err)
		}
		got, said := assess(test.id, object[0].Object.Content)
		reason := reasonHealthRule
		if test.sample == 0 && !strings.Contains(test.object, "status") {
			reason = reasonHealthRuleFailed
		}
		if got.Status != test.want || said != (test.want != "") || said && got.Reason != reason {
			t.Errorf("%s of sample %d with %s: %+v, want %q", test.id, test.sample, test.object, got, test.want)
		}
	}
	if got := len(probe.All(samples[2])); got != 3 {
		t.Errorf("the sample of probes has %d", got)
	}
	if got := len(checkedObjects(samples[3])); got != 2 {
		t.Errorf("the sample of objects has %d", got)
	}
}

// blockOf writes an object in braces as lines.
func blockOf(t *testing.T, object string) string {
	t.Helper()
	var content map[string]any
	if err := yaml.Unmarshal([]byte(object), &content); err != nil {
		t.Fatal(err)
	}
	if content["metadata"] == nil {
		content["metadata"] = map[string]any{}
	}
	content["metadata"].(map[string]any)["name"] = "x"
	lines, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(lines)) + "\n"
}
