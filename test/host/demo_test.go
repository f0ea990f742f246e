package host_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestDemo: the tour goes through, and leaves neither files nor processes behind.
func TestDemo(t *testing.T) {
	temporary := host.OpenDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), system.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, system.Binary(t), "demo", "--auto")
	command.Env = []string{"HOME=" + temporary, "TMPDIR=" + temporary, "PATH=" + os.Getenv("PATH")}
	output, err := command.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(output), "all 6 steps did what they said") {
		t.Error("it does not say that every step worked")
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range commands {
		if line, err := os.ReadFile(name); err == nil && strings.Contains(string(line), temporary) {
			t.Errorf("still running: %s", strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
}
