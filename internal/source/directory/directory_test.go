package directory_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, data := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t *testing.T, dir string) *directory.Artifact {
	t.Helper()
	artifact, err := directory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = artifact.Close() })
	return artifact
}

func TestIsAFileSystem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": "a", "sub/b.yaml": "b"})
	if err := fstest.TestFS(open(t, dir), "a.yaml", "sub/b.yaml"); err != nil {
		t.Fatal(err)
	}
}

func TestHashIsOfTheContent(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	write(t, one, map[string]string{"a/x": "1", "b/y": "2"})
	write(t, two, map[string]string{"a/x": "1", "b/y": "3"})
	before, after := open(t, one), open(t, two)
	for path, same := range map[string]bool{".": false, "a": true, "a/x": true, "b": false, "b/y": false} {
		x, ok := before.Hash(path)
		y, _ := after.Hash(path)
		if !ok || (x == y) != same {
			t.Errorf("%s: %q and %q", path, x, y)
		}
	}
	if _, ok := before.Hash("c"); ok {
		t.Error("a path that is not there has a hash")
	}
}

func TestLinksStayInside(t *testing.T) {
	outer := t.TempDir()
	write(t, outer, map[string]string{"secret": "s", "in/a/x": "1"})
	dir := filepath.Join(outer, "in")
	for name, target := range map[string]string{"near": "a", "up": "../secret", "far": "/etc/hostname"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	artifact := open(t, dir)
	if data, err := artifact.ReadFile("near/x"); err != nil || string(data) != "1" {
		t.Errorf("near/x: %q, %v", data, err)
	}
	for _, name := range []string{"up", "far"} {
		if _, err := artifact.ReadFile(name); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnclosingFindsTheRepository(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"repo/.git/HEAD": "", "repo/apps/web/a.yaml": "", "loose/b.yaml": ""})
	for name, want := range map[string]string{
		"repo/apps/web": "apps/web", "repo": ".", "repo/apps/web/a.yaml": "apps/web/a.yaml", "loose/b.yaml": "b.yaml",
	} {
		artifact, inside, err := directory.Enclosing(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if inside != want {
			t.Errorf("%s is at %q", name, inside)
		}
		_ = artifact.Close()
	}
	if _, _, err := directory.Enclosing(filepath.Join(dir, "nowhere")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a path that is not there: %v", err)
	}
}

func TestHugeFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "huge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(200 << 20); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	if _, err := open(t, dir).ReadFile("huge.yaml"); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("a file of 200 MiB: %v", err)
	}
}
