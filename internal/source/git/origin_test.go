package git_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/source/git"
)

// TestOriginOf: a directory is from the commit whose content it has, whatever else the work tree holds.
func TestOriginOf(t *testing.T) {
	dir := t.TempDir()
	if origin, err := git.OriginOf(dir, ".", os.DirFS(dir)); origin != nil || err != nil {
		t.Fatalf("without a repository: got %+v and error %v", origin, err)
	}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	commit, err := git.Commit(dir, map[string][]byte{"base/a": []byte("1"), "base/b/c": []byte("2"), "other": []byte("3")},
		"Say it\n\nand more", git.Authorship{Name: "Ada", Mail: "ada@example.com", When: when})
	if err != nil {
		t.Fatal(err)
	}
	base := os.DirFS(filepath.Join(dir, "base"))
	look := func(dirty bool) {
		t.Helper()
		origin, err := git.OriginOf(dir, "base", base)
		if err != nil {
			t.Fatal(err)
		}
		want := git.Origin{Commit: commit, Author: "Ada <ada@example.com>", Subject: "Say it", Time: when, Dirty: dirty}
		if *origin != want {
			t.Errorf("got %+v, want %+v", *origin, want)
		}
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look(false)
	write("other", "elsewhere")
	look(false)
	write("base/b/c", "changed")
	look(true)
	write("base/b/c", "2")
	look(false)
	write("base/new", "")
	look(true)
	if err := os.Remove(filepath.Join(dir, "base/new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "base/a")); err != nil {
		t.Fatal(err)
	}
	look(true)
}
