package sourcetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Serve starts a web server for as long as a test runs. Its clients have to trust the certificate in caFile.
func Serve(t *testing.T, answer http.HandlerFunc) (server *httptest.Server, caFile string) {
	t.Helper()
	server = httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	must(t, os.WriteFile(caFile, block, 0o600))
	return server, caFile
}

// Tree is what a site publishes as a whole at each change: content and targets by their paths. It is a part of a Site.
type Tree struct {
	Files, Links map[string]string
	// Publish makes a revision of it, and gives its ID.
	Publish func() string
}

// NewTree gives an empty one.
func NewTree(publish func() string) *Tree {
	return &Tree{Files: map[string]string{}, Links: map[string]string{}, Publish: publish}
}

// Write is that of Site.
func (s *Tree) Write(files map[string]string) string {
	maps.Copy(s.Files, files)
	return s.Publish()
}

// Delete is that of Site.
func (s *Tree) Delete(paths ...string) string {
	for _, path := range paths {
		delete(s.Files, path)
		delete(s.Links, path)
	}
	return s.Publish()
}

// Link is that of Site.
func (s *Tree) Link(path, target string) string {
	s.Links[path] = target
	return s.Publish()
}

// Entries are the files and then the links, each sorted, with something before their paths.
func (s *Tree) Entries(before string) []Entry {
	all := entriesOf(s.Files, before)
	for _, name := range slices.Sorted(maps.Keys(s.Links)) {
		all = append(all, Entry{Name: before + name, Link: s.Links[name]})
	}
	return all
}

func entriesOf(files map[string]string, before string) []Entry {
	all := make([]Entry, 0, len(files))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, Entry{Name: before + name, Content: files[name]})
	}
	return all
}

// Entry is one of an archive: a link where it has a target, a directory where its name ends in a slash, or a file.
type Entry struct{ Name, Content, Link string }

// Tar packs entries as they are.
func Tar(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, one := range entries {
		header := &tar.Header{Name: one.Name, Mode: 0o644, Size: int64(len(one.Content)), Typeflag: tar.TypeReg, Linkname: one.Link}
		if one.Link != "" {
			header.Typeflag = tar.TypeSymlink
		}
		if strings.HasSuffix(one.Name, "/") {
			header.Typeflag = tar.TypeDir
		}
		must(t, archive.WriteHeader(header))
		_, err := io.WriteString(archive, one.Content)
		must(t, err)
	}
	must(t, archive.Close())
	return out.Bytes()
}

// TarGz packs entries as Tar does, and compresses that.
func TarGz(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	_, err := zipped.Write(Tar(t, entries...))
	must(t, err)
	must(t, zipped.Close())
	return out.Bytes()
}

// TarGzOf packs files by their paths.
func TarGzOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	return TarGz(t, entriesOf(files, "")...)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
