package host

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// Whoever may use a witness sees who changes what is watched; everybody else watches without it.
func TestEyesSeeWhereSomethingIsWatched(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	seeing := newEyes(root, log)
	hearing := newEars(root, seeing, log)
	t.Cleanup(func() {
		if err := errors.Join(hearing.Close(), seeing.Close(), root.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := hearing.Set("key", "/etc/file"); err != nil {
		t.Fatal(err)
	}
	if seeing == nil {
		return // nothing more is known of anybody, and watching works all the same
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if out, err := exec.CommandContext(t.Context(), "touch", filepath.Join(dir, "etc/file")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if who, _, ok := seeing.Who("/etc/file"); ok && who != "" {
			return
		}
	}
	t.Error("nobody is seen to change a file that is watched")
}
