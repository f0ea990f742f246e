package tools_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/tools"
)

// TestPath: each program runs, and says the version that is pinned.
func TestPath(t *testing.T) {
	for name, want := range map[string]struct{ args, version string }{
		"registry":  {"--version", "registry"},
		"helm":      {"version --short", "v4."},
		"kustomize": {"version", "v5."},
	} {
		out, err := exec.CommandContext(t.Context(), tools.Path(t, name), strings.Fields(want.args)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want.version) {
			t.Errorf("%s %s: %v, %s", name, want.args, err, out)
		}
	}
}
