// Package sourcetest is the conformance suite that every kind of upstream passes.
package sourcetest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Site is a place to pull from, with the means to change it as its authors would.
type Site interface {
	// Write adds or replaces files (path → content) and gives the new revision's ID.
	Write(files map[string]string) string
	// Delete removes files and gives the new revision's ID.
	Delete(paths ...string) string
	// Link adds a symbolic link and gives the new revision's ID.
	Link(path, target string) string
	// Rewrite replaces the newest revision by one that does not descend from it, and gives its ID.
	Rewrite(files map[string]string) string
	// Remove takes away the reference that the upstream follows.
	Remove()
	// Stop makes the server unreachable until Start.
	Stop()
	Start()
	// Upstream opens the upstream; all of one site work on the same folder.
	Upstream(limits source.Limits) source.Upstream
}

// Traits say what a kind of upstream lacks, or does more strictly than others. A site that has any gives them in a method
// Traits() Traits; one without that method has none.
type Traits struct {
	NoHistory   bool // its revisions have no author, message or time, and none descends from another: Rewrite is not called
	NoLinks     bool // it has no symbolic links: Link is not called
	StrictLinks bool // it refuses a whole revision in which a link leads outside, instead of the link when it is followed
	Extra       int  // bytes of a file that each of its revisions has by itself; 0 for none
}

func traitsOf(s Site) Traits {
	if with, ok := s.(interface{ Traits() Traits }); ok {
		return with.Traits()
	}
	return Traits{}
}

// Run checks an upstream. The function makes a new, empty site for each test.
func Run(t *testing.T, site func(*testing.T) Site) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Site){
		"AnArtifactIsAFileSystem":           isFileSystem,
		"AnUnchangedPullGivesKnownItself":   unchanged,
		"ANewRevisionIsFollowed":            followed,
		"HashesTellWhatChanged":             hashes,
		"WhatIsNotThereIsNotFound":          missing,
		"LinksStayInside":                   links,
		"LimitsRefuseAndNameWhat":           limits,
		"ARewrittenHistoryIsNoted":          rewritten,
		"ARemovedReferenceIsNotFound":       removed,
		"TheLastArtifactOutlivesTheServer":  outlives,
		"AnEndedContextEndsThePull":         ended,
		"ReadingAndPullingGoOnAtOnce":       concurrent,
		"KeysAreEqualForEqualUpstreams":     keys,
		"WhatWasThereComesBackAsItWas":      returns,
		"EmptyFilesAndOddNamesAreKept":      odd,
		"AnArtifactNeverChanges":            immutable,
		"AnEmptySiteIsNotFound":             empty,
		"AFileMayBecomeADirectoryAndReturn": becomes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, site(t))
		})
	}
}

// Pull pulls, which has to succeed.
func Pull(t *testing.T, u source.Upstream, known source.Artifact) (source.Artifact, source.Note) {
	t.Helper()
	a, note, err := u.Pull(context.Background(), known)
	if err != nil {
		t.Fatalf("%v (hint: %s)", err, fault.HintOf(err))
	}
	return a, note
}

// Refuse pulls, which has to fail with an error of a kind, and gives that.
func Refuse(t *testing.T, u source.Upstream, known source.Artifact, kind fault.Kind) error {
	t.Helper()
	a, _, err := u.Pull(context.Background(), known)
	if err == nil || a != nil {
		t.Fatalf("got %v and error %v, want an error of kind %s", a, err, kind)
	}
	if fault.KindOf(err) != kind {
		t.Fatalf("got an error of kind %s, want %s: %v", fault.KindOf(err), kind, err)
	}
	return err
}

func content(t *testing.T, a source.Artifact, path, want string) {
	t.Helper()
	got, err := a.ReadFile(path)
	if err != nil || string(got) != want {
		t.Fatalf("%s: got %q and error %v, want %q", path, got, err, want)
	}
}

func revision(t *testing.T, a source.Artifact, want string) {
	t.Helper()
	if got := a.Revision().ID; got != want {
		t.Fatalf("got revision %s, want %s", got, want)
	}
}

func isFileSystem(t *testing.T, s Site) {
	s.Write(map[string]string{
		"a.yaml": "a: 1\n", "apps/shop/b.yaml": "b: 2\n", "apps/shop/c.txt": strings.Repeat("c", 100_000), "apps-2/d": "d",
	})
	want := []string{"a.yaml", "apps/shop/b.yaml", "apps/shop/c.txt", "apps-2/d"}
	if !traitsOf(s).NoLinks {
		s.Link("apps/current", "shop")
		s.Link("apps/b.yaml", "shop/../../apps/shop/b.yaml")
		want = append(want, "apps/current", "apps/b.yaml")
	}
	a, _ := Pull(t, s.Upstream(source.DefaultLimits), nil)
	if err := fstest.TestFS(a, want...); err != nil {
		t.Fatal(err)
	}
	sub, err := fs.Sub(a, "apps/shop")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := fs.ReadFile(sub, "b.yaml"); err != nil || string(data) != "b: 2\n" {
		t.Fatalf("got %q and error %v", data, err)
	}
}

func unchanged(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.DefaultLimits)
	first, _ := Pull(t, u, nil)
	again, note := Pull(t, u, first)
	if again != first || note.Rewritten {
		t.Fatalf("got %p and %+v, want known itself, %p", again, note, first)
	}
}

