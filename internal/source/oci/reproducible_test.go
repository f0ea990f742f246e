package oci

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/registry"
)

// written is the digest of the release below, as every machine has made it so far. It changes only with the format of releases, or with
// compress/gzip of a newer Go; then everybody's next release of the same content has another digest, too, which the changelog has to say.
const written = "sha256:01cb6b723ccea5313a745b41f4c0dc97c430766dac866af09130a37fcbbfc574"

// machine is how the same content may differ from one machine to another.
type machine struct {
	below   string // the directory is there
	mask    fs.FileMode
	time    time.Time
	reverse bool // files are written in the other order
	owner   int
}

// TestTheSameReleaseEverywhere: neither place nor times, order, rights (but for being executable) nor owners are in a release.
func TestTheSameReleaseEverywhere(t *testing.T) {
	repository := open(t, registry.Start(t).Name("fleet/base"))
	for _, m := range []machine{
		{below: "base", mask: 0o022, time: time.Unix(1, 0), owner: -1},
		{below: "some/where/else", mask: 0o077, time: time.Unix(2e9, 0), owner: 1234},
		{below: "a folder with spaces", mask: 0o002, time: time.Date(2026, 2, 28, 23, 59, 59, 999, time.FixedZone("", 3600)), reverse: true, owner: -1},
	} {
		pushed, err := repository.Push(t.Context(), os.DirFS(m.write(t)), PushOptions{Version: "1.4.0", Created: created})
		if err != nil {
			t.Fatal(err)
		}
		if pushed.Digest != written {
			t.Errorf("in %q it has the digest %s, want %s", m.below, pushed.Digest, written)
		}
	}
}

// write writes the content as it is on a machine, and gives its directory.
func (m machine) write(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), m.below)
	files := []struct {
		name, content string
		mode          fs.FileMode
	}{
		{"kustomization.yaml", "resources: [web.yaml]\n", 0o666},
		{"web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n", 0o666},
		{"scripts/run.sh", "#!/bin/sh\necho run\n", 0o777},
		{"ünïcode/名.yaml", "a: 1\n", 0o666},
		{"empty", "", 0o666},
	}
	if m.reverse {
		slices.Reverse(files)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		name := filepath.Join(dir, file.name)
		must(os.MkdirAll(filepath.Dir(name), 0o777))
		must(os.WriteFile(name, []byte(file.content), 0o600))
		must(os.Chmod(name, file.mode&^m.mask))
		must(os.Chmod(filepath.Dir(name), 0o777&^m.mask))
	}
	must(os.Symlink("scripts/run.sh", filepath.Join(dir, "link")))
	must(filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() == fs.ModeSymlink {
			return err
		}
		if m.owner >= 0 && os.Geteuid() == 0 { // only root gives files away
			must(os.Chown(name, m.owner, m.owner))
		}
		return os.Chtimes(name, m.time, m.time)
	}))
	return dir
}
