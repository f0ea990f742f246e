package oci

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/test/registry"
)

// folder is what tests release.
func folder(content string) fstest.MapFS {
	return fstest.MapFS{
		"a.yaml": {Data: []byte(content)}, "deep/run.sh": {Data: []byte("#!/bin/sh"), Mode: 0o755},
		"deep/link": {Data: []byte("../a.yaml"), Mode: fs.ModeSymlink}, ".git/HEAD": {Data: []byte("ref: refs/heads/main")},
	}
}

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestPushTwice: the same content is the same artifact, in another registry too, and is sent once; a version does not move.
func TestPushTwice(t *testing.T) {
	ctx := t.Context()
	one, two := open(t, registry.Start(t).Name("fleet/base")), open(t, registry.Start(t).Name("base"))
	opts := PushOptions{Version: "1.4.0", Tags: []string{"latest"}, Created: created, Annotations: map[string]string{"b": "2", "a": "1"}}
	first, err := one.Push(ctx, folder("1"), opts)
	if err != nil || !first.Uploaded || len(first.Tags) != 1 {
		t.Fatalf("got %+v and error %v", first, err)
	}
	again, err := one.Push(ctx, folder("1"), opts)
	if err != nil || again.Uploaded || len(again.Tags) != 0 || again.Digest != first.Digest {
		t.Errorf("got %+v and error %v, want %s", again, err, first.Digest)
	}
	elsewhere, err := two.Push(ctx, folder("1"), opts)
	if err != nil || elsewhere.Digest != first.Digest {
		t.Errorf("got %+v and error %v, want %s", elsewhere, err, first.Digest)
	}
	if moved, err := one.Push(ctx, folder("2"), opts); fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("got %+v and error %v, want a conflict", moved, err)
	}
	opts.Force = true
	forced, err := one.Push(ctx, folder("2"), opts)
	if err != nil || forced.Digest == first.Digest || len(forced.Tags) != 1 {
		t.Errorf("got %+v and error %v", forced, err)
	}
	for _, tag := range []string{"", "no tag", strings.Repeat("a", 200)} {
		if _, err := one.Push(ctx, folder("1"), PushOptions{Version: tag}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: got error %v", tag, err)
		}
	}
}

func TestTagAndList(t *testing.T) {
	ctx := t.Context()
	repo := open(t, registry.Start(t).Name("fleet/base"))
	if list, _, err := repo.List(ctx); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v and error %v for an empty registry", list, err)
	}
	digests := map[string]string{}
	for _, version := range []string{"1.9.0", "1.10.0", "1.10.0-rc.1+build"} {
		pushed, err := repo.Push(ctx, folder(version), PushOptions{
			Version: version, Created: created, Annotations: map[string]string{ocispec.AnnotationRevision: "abc", AnnotationDirty: "true"},
		})
		if err != nil {
			t.Fatal(err)
		}
		digests[version] = string(pushed.Digest)
	}
	for range 2 {
		if _, _, err := repo.At("1.9.0").Tag(ctx, "stable", false); err != nil {
			t.Fatal(err)
		}
	}
	if _, moved, err := repo.At("1.10.0").Tag(ctx, "stable", false); err != nil || !moved {
		t.Errorf("moved %v, error %v", moved, err)
	}
	if _, _, err := repo.At("1.10.0").Tag(ctx, "1.9.0", false); fault.KindOf(err) != fault.Conflict {
		t.Errorf("got error %v, want a conflict", err)
	}
	if _, _, err := repo.At("9.9.9").Tag(ctx, "stable", false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got error %v", err)
	}
	list, more, err := repo.List(ctx)
	if err != nil || more != 0 {
		t.Fatalf("%d more, error %v", more, err)
	}
	var tags []string
	for _, one := range list {
		tags = append(tags, one.Tag)
		if !one.Created.Equal(created) || one.Revision != "abc" || !one.Dirty || one.Signed {
			t.Errorf("got %+v", one)
		}
	}
	if got := strings.Join(tags, " "); got != "1.10.0 1.10.0-rc.1_build 1.9.0 stable" {
		t.Errorf("got %s", got)
	}
	if string(list[3].Digest) != digests["1.10.0"] {
		t.Errorf("stable leads to %s", list[3].Digest)
	}
}

