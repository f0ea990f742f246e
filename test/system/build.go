package system

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is the product's binary, made once per test process.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// Binary builds the product, with the race detector when the tests have it, and gives the path of the binary.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() { built.dir, built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "setpoint")
}

func build() (string, error) {
	dir, err := os.MkdirTemp("", "setpoint-system-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // apps of other users run it too
		return dir, err
	}
	args := []string{"build", "-o", filepath.Join(dir, "setpoint")}
	if raceDetector {
		args = append(args, "-race")
	}
	command := exec.CommandContext(context.Background(), "go", append(args, "github.com/setpoint-dev/setpoint/cmd/setpoint")...)
	if output, err := command.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the product: %w\n%s", err, output)
	}
	return dir, nil
}
