package apps

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// packed is an entry of an archive.
type packed struct {
	name, content string
	kind          byte // of tar
	mode          int64
}

func tarOf(t *testing.T, entries ...packed) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode, Size: int64(len(e.content))}
		if e.kind != tar.TypeReg {
			header.Size, header.Linkname = 0, e.content
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if e.kind == tar.TypeReg {
			if _, err := w.Write([]byte(e.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	if err := must(w, err)(t).Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t *testing.T, entries ...packed) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(0o755)
		if e.kind == tar.TypeSymlink {
			header.SetMode(fs.ModeSymlink | 0o777)
		}
		if _, err := must(w.CreateHeader(header))(t).Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpackBytes unpacks an archive into a directory of its own.
func unpackBytes(t *testing.T, content []byte, strip int) (string, error) {
	t.Helper()
	top := t.TempDir()
	name := filepath.Join(top, "archive")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file := must(os.Open(name))(t)
	defer file.Close()
	dir := filepath.Join(top, "build")
	into := must(newTree(t.Context(), dir))(t)
	defer into.close()
	err := unpackArchive(file, strip, into)
	if err == nil {
		err = into.finish()
	}
	return dir, err
}

func TestArchives(t *testing.T) {
	entries := []packed{
		{"./", "", tar.TypeDir, 0o755}, {"shop-1.0/", "", tar.TypeDir, 0o755},
		{"shop-1.0/bin/serve", "#!/bin/sh", 0, 0o6755}, {"shop-1.0/README", "hi", 0, 0o644},
		{"shop-1.0/current", "bin/serve", tar.TypeSymlink, 0o777}, {"shop-1.0/again", "shop-1.0/README", tar.TypeLink, 0o644},
		{"pax_global_header", "", tar.TypeXGlobalHeader, 0},
	}
	plain := tarOf(t, entries[:6]...)
	for name, content := range map[string][]byte{
		"tar": plain, "tar.gz": gzipOf(t, plain),
		"zip": zipOf(t, packed{"shop-1.0/", "", 0, 0}, entries[2], entries[3], entries[4], packed{"shop-1.0/again", "hi", 0, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := unpackBytes(t, content, 1)
			if err != nil {
				t.Fatal(err)
			}
			if info := must(os.Stat(filepath.Join(dir, "bin/serve")))(t); info.Mode() != 0o500 {
				t.Errorf("mode %v: it is to be executed, and nothing more", info.Mode())
			}
			for name, want := range map[string]string{"README": "hi", "current": "#!/bin/sh", "again": "hi"} {
				if content, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(content) != want {
					t.Errorf("%s: %q %v", name, content, err)
				}
			}
		})
	}
}

// What could lead out of a build, or not be what it seems, is refused by name, and nothing is written elsewhere.
func TestArchivesThatAreRefused(t *testing.T) {
	deep := strings.Repeat("d/", maxDepth+1) + "f"
	for name, test := range map[string]struct {
		entries []packed
		saying  string
	}{
		"absolute":                 {[]packed{{"/etc/evil", "x", 0, 0}}, "etc/evil: its name is absolute"},
		"upwards":                  {[]packed{{"a/../../evil", "x", 0, 0}}, "a/../../evil: its name leads out"},
		"backslash":                {[]packed{{`..\evil`, "x", 0, 0}}, "leads out of the build, or is none"},
		"too deep":                 {[]packed{{deep, "x", 0, 0}}, "leads out of the build, or is none"},
		"absolute link":            {[]packed{{"l", "/etc", tar.TypeSymlink, 0}}, "l: it is a link that leads out"},
		"link out":                 {[]packed{{"a/l", "../../etc", tar.TypeSymlink, 0}}, "a/l: it is a link that leads out"},
		"through a link":           {[]packed{{"l", "a", tar.TypeSymlink, 0}, {"l/f", "x", 0, 0}}, "l/f: it goes through the link l"},
		"a directory over a link":  {[]packed{{"l", "a", tar.TypeSymlink, 0}, {"l/", "", tar.TypeDir, 0}}, "l: it is there twice"},
		"a file over a link":       {[]packed{{"l", "a", tar.TypeSymlink, 0}, {"l", "x", 0, 0}}, "l: it is there twice"},
		"a link over a directory":  {[]packed{{"l/f", "x", 0, 0}, {"l", "a", tar.TypeSymlink, 0}}, "l: it is there twice"},
		"twice":                    {[]packed{{"f", "x", 0, 0}, {"f", "y", 0, 0}}, "f: it is there twice"},
		"a directory is a file":    {[]packed{{"f", "x", 0, 0}, {"f/g", "y", 0, 0}}, "f/g: a file is where its directory should be"},
		"links that add up to out": {[]packed{{"a/b/l", "..", tar.TypeSymlink, 0}, {"m", "a/b/l/../../x", tar.TypeSymlink, 0}}, "m: it is a link that leads out"},
		"circle":                   {[]packed{{"a", "b", tar.TypeSymlink, 0}, {"b", "a", tar.TypeSymlink, 0}}, "around in a circle"},
		"device":                   {[]packed{{"d", "", tar.TypeChar, 0}}, "d: it is no file, directory or link"},
		"pipe":                     {[]packed{{"p", "", tar.TypeFifo, 0}}, "p: it is no file, directory or link"},
		"hard link out":            {[]packed{{"h", "../../etc/passwd", tar.TypeLink, 0}}, "h: it is a link that leads out"},
		"hard link to a link":      {[]packed{{"l", "x", tar.TypeSymlink, 0}, {"h", "l", tar.TypeLink, 0}}, "h: it is a link to something that is no file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpackBytes(t, tarOf(t, test.entries...), 0)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.saying) {
				t.Errorf("%v, want %q", err, test.saying)
			}
		})
	}
	for name, content := range map[string][]byte{
		"no archive": []byte("hello"), "a cut tar": tarOf(t, packed{"f", "xyz", 0, 0})[:513], "a cut gzip": gzipOf(t, tarOf(t, packed{"f", "x", 0, 0}))[:40],
		"a zip out": zipOf(t, packed{"../evil", "x", 0, 0}), "a zip link out": zipOf(t, packed{"l", "../x", tar.TypeSymlink, 0}),
	} {
		if _, err := unpackBytes(t, content, 0); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}

func TestBounds(t *testing.T) {
	into := must(newTree(t.Context(), filepath.Join(t.TempDir(), "build")))(t)
	defer into.close()
	into.bytes = maxBytes - 3
	if err := into.file("big", 0, strings.NewReader("four")); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("more than all bytes: %v", err)
	}
	into.count = maxEntries
	if err := into.directory("d"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("more than all files: %v", err)
	}
}

// An archive takes the whole way: downloaded, checked, unpacked, its Procfile read, started.
func TestAnArchiveOverHTTP(t *testing.T) {
	b := newBench(t)
	content := gzipOf(t, tarOf(t, packed{"shop/Procfile", "web: serve --port $PORT\nrelease: true\n", 0, 0}))
	sum := sha256.Sum256(content)
	available := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !available {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(content)
	}))
	defer server.Close()
	declared := func(digest string) *state.Object {
		return object(map[string]any{"processes": nil, "build": map[string]any{
			"archive": map[string]any{"url": server.URL + "/shop.tar.gz", "sha256": digest, "strip": 1},
		}})
	}
	want := declared(hex.EncodeToString(sum[:]))
	entry := b.loop(want, "the server as the cause", func(e diff.Entry) bool { return strings.Contains(e.Health.Message, "503") })
	if entry.Health.Final || entry.Health.Status != state.Progressing {
		t.Errorf("health %+v", entry.Health)
	}
	available = true
	b.converge(want)
	if len(b.supervisor.starts) != 2 || b.supervisor.starts[0].Type != typePre {
		t.Fatalf("started %v", b.supervisor.starts)
	}
	if launch := b.supervisor.request(b.supervisor.running()[0]).Launch; strings.Join(launch.Command, "|") != "serve|--port|$PORT" {
		t.Errorf("command %q", launch.Command)
	}
	entry = b.loop(declared(strings.Repeat("0", 64)), "failure", func(e diff.Entry) bool { return e.Health.Final })
	if entry.Health.Reason != reasonBuild || !strings.Contains(entry.Health.Message, "SHA-256") || len(b.supervisor.running()) != 1 {
		t.Errorf("wrong digest: %+v, running %v", entry.Health, b.supervisor.running())
	}
	left := must(filepath.Glob(filepath.Join(b.driver.place("shop").releases(), temporary+"*")))(t)
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestAnArchiveFromAFile(t *testing.T) {
	b := newBench(t)
	content := zipOf(t, packed{"serve", "x", 0, 0})
	sum := sha256.Sum256(content)
	name := b.write("shop.zip", string(content))
	b.converge(object(map[string]any{"build": map[string]any{
		"archive": map[string]any{"url": "file://" + name, "sha256": hex.EncodeToString(sum[:])},
	}}))
}