func TestPullIntoDirectory(t *testing.T) {
	ctx := t.Context()
	repo := open(t, registry.Start(t).Name("fleet/base"))
	pushed, err := repo.Push(ctx, folder("1"), PushOptions{Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new", "folder")
	revision, err := repo.At("1.0.0").Pull(ctx, dir, Options{Options: packed.Options{Getenv: none}}, false)
	if err != nil || revision.ID != string(pushed.Digest) {
		t.Fatalf("got %+v and error %v", revision, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "deep/link")); err != nil || string(text) != "1" {
		t.Errorf("got %q and error %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "deep/run.sh")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("got %v and error %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		t.Error("Git's files were packed")
	}
	if _, err := repo.At("1.0.0").Pull(ctx, dir, Options{Options: packed.Options{Getenv: none}}, false); fault.KindOf(err) != fault.Conflict {
		t.Errorf("got error %v for a folder that is not empty", err)
	}
	// A link that lies there is replaced, not written through.
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.At(string(pushed.Digest)).Pull(ctx, dir, Options{Options: packed.Options{Getenv: none}}, true); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "mine" {
		t.Errorf("%q was written through a link, error %v", text, err)
	}
	inTheWay(t, repo.At("1.0.0"))
}

// What cannot be replaced is refused before anything is written or deleted.
func inTheWay(t *testing.T, repo *Repository) {
	t.Helper()
	write := func(name string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("mine"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.Symlink(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, put := range map[string]func(dir string){
		"a link out of the folder for a directory": func(dir string) { write(dir + "-outside/keep"); link(dir+"-outside", dir+"/deep") },
		"a link inside of it for a directory":      func(dir string) { write(dir + "/other/keep"); link("other", dir+"/deep") },
		"a link that leads nowhere":                func(dir string) { link("nowhere", dir+"/deep") },
		"a file for a directory":                   func(dir string) { write(dir + "/deep") },
		"a directory for a file":                   func(dir string) { write(dir + "/a.yaml/keep") },
		"a folder that is a link to nowhere":       func(dir string) { link("nowhere", dir) },
		"a folder that is a file":                  func(dir string) { write(dir) },
	} {
		dir := filepath.Join(t.TempDir(), "dir")
		put(dir)
		before := listing(t, filepath.Dir(dir))
		_, err := repo.Pull(t.Context(), dir, Options{Options: packed.Options{Getenv: none}}, true)
		if fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
			t.Errorf("%s: got error %v of kind %s", name, err, fault.KindOf(err))
		}
		if after := listing(t, filepath.Dir(dir)); !slices.Equal(before, after) {
			t.Errorf("%s: there was %q, and now is %q", name, before, after)
		}
	}
}

// listing gives the names below a directory.
func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

// follower opens an upstream with a folder of its own.
func follower(t *testing.T, spec v1alpha1.OCISource, opts Options) source.Upstream {
	t.Helper()
	u, err := New(spec, withStore(t, opts))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func withStore(t *testing.T, opts Options) Options {
	t.Helper()
	store, err := packed.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	opts.Store = store
	if opts.Getenv == nil {
		opts.Getenv = none
	}
	return opts
}

func TestChart(t *testing.T) {
	r := registry.Start(t)
	repo := open(t, r.Name("charts/shop"))
	chart := part{chartType, sourcetest.TarGzOf(t, map[string]string{"shop/Chart.yaml": "name: shop", "shop/templates/a.yaml": "a"})}
	for _, version := range []string{"6.3.5", "6.6.1_b.1", "7.0.0-rc.1"} {
		repo.release(t, version, nil, chart, part{provenanceType, []byte("provenance of " + version)})
	}
	for version, ref := range map[string]string{"": "6.6.1+b.1", "6.3.x": "6.3.5", "6.6.1+b.1": "6.6.1+b.1", "7.0.0-rc.1": "7.0.0-rc.1"} {
		u, err := NewChart(v1alpha1.HelmSource{URL: r.Name("charts"), Chart: "shop", Version: version, Insecure: true}, withStore(t, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		artifact, _, err := u.Pull(t.Context(), nil)
		if err != nil {
			t.Errorf("%q: %v", version, err)
			continue
		}
		if text, err := artifact.ReadFile("Chart.yaml"); err != nil || string(text) != "name: shop" || artifact.Revision().Ref != ref {
			t.Errorf("%q: got %q of %s, error %v", version, text, artifact.Revision().Ref, err)
		}
	}
	open(t, r.Name("charts/base")).release(t, "1.0.0", nil, part{ContentType, sourcetest.TarGzOf(t, map[string]string{"a": "1"})})
	u, err := NewChart(v1alpha1.HelmSource{URL: r.Name("charts"), Chart: "base", Insecure: true}, withStore(t, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("got error %v for what is no chart", err)
	}
	for _, name := range []string{"", "../x", "/x", "a/../../b", "."} {
		if _, err := NewChart(v1alpha1.HelmSource{URL: r.Name("charts"), Chart: name}, withStore(t, Options{})); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}

// TestSign: what is signed is found again by whoever verifies, once for each key.
func TestSign(t *testing.T) {
	ctx := t.Context()
	repo := open(t, registry.Start(t).Name("fleet/base"))
	pushed, err := repo.Push(ctx, folder("1"), PushOptions{Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	artifact := repo.At(string(pushed.Digest))
	for n := range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signed, err := artifact.Sign(ctx, key); err != nil || !signed {
			t.Fatalf("signed %v, error %v", signed, err)
		}
		at, err := artifact.resolve(ctx)
		if err != nil {
			t.Fatal(err)
		}
		found, err := artifact.signatures(ctx, at)
		if err != nil || len(found) != n+1 {
			t.Fatalf("got %d signatures and error %v", len(found), err)
		}
		if !strings.Contains(string(found[n].Payload), string(pushed.Digest)) || found[n].Signature == "" {
			t.Errorf("got %s", found[n].Payload)
		}
	}
	if list, _, err := repo.List(context.Background()); err != nil || len(list) != 1 || !list[0].Signed {
		t.Errorf("got %+v and error %v", list, err)
	}
}
