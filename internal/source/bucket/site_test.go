package bucket

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

const folder = "env/prod/"

// site is a small server of S3's protocol: it lists in pages, gives objects, and does not look at signatures.
type site struct {
	t      *testing.T
	server *httptest.Server
	store  *packed.Store
	caFile string

	mu      sync.Mutex
	away    bool
	objects map[string]string // by their keys
	gone    bool              // the bucket
	page    int
	lists   int
	gets    []string
	auth    string // of the last request
	answer  http.HandlerFunc
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, objects: map[string]string{"env/production/secret.yaml": "another environment"}, page: 2}
	s.server, s.caFile = sourcetest.Serve(t, s.ServeHTTP)
	var err error
	s.store, err = packed.Open(t.TempDir())
	s.must(err)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func etag(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth = r.Header.Get("Authorization")
	if s.away {
		panic(http.ErrAbortHandler)
	}
	if s.answer != nil {
		s.answer(w, r)
		return
	}
	key, inBucket := strings.CutPrefix(r.URL.Path, "/fleet/")
	switch {
	case s.gone || !inBucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.URL.Query().Get("list-type") == "2":
		s.lists++
		s.list(w, r.URL.Query())
	default:
		s.gets = append(s.gets, key)
		s.get(w, r, key)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><RequestId>%p</RequestId></Error>", code, w)
}

type listed struct {
	Key, LastModified, ETag string
	Size                    int
}

func (s *site) list(w http.ResponseWriter, query url.Values) {
	answer := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		EncodingType          string
		IsTruncated           bool
		NextContinuationToken string
		Contents              []listed
	}{EncodingType: "url"}
	after := query.Get("continuation-token")
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, query.Get("prefix")) || key <= after {
			continue
		}
		if len(answer.Contents) == s.page {
			answer.IsTruncated = true
			break
		}
		answer.NextContinuationToken = key
		answer.Contents = append(answer.Contents, listed{
			url.QueryEscape(key), "2026-01-02T03:04:05.000Z", `"` + etag(s.objects[key]) + `"`, len(s.objects[key]),
		})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer)
}

func (s *site) get(w http.ResponseWriter, r *http.Request, key string) {
	content, there := s.objects[key]
	switch match := strings.Trim(r.Header.Get("If-Match"), `"`); {
	case !there:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	case match != "" && match != etag(content):
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	default:
		w.Header().Set("ETag", `"`+etag(content)+`"`)
		w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = io.WriteString(w, content)
	}
}

func (s *site) Traits() sourcetest.Traits { return sourcetest.Traits{NoHistory: true, NoLinks: true} }

func (s *site) Write(files map[string]string) string {
	s.mu.Lock()
	for path, content := range files {
		s.objects[folder+path] = content
	}
	s.mu.Unlock()
	return s.id()
}

func (s *site) Delete(paths ...string) string {
	s.mu.Lock()
	for _, path := range paths {
		delete(s.objects, folder+path)
	}
	s.mu.Unlock()
	return s.id()
}

// id is the revision that the bucket's content makes, as a writer of its own tells it.
func (s *site) id() string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.store.Create("id", source.DefaultLimits)
	s.must(err)
	defer w.Abort()
	for key, content := range s.objects {
		if path, ours := strings.CutPrefix(key, folder); ours {
			s.must(w.File(path, 0o644, int64(len(content)), strings.NewReader(content)))
		}
	}
	return "sha256:" + string(w.Digest())
}

func (s *site) Link(string, string) string             { panic("a bucket has no links") }
func (s *site) Rewrite(files map[string]string) string { return s.Write(files) }
func (s *site) Remove()                                { s.with(func() { s.gone = true }) }
func (s *site) Stop()                                  { s.with(func() { s.away = true }) }
func (s *site) Start()                                 { s.with(func() { s.away = false }) }

func (s *site) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *site) spec() v1alpha1.BucketSource {
	return v1alpha1.BucketSource{Endpoint: s.server.URL, Bucket: "fleet", Prefix: "env/prod", Region: "eu-central-1", CAFile: s.caFile}
}

func (s *site) open(spec v1alpha1.BucketSource, limits source.Limits) source.Upstream {
	s.t.Helper()
	u, err := New(spec, packed.Options{Store: s.store, Limits: limits, Getenv: func(name string) string {
		return map[string]string{"ACCESS": "AKIDEXAMPLE", "SECRET": "s3cret"}[name]
	}})
	s.must(err)
	return u
}

func (s *site) Upstream(limits source.Limits) source.Upstream { return s.open(s.spec(), limits) }

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Site { t.Helper(); return newSite(t) })
}