func followed(t *testing.T, s Site) {
	one := s.Write(map[string]string{"a": "1", "b": "1"})
	u := s.Upstream(source.DefaultLimits)
	first, _ := Pull(t, u, nil)
	revision(t, first, one)
	two := s.Write(map[string]string{"a": "2"})
	second, note := Pull(t, u, first)
	revision(t, second, two)
	if note.Rewritten {
		t.Error("noted as rewritten")
	}
	content(t, second, "a", "2")
	content(t, second, "b", "1")
	content(t, first, "a", "1")
	r := second.Revision()
	if r.Ref == "" || !traitsOf(s).NoHistory && (r.Author == "" || r.Message == "" || r.Time.IsZero()) {
		t.Errorf("the revision does not say where it is from: %+v", r)
	}
	revision(t, u.Last(), two)
}

func immutable(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "1"})
	a, _ := Pull(t, s.Upstream(source.DefaultLimits), nil)
	data, err := a.ReadFile("a")
	if err != nil {
		t.Fatal(err)
	}
	data[0] = 'x'
	content(t, a, "a", "1")
}

func hashes(t *testing.T, s Site) {
	s.Write(map[string]string{"a/x": "1", "a/y": "1", "b/z": "1", "link/target": "1"})
	same := map[string]bool{"a/x": false, "a/y": true, "a": false, "b": true, "b/z": true, ".": false}
	if !traitsOf(s).NoLinks {
		s.Link("c/link", "../link/target")
		same["c/link"], same["c"] = false, false
	}
	u := s.Upstream(source.DefaultLimits)
	before, _ := Pull(t, u, nil)
	s.Write(map[string]string{"a/x": "2", "link/target": "2"})
	after, _ := Pull(t, u, before)
	for path, same := range same {
		one, ok1 := before.Hash(path)
		two, ok2 := after.Hash(path)
		if !ok1 || !ok2 || (one == two) != same {
			t.Errorf("%s: %q and %q, want equal: %v", path, one, two, same)
		}
	}
	for _, path := range []string{"none", "a/none", "a/x/none", "../a", "/a", ""} {
		if hash, ok := before.Hash(path); ok {
			t.Errorf("%q has the hash %q", path, hash)
		}
	}
}

func missing(t *testing.T, s Site) {
	s.Write(map[string]string{"a/x": "1"})
	a, _ := Pull(t, s.Upstream(source.DefaultLimits), nil)
	for _, path := range []string{"none", "a/none", "a/x/none"} {
		if _, err := a.Open(path); !errors.Is(err, fs.ErrNotExist) || fault.KindOf(err) != fault.NotFound {
			t.Errorf("open %s: %v of kind %s", path, err, fault.KindOf(err))
		}
		if _, err := a.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %s: %v", path, err)
		}
	}
	for _, path := range []string{"../x", "/a/x", "a/../a/x", "a//x", ""} {
		if _, err := a.Open(path); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("open %q: %v", path, err)
		}
	}
}

func rewritten(t *testing.T, s Site) {
	if traitsOf(s).NoHistory {
		return
	}
	s.Write(map[string]string{"a": "1"})
	s.Write(map[string]string{"a": "2"})
	u := s.Upstream(source.DefaultLimits)
	known, _ := Pull(t, u, nil)
	for i := range 3 { // several at once are no rewrite
		s.Write(map[string]string{"a": strings.Repeat("3", i+1)})
	}
	several, note := Pull(t, u, known)
	if note.Rewritten {
		t.Error("three commits are noted as rewritten")
	}
	other := s.Rewrite(map[string]string{"a": "other"})
	after, note := Pull(t, u, several)
	revision(t, after, other)
	if !note.Rewritten || note.From.ID != several.Revision().ID {
		t.Errorf("got %+v, want rewritten from %s", note, several.Revision().ID)
	}
	content(t, after, "a", "other")
	if _, note := Pull(t, u, after); note.Rewritten {
		t.Error("noted again")
	}
}

func keys(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "1"})
	one, two := s.Upstream(source.DefaultLimits), s.Upstream(source.DefaultLimits)
	if one.Key() != two.Key() || one.Key() == "" || one.String() == "" {
		t.Errorf("keys %q and %q, text %q", one.Key(), two.Key(), one)
	}
}

// returns goes back to content that an older revision had and the known one does not: it must be fetched again.
func returns(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "first", "b": "1"})
	s.Write(map[string]string{"a": "second"})
	u := s.Upstream(source.DefaultLimits)
	known, _ := Pull(t, u, nil)
	s.Write(map[string]string{"a": "first"})
	after, _ := Pull(t, u, known)
	content(t, after, "a", "first")
	content(t, after, "b", "1")
}

func odd(t *testing.T, s Site) {
	files := map[string]string{"empty": "", "with space": "1", "ünï/cödé": "2", "-dash": "3", "a.b/c.d": "4", "quote'": "5"}
	s.Write(files)
	a, _ := Pull(t, s.Upstream(source.DefaultLimits), nil)
	for path, want := range files {
		content(t, a, path, want)
	}
}

func empty(t *testing.T, s Site) {
	_ = Refuse(t, s.Upstream(source.DefaultLimits), nil, fault.NotFound)
}

func becomes(t *testing.T, s Site) {
	s.Write(map[string]string{"a": "file", "keep": "1"})
	u := s.Upstream(source.DefaultLimits)
	known, _ := Pull(t, u, nil)
	s.Delete("a")
	s.Write(map[string]string{"a/b": "below"})
	known, _ = Pull(t, u, known)
	content(t, known, "a/b", "below")
	s.Delete("a/b")
	s.Write(map[string]string{"a": "file"})
	known, _ = Pull(t, u, known)
	content(t, known, "a", "file")
}
