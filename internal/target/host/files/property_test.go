package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// disturbances are what somebody may do to a path, whatever is there.
var disturbances = map[string]func(path string) error{
	"edit":      func(path string) error { return os.WriteFile(path, []byte("tampered"), 0o600) },
	"same size": func(path string) error { return os.WriteFile(path, []byte("DECLARED"), 0o600) },
	"append": func(path string) error {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = file.WriteString("more")
		return err
	},
	"chmod":  func(path string) error { return os.Chmod(path, 0o711) },
	"chown":  func(path string) error { return os.Lchown(path, 4711, 4712) },
	"delete": os.RemoveAll,
	"link": func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.Symlink("/somewhere", path)
	},
	"directory": func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	},
	"file": func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return os.WriteFile(path, []byte("declared"), 0o606)
	},
	"rename over": func(path string) error {
		other := filepath.Join(filepath.Dir(path), "other")
		if err := os.WriteFile(other, []byte("renamed!"), 0o644); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(other) }()
		return os.Rename(other, path)
	},
}

// Whatever is done to what is owned, it shows as a difference and is put right; comparing twice says the same; and what nobody touched
// is no difference.
func TestEveryDisturbanceIsSeenAndPutRight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHost(t)
		conf := directory("conf", "/conf")
		all := []*state.Object{
			conf, file("one", "/conf/one", "declared"), file("two", "/conf/two", "declared"), link("to", "/conf/to", "one"), directory("sub", "/conf/sub"),
		}
		paths := []string{"conf/one", "conf/two", "conf/to", "conf/sub"}
		for _, want := range all {
			h.put(want)
		}
		declared := fmt.Sprint(h.tree())
		names := rapid.Permutation([]string{
			"edit", "same size", "append", "chmod", "chown", "delete", "link", "directory", "file", "rename over",
		}).Draw(rt, "disturbances")
		for _, name := range names {
			path := rapid.SampledFrom(paths).Draw(rt, "path")
			if err := disturbances[name](h.path(path)); err != nil {
				continue // it is no file at this moment, or nobody but root may
			}
			if rapid.Bool().Draw(rt, "one more before the repair") {
				continue
			}
			differences := 0
			for _, want := range all {
				first := h.compare(want)
				second := h.compare(want)
				if first.Err != nil || first.Op != second.Op || fmt.Sprint(first.Fields) != fmt.Sprint(second.Fields) {
					rt.Fatalf("%s: %+v, and then %+v", first.ID, first, second)
				}
				if first.Op != diff.None {
					differences++
					h.put(want)
				}
			}
			if now := fmt.Sprint(h.tree()); now != declared {
				rt.Fatalf("after %s of %s and %d repairs it is\n%s, want\n%s", name, path, differences, now, declared)
			}
		}
	})
}

// Two edits within one tick of the clock, of the same length: the second must not hide behind the first.
func TestQuickEditsAreSeen(t *testing.T) {
	h := newHost(t)
	want := file("it", "/it", "declared")
	h.put(want)
	for i := range 200 {
		h.must(os.WriteFile(h.path("it"), []byte("declared"), 0o600))
		h.equal(want)
		h.must(os.WriteFile(h.path("it"), []byte("DECLARED"), 0o600))
		if entry := h.compare(want); entry.Op != diff.Update {
			t.Fatalf("edit %d is not seen: %+v", i, entry)
		}
	}
}
