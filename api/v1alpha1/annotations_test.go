package v1alpha1_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestHookAnnotationsAreChecked(t *testing.T) {
	const hook = "setpoint.dev/hook: pre\n"
	for _, test := range []struct {
		annotations string
		wrong       string // the annotation that is refused
	}{
		{hook, ""}, {"setpoint.dev/hook: main", ""}, {"setpoint.dev/hook: post", ""}, {"setpoint.dev/hook: fail", ""},
		{"setpoint.dev/hook: Pre", "setpoint.dev/hook"}, {"setpoint.dev/hook: pre,post", "setpoint.dev/hook"},
		{"setpoint.dev/hook: skip", "setpoint.dev/hook"},
		{hook + "setpoint.dev/hook-runs: always", ""}, {hook + "setpoint.dev/hook-runs: once", "setpoint.dev/hook-runs"},
		{hook + "setpoint.dev/hook-delete: before,succeeded, failed", ""}, {hook + "setpoint.dev/hook-delete: never", ""},
		{hook + "setpoint.dev/hook-delete: never,failed", "setpoint.dev/hook-delete"},
		{hook + "setpoint.dev/hook-delete: before,", "setpoint.dev/hook-delete"},
		{hook + "setpoint.dev/hook-timeout: 1h30m", ""}, {hook + "setpoint.dev/hook-timeout: 0s", "setpoint.dev/hook-timeout"},
		{hook + "setpoint.dev/hook-timeout: -1m", "setpoint.dev/hook-timeout"}, {hook + "setpoint.dev/hook-timeout: 10", ""},
		{"setpoint.dev/hook-runs: always", "setpoint.dev/hook-runs"}, {"setpoint.dev/hook-delete: never", "setpoint.dev/hook-delete"},
		{"helm.sh/hook: pre-install\nsetpoint.dev/hook-runs: always", ""},
		{"argocd.argoproj.io/hook: PreSync, PostSync", ""}, {"argocd.argoproj.io/hook: presync", "argocd.argoproj.io/hook"},
		{"argocd.argoproj.io/hook-delete-policy: HookSucceeded,BeforeHookCreation", ""},
		{"argocd.argoproj.io/hook-delete-policy: BeforeHook", "argocd.argoproj.io/hook-delete-policy"},
		{"argocd.argoproj.io/sync-wave: '-5'", ""}, {"argocd.argoproj.io/sync-wave: '5.5'", "argocd.argoproj.io/sync-wave"},
		{"helm.sh/hook: Pre-Install, crd-install,test", ""}, {"helm.sh/hook: preinstall", "helm.sh/hook"},
		{"helm.sh/hook-delete-policy: Before-Hook-Creation", ""}, {"helm.sh/hook-delete-policy: always", "helm.sh/hook-delete-policy"},
		{"helm.sh/hook: test\nhelm.sh/hook-weight: ten", "helm.sh/hook-weight"}, {"helm.sh/hook-weight: ten", ""},
	} {
		text := "kind: Job\napiVersion: batch/v1\nmetadata:\n  name: a\n  annotations:\n    " +
			strings.ReplaceAll(strings.TrimSpace(test.annotations), "\n", "\n    ") + "\n"
		documents, err := document.Read([]byte(text), "a.yaml")
		if err != nil {
			t.Fatal(err)
		}
		err = v1alpha1.Check(documents[0].Object, documents[0].Line)
		switch line := "a.yaml:7"; {
		case test.wrong == "" && err == nil:
		case test.wrong == "" || err == nil:
			t.Errorf("%q: %v, want an error of %q", test.annotations, err, test.wrong)
		default:
			if !strings.Contains(test.annotations, "\n") {
				line = "a.yaml:6"
			}
			if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" || !strings.Contains(err.Error(), line+": annotation "+test.wrong+":") {
				t.Errorf("%q: %v, want one at %s about %s", test.annotations, err, line, test.wrong)
			}
		}
	}
}

func TestUnknownAnnotationsOfSetpointAreRefused(t *testing.T) {
	const others = "its annotations are setpoint.dev/wave, setpoint.dev/prune, setpoint.dev/drift, setpoint.dev/force, setpoint.dev/hook, " +
		"setpoint.dev/hook-runs, setpoint.dev/hook-delete, setpoint.dev/hook-timeout and setpoint.dev/substitute"
	for name, hint := range map[string]string{
		"setpoint.dev/hooks":        "did you mean setpoint.dev/hook?",
		"setpoint.dev/Hook":         "did you mean setpoint.dev/hook?",
		"Setpoint.dev/hook":         "did you mean setpoint.dev/hook?",
		"host.setpoint.dev/hook":    "did you mean setpoint.dev/hook?",
		"setpoint.dev/hook-timeut":  "did you mean setpoint.dev/hook-timeout?",
		"setpoint.dev/prunes":       "did you mean setpoint.dev/prune?",
		"host.setpoint.dev/waves":   "did you mean setpoint.dev/wave?",
		"setpoint.dev/something":    others,
		"setpoint.dev/":             others,
		"setpoint.dev":              others,
		"setpoint.dev/hook-run":     "remove it: the agent writes it",
		"setpoint.dev/owner":        "remove it: the agent writes it",
		"setpoint.dev.example/hook": "",
		"notsetpoint.dev/hook":      "",
		"example.com/setpoint.dev":  "",
	} {
		for _, value := range []string{"pre", "''", "1"} {
			text := "kind: Job\napiVersion: batch/v1\nmetadata:\n  name: a\n  annotations:\n    example.com/a: b\n    " + name + ": " + value + "\n"
			documents, err := document.Read([]byte(text), "a.yaml")
			if err != nil {
				t.Fatal(err)
			}
			err = v1alpha1.Check(documents[0].Object, documents[0].Line)
			if hint == "" && err == nil {
				continue
			}
			if err == nil || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) != hint ||
				!strings.Contains(err.Error(), "a.yaml:7: annotation "+name+": ") {
				t.Errorf("%s: %s: %v with hint %q, want one at a.yaml:7 with hint %q", name, value, err, fault.HintOf(err), hint)
			}
		}
	}
}

// TestAnnotationsAreDocumented: the table of docs/kinds.md has all that a declaration may have, and nothing else.
func TestAnnotationsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/kinds.md")
	if err != nil {
		t.Fatal(err)
	}
	object := state.NewObject(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{
		"name": "a", "annotations": map[string]any{"setpoint.dev/something": ""},
	}}, state.Origin{})
	known := regexp.MustCompile(`setpoint\.dev/[a-z-]+`).FindAllString(fault.HintOf(v1alpha1.Check(object, nil)), -1)
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(setpoint\\.dev/[a-z-]+)` \\|").FindAllSubmatch(page, -1) {
		rows = append(rows, string(row[1]))
	}
	if len(known) == 0 || !slices.Equal(rows, known) {
		t.Errorf("the table has %q, and known are %q", rows, known)
	}
}
