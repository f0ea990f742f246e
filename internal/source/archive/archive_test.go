package archive

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

// site is a web server with one archive.
type site struct {
	*sourcetest.Tree

	t        *testing.T
	server   *httptest.Server
	format   packed.Format
	store    *packed.Store
	caFile   string
	requests atomic.Int64
	bodies   atomic.Int64

	mu      sync.Mutex
	away    bool
	content []byte
	answer  http.HandlerFunc // instead of the file
}

func newSite(t *testing.T, format packed.Format) *site {
	t.Helper()
	s := &site{t: t, format: format}
	s.Tree = sourcetest.NewTree(s.publish)
	s.server, s.caFile = sourcetest.Serve(t, s.ServeHTTP)
	var err error
	s.store, err = packed.Open(filepath.Join(filepath.Dir(s.caFile), "store"))
	s.must(err)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	s.mu.Lock()
	away, content, answer := s.away, s.content, s.answer
	s.mu.Unlock()
	switch {
	case away:
		panic(http.ErrAbortHandler)
	case answer != nil:
		answer(w, r)
		return
	case content == nil:
		http.NotFound(w, r)
		return
	}
	etag := `"` + digest(content)[:20] + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.bodies.Add(1)
	_, _ = w.Write(content)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func (s *site) Traits() sourcetest.Traits {
	return sourcetest.Traits{NoHistory: true, StrictLinks: true}
}

func (s *site) Rewrite(files map[string]string) string { return s.Write(files) }
func (s *site) Remove()                                { s.serve(nil) }
func (s *site) Stop()                                  { s.setAway(true) }
func (s *site) Start()                                 { s.setAway(false) }

func (s *site) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *site) serve(content []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content = content
	return "sha256:" + digest(content)
}

func (s *site) replace(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *site) publish() string {
	switch s.format {
	case packed.Zip:
		return s.serve(s.zip())
	case packed.TarGz:
		return s.serve(sourcetest.TarGz(s.t, s.Entries("./")...))
	}
	return s.serve(sourcetest.Tar(s.t, s.Entries("./")...))
}

func (s *site) zip() []byte {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, one := range s.Entries("") {
		header := &zip.FileHeader{Name: one.Name, Method: zip.Deflate}
		header.SetMode(0o644)
		if one.Link != "" {
			header.SetMode(os.ModeSymlink | 0o777)
		}
		into, err := archive.CreateHeader(header)
		s.must(err)
		_, err = io.WriteString(into, one.Content+one.Link)
		s.must(err)
	}
	s.must(archive.Close())
	return out.Bytes()
}

func (s *site) spec() v1alpha1.ArchiveSource {
	return v1alpha1.ArchiveSource{URL: s.server.URL + "/releases/base." + string(s.format) + "?token=hidden", CAFile: s.caFile}
}

func (s *site) open(spec v1alpha1.ArchiveSource, limits source.Limits) source.Upstream {
	s.t.Helper()
	u, err := New(spec, packed.Options{Store: s.store, Limits: limits, Getenv: func(name string) string {
		return map[string]string{"TOKEN": "s3cret"}[name]
	}})
	s.must(err)
	return u
}

func (s *site) Upstream(limits source.Limits) source.Upstream { return s.open(s.spec(), limits) }

func TestConformance(t *testing.T) {
	for _, format := range []packed.Format{packed.Tar, packed.TarGz, packed.Zip} {
		t.Run(strings.ReplaceAll(string(format), ".", "-"), func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T) sourcetest.Site { t.Helper(); return newSite(t, format) })
		})
	}
}

// overwrite changes the first bytes of a file in place.
func overwrite(t *testing.T, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteAt([]byte("damaged"), 0); err != nil {
		t.Fatal(err)
	}
}
