package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/repo/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

// site is a chart repository: a folder of a web server, with an index that Helm itself has made. Its chart has the name "app".
type site struct {
	*sourcetest.Tree

	t       *testing.T
	server  *httptest.Server
	dir     string
	store   *packed.Store
	caFile  string
	indexes *Indexes

	mu       sync.Mutex
	away     bool
	number   int
	requests []string // "200 /index.yaml"
	answers  map[string]http.HandlerFunc
	shown    map[string]string // path: Authorization
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		t: t, dir: t.TempDir(),
		answers: map[string]http.HandlerFunc{}, shown: map[string]string{}, indexes: NewIndexes(),
	}
	s.indexes.fresh = 0
	s.Tree = sourcetest.NewTree(s.next)
	s.server, s.caFile = sourcetest.Serve(t, s.ServeHTTP)
	var err error
	s.store, err = packed.Open(t.TempDir())
	s.must(err)
	s.index()
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// answered remembers with which status.
type answered struct {
	http.ResponseWriter

	code int
}

func (s *answered) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	away, answer := s.away, s.answers[r.URL.Path]
	s.shown[r.URL.Path] = r.Header.Get("Authorization")
	s.mu.Unlock()
	if away {
		panic(http.ErrAbortHandler)
	}
	out := &answered{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		s.mu.Lock()
		s.requests = append(s.requests, fmt.Sprint(out.code, " ", r.URL.RequestURI()))
		s.mu.Unlock()
	}()
	if answer != nil {
		answer(out, r)
		return
	}
	content, err := os.ReadFile(filepath.Join(s.dir, filepath.Clean(r.URL.Path)))
	if err != nil {
		http.NotFound(out, r)
		return
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(content))
	out.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		out.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = out.Write(content)
}

// asked gives the requests since the last time.
func (s *site) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// answer lets a path be answered in another way; nil in the usual one.
func (s *site) answer(path string, with http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = with
}

// index makes the index anew, as `helm repo index` does.
func (s *site) index() {
	s.t.Helper()
	made, err := repo.IndexDirectory(s.dir, "")
	s.must(err)
	made.SortEntries()
	s.must(made.WriteFile(filepath.Join(s.dir, "index.yaml"), 0o600))
}

// chartYAML has the same length for every version of the tests.
func chartYAML(version string) string {
	return "apiVersion: v2\nname: app\nversion: " + version + "\nappVersion: \"1.0\"\n"
}

// file is one entry of an archive.
type file = sourcetest.Entry

// publish puts a version of the chart into the repository, and gives its revision's ID.
func (s *site) publish(version string) string {
	s.t.Helper()
	files := append([]file{{Name: "app/Chart.yaml", Content: chartYAML(version)}}, s.Entries("app/")...)
	return s.put("app-"+version+".tgz", sourcetest.TarGz(s.t, files...))
}

// put adds an archive to the repository.
func (s *site) put(name string, archive []byte) string {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name), archive, 0o600))
	s.index()
	return idOf(archive)
}

func idOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (s *site) next() string {
	s.number++
	return s.publish(fmt.Sprintf("1.%d.0", 1000+s.number))
}

// What follows implements sourcetest.Site.

func (s *site) Traits() sourcetest.Traits {
	return sourcetest.Traits{NoHistory: true, StrictLinks: true, Extra: len(chartYAML("1.1000.0"))}
}

func (s *site) Rewrite(map[string]string) string { panic("not called") }

func (s *site) Remove() {
	archives, err := filepath.Glob(filepath.Join(s.dir, "*.tgz"))
	s.must(err)
	for _, name := range archives {
		s.must(os.Remove(name))
	}
	s.index()
}

func (s *site) Stop()  { s.setAway(true) }
func (s *site) Start() { s.setAway(false) }

func (s *site) setAway(away bool) {
	s.mu.Lock()
	s.away = away
	s.mu.Unlock()
	s.server.CloseClientConnections()
}

func (s *site) Upstream(limits source.Limits) source.Upstream {
	return s.open(v1alpha1.HelmSource{}, Options{Options: packed.Options{Limits: limits}})
}

// open opens an upstream of the site's chart; what is not given is as it has to be for this server.
func (s *site) open(spec v1alpha1.HelmSource, opts Options) source.Upstream {
	s.t.Helper()
	if spec.URL == "" {
		spec.URL = s.server.URL
	}
	if spec.Chart == "" {
		spec.Chart = "app"
	}
	spec.CAFile = s.caFile
	opts.Store, opts.Indexes = s.store, s.indexes
	u, err := New(spec, opts)
	s.must(err)
	return u
}

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Site { return newSite(t) })
}
