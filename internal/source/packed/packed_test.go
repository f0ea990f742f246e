package packed_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func open(t *testing.T, dir string) *packed.Store {
	t.Helper()
	store, err := packed.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func create(t *testing.T, store *packed.Store, upstream string) *packed.Writer {
	t.Helper()
	w, err := store.Create(upstream, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	return w
}

func add(t *testing.T, w *packed.Writer, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		if err := w.File(files[i], 0o644, int64(len(files[i+1])), strings.NewReader(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t *testing.T, w *packed.Writer, id string) source.Artifact {
	t.Helper()
	a, err := w.Commit(state.Revision{ID: id, Ref: "ref-of-" + id})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func content(t *testing.T, a source.Artifact, path, want string) {
	t.Helper()
	if got, err := a.ReadFile(path); err != nil || string(got) != want {
		t.Fatalf("%s: got %q and %v, want %q", path, got, err, want)
	}
}

func packs(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAnArtifactIsAFileSystem(t *testing.T) {
	dir := t.TempDir()
	w := create(t, open(t, dir), "up")
	add(t, w, "b/c/d", "1", "a", strings.Repeat("a", 100_000), "b.c/e", "", "b/x", "2")
	if err := w.File("b/run", 0o755, 2, strings.NewReader("#!")); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"to-file": "b/c/d", "b/to-dir": "../b/c"} {
		if err := w.Link(link, target); err != nil {
			t.Fatal(err)
		}
	}
	committed := commit(t, w, "sha256:01")
	for name, a := range map[string]source.Artifact{"committed": committed, "loaded": open(t, dir).Load("sha256:01")} {
		t.Run(name, func(t *testing.T) {
			if err := fstest.TestFS(a, "a", "b/c/d", "b.c/e", "b/x", "b/run", "to-file", "b/to-dir"); err != nil {
				t.Error(err)
			}
			content(t, a, "b/to-dir/d", "1")
			if info, err := a.Stat("b/run"); err != nil || info.Mode() != 0o555 {
				t.Errorf("%v, %v", info, err)
			}
			if a.Revision().Ref != "ref-of-sha256:01" {
				t.Errorf("%+v", a.Revision())
			}
		})
	}
	info, err := os.Stat(packs(t, dir)[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	file := func(path string) func(*packed.Writer) error {
		return func(w *packed.Writer) error { return w.File(path, 0o644, 1, strings.NewReader("x")) }
	}
	link := func(path, target string) func(*packed.Writer) error {
		return func(w *packed.Writer) error { return w.Link(path, target) }
	}
	for name, test := range map[string]struct {
		do   func(*packed.Writer) error
		word string
	}{
		"absolute":            {file("/etc/passwd"), "/etc/passwd"},
		"upwards":             {file("a/../../x"), "a/../../x"},
		"not clean":           {file("a//x"), "a//x"},
		"root":                {file("."), "."},
		"empty":               {file(""), ""},
		"twice":               {file("there"), "there"},
		"over a directory":    {file("dir"), "dir"},
		"below a file":        {file("there/x"), "there"},
		"below a link":        {file("link/x"), "link"},
		"control characters":  {file("a\x1b[31m"), `\x1b`},
		"very long":           {file(strings.Repeat("a/", 60) + strings.Repeat("b", 5000)), "longer"},
		"very deep":           {file(strings.Repeat("a/", 200) + "x"), "deeper"},
		"link outside":        {link("dir/l", "../../x"), "../../x"},
		"link to the root":    {link("l", "/"), "/"},
		"link to nothing":     {link("l", ""), "l"},
		"link over a file":    {link("there", "dir"), "there"},
		"link below a link":   {link("link/x", "dir"), "link"},
		"device":              {func(w *packed.Writer) error { return w.File("d", fs.ModeDevice, 0, strings.NewReader("")) }, "d"},
		"longer than it says": {func(w *packed.Writer) error { return w.File("l", 0, 1, strings.NewReader("xx")) }, "longer"},
		"shorter":             {func(w *packed.Writer) error { return w.File("s", 0, 3, strings.NewReader("xx")) }, "shorter"},
		"negative":            {func(w *packed.Writer) error { return w.File("n", 0, -1, strings.NewReader("xx")) }, "size"},
		"huge":                {func(w *packed.Writer) error { return w.File("h", 0, 1<<40, strings.NewReader("xx")) }, "h has 1099511627776 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := create(t, open(t, dir), "up")
			add(t, w, "there", "1", "dir/x", "2", "DIR/x", "names that differ by case are two")
			if err := w.Link("link", "dir"); err != nil {
				t.Fatal(err)
			}
			err := test.do(w)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.word) {
				t.Errorf("%v of kind %s", err, fault.KindOf(err))
			}
			if a, err := w.Commit(state.Revision{ID: "1"}); err == nil || a != nil {
				t.Errorf("what was refused is committed")
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("there is left %v", left)
			}
		})
	}
}

// TestLinksAreFollowedInside: also one that stays inside as it is written, and leads outside through another.
func TestLinksAreFollowedInside(t *testing.T) {
	w := create(t, open(t, t.TempDir()), "up")
	add(t, w, "a/b/c/x", "1", "a/b/x", "2")
	for link, target := range map[string]string{
		"short": "a/b/c", "up/down": "../short/../x", "d/e/up": "../../a", "d/e/out": "up/../../x", "round": "about", "about": "round",
		"nowhere": "none",
	} {
		if err := w.Link(link, target); err != nil {
			t.Fatal(err)
		}
	}
	a := commit(t, w, "1")
	content(t, a, "up/down", "2") // short/.. is a/b, as the operating system has it
	for path, kind := range map[string]fault.Kind{"d/e/out": fault.Invalid, "round": fault.Invalid, "nowhere": fault.NotFound} {
		if _, err := a.ReadFile(path); fault.KindOf(err) != kind {
			t.Errorf("%s: %v of kind %s", path, err, fault.KindOf(err))
		}
	}
	if target, err := fs.ReadLink(a, "d/e/out"); err != nil || target != "up/../../x" {
		t.Errorf("%q, %v", target, err)
	}
}

func TestErrorsOfTheContentKeepTheirKind(t *testing.T) {
	w := create(t, open(t, t.TempDir()), "up")
	broken := fault.New(fault.Transient, "fetch", "https://example.com", "the server has stopped sending")
	err := w.File("a", 0o644, 10, io.MultiReader(strings.NewReader("abc"), errReader{broken}))
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestDigestsTellContentAlone(t *testing.T) {
	store := open(t, t.TempDir())
	one, two := create(t, store, "one"), create(t, store, "two")
	add(t, one, "a", "1", "b/c", "2")
	add(t, two, "b/c", "2", "a", "1")
	if one.Digest() != two.Digest() || one.Digest() == create(t, store, "").Digest() {
		t.Errorf("%s and %s", one.Digest(), two.Digest())
	}
	before := one.Digest()
	if err := one.File("run", 0o755, 1, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	add(t, two, "run", "x")
	if one.Digest() == two.Digest() || one.Digest() == before {
		t.Error("the executable bit is no part of it")
	}
}

func TestAStoreRemembersTwoOfEachUpstream(t *testing.T) {
	dir := t.TempDir()
	store := open(t, dir)
	var held source.Artifact
	for i, id := range []string{"sha256:01", "sha256:02", "sha256:03", "sha256:03"} {
		w := create(t, store, "up")
		add(t, w, "a", id)
		if a := commit(t, w, id); i == 0 {
			held = a
		}
	}
	other := create(t, store, "other")
	add(t, other, "a", "sha256:03") // the same content, by another name
	if _, err := other.Commit(state.Revision{ID: "sha256:03", Ref: "theirs"}); err != nil {
		t.Fatal(err)
	}
	content(t, held, "a", "sha256:01") // whoever reads it goes on
	for _, s := range []*packed.Store{store, open(t, dir)} {
		if s.Load("sha256:01") != nil || len(packs(t, dir)) != 2 {
			t.Errorf("there are %v", packs(t, dir))
		}
		content(t, s.Load("sha256:02"), "a", "sha256:02")
		content(t, s.Last("up"), "a", "sha256:03")
		if up, theirs := s.Last("up").Revision().Ref, s.Last("other").Revision().Ref; up != "ref-of-sha256:03" || theirs != "theirs" {
			t.Errorf("%s and %s", up, theirs)
		}
		if s.Last("nobody") != nil || s.Load("sha256:99") != nil {
			t.Error("there is something that was never committed")
		}
	}
}

// TestOneIDReadInTwoWays: a chart and an archive may be one file, of which one leaves out a directory.
func TestOneIDReadInTwoWays(t *testing.T) {
	store := open(t, t.TempDir())
	one, two := create(t, store, "one"), create(t, store, "two")
	add(t, one, "dir/a", "1")
	add(t, two, "a", "1")
	commit(t, one, "sha256:01")
	commit(t, two, "sha256:01")
	content(t, store.Last("one"), "dir/a", "1")
	content(t, store.Last("two"), "a", "1")
}

func TestAnyNameMayBeAnID(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []string{"../../x", "a/b", "", strings.Repeat("x", 1000), "v1.2.3+build", "SHA256:AB"} {
		w := create(t, open(t, dir), id)
		add(t, w, "a", id)
		commit(t, w, id)
		content(t, open(t, dir).Load(id), "a", id)
	}
}

// TestDamageIsNoticed flips and cuts: never is wrong content given.
func TestDamageIsNoticed(t *testing.T) {
	dir := t.TempDir()
	w := create(t, open(t, dir), "up")
	add(t, w, "a", strings.Repeat("content ", 100), "b", "short")
	commit(t, w, "sha256:01")
	name := packs(t, dir)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	check := func(damaged []byte) {
		t.Helper()
		if err := os.WriteFile(name, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		store := open(t, dir)
		a := store.Load("sha256:01")
		if a == nil {
			return
		}
		for path, want := range map[string]string{"a": strings.Repeat("content ", 100), "b": "short"} {
			got, err := a.ReadFile(path)
			switch {
			case err == nil && string(got) != want:
				t.Fatalf("%s: wrong content is given: %q", path, got)
			case err != nil && (fault.KindOf(err) != fault.Transient || !packed.Damaged(a) || store.Last("up") != nil):
				t.Fatalf("%v of kind %s, damaged: %v", err, fault.KindOf(err), packed.Damaged(a))
			}
		}
	}
	for i := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 1 << (i % 8)
		check(flipped)
	}
	for cut := range whole {
		check(whole[:cut])
	}
	check(append(slices.Clip(whole), 0))
	w = create(t, open(t, dir), "up") // what is committed again is whole again
	add(t, w, "a", strings.Repeat("content ", 100), "b", "short")
	commit(t, w, "sha256:01")
	content(t, open(t, dir).Last("up"), "b", "short")
	runtime.GC() // closes the many files
}

func TestWhatACrashLeavesIsRemoved(t *testing.T) {
	dir := t.TempDir()
	w := create(t, open(t, dir), "up")
	add(t, w, "a", "1")
	if err := os.WriteFile(filepath.Join(dir, "sha256-00.0.pack"), []byte("nobody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if left, _ := filepath.Glob(filepath.Join(dir, "*.[pt]*")); len(left) != 0 {
		t.Errorf("there is left %v", left)
	}
}
