package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
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
