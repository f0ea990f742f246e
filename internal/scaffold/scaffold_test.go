package scaffold_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/scaffold"
)

func TestRepositoriesNameWhatTheyAreFor(t *testing.T) {
	for _, system := range []string{scaffold.Host, scaffold.Kubernetes} {
		files, err := scaffold.Repository(system, "eu-1")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, file := range files {
			found[file.Path] = true
			if strings.Contains(file.Path+string(file.Content), "NAME") {
				t.Errorf("%s: %s holds the placeholder", system, file.Path)
			}
		}
		for _, want := range []string{".gitignore", "README.md", scaffold.Root(system, "eu-1") + "/syncs.yaml", "apps/hello/base/kustomization.yaml"} {
			if !found[want] {
				t.Errorf("%s: there is no %s", system, want)
			}
		}
	}
	if _, err := scaffold.Repository("mainframe", "x"); err == nil {
		t.Error("no error for a system that is not known")
	}
}

func place(t *testing.T, dir string, force bool, files ...scaffold.File) (string, error) {
	t.Helper()
	placed, err := scaffold.Place(dir, files, force)
	states := make([]string, len(placed))
	for i, one := range placed {
		states[i] = one.Path + " " + one.State
	}
	return strings.Join(states, ", "), err
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "repository")
	a, b := scaffold.File{Path: "a", Content: []byte("1")}, scaffold.File{Path: "x/y/b", Content: []byte("2"), Private: true}
	if got, err := place(t, dir, false, a, b); err != nil || got != "a written, x/y/b written" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := place(t, dir, false, a, b); err != nil || got != "a unchanged, x/y/b unchanged" {
		t.Errorf("again: %s, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "x/y/b")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a private file: %v, %v", info.Mode(), err)
	}
	changed := scaffold.File{Path: "a", Content: []byte("3")}
	c := scaffold.File{Path: "c", Content: []byte("4")}
	_, err := place(t, dir, false, c, changed)
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.HintOf(err), "--force") || read(t, dir, "c") != "" || read(t, dir, "a") != "1" {
		t.Errorf("in the way: %v; a is %q, c is %q", err, read(t, dir, "a"), read(t, dir, "c"))
	}
	if got, err := place(t, dir, true, c, changed); err != nil || got != "c written, a written" || read(t, dir, "a") != "3" {
		t.Errorf("forced: %s, %v", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if diff := cmp.Diff([]string{"a", "c", "x"}, names); diff != "" {
		t.Errorf("left over: %s", diff)
	}
}

func TestPlaceMakesAFilePrivateThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	secret := scaffold.File{Path: "a", Content: []byte("1"), Private: true}
	if got, err := place(t, dir, false, secret); err != nil || got != "a written" {
		t.Errorf("%s, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestPlaceFollowsNoLinkOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "b"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		if _, err := place(t, dir, force, scaffold.File{Path: "link/a", Content: []byte("1")}); err == nil {
			t.Errorf("force %t: written through a link", force)
		}
	}
	if _, err := place(t, dir, true, scaffold.File{Path: "b", Content: []byte("1")}); err != nil || read(t, outside, "b") != "" {
		t.Errorf("a link in the place of a file: %v, outside is %q", err, read(t, outside, "b"))
	}
}
