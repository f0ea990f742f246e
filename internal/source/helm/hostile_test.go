package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

// endless sends more than anybody wants, and never says how much.
func endless(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, begin)
		block := append(bytes.Repeat([]byte("# nothing"), 7<<10), '\n')
		for sent := 0; sent < 10<<30; sent += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
}

// claims says that an answer is longer than what is sent of it.
func claims(length int64, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(length))
		_, _ = io.WriteString(w, content)
	}
}

// stalls begins to answer and then waits until the client has gone.
func stalls(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "entries:\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// aborts ends the connection in the middle.
func aborts(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "entries:\n  app:\n")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestHostileServers(t *testing.T) {
	const index, archive = "/index.yaml", "/app-1.0.0.tgz"
	bomb := bombs()["aliases"]
	for name, c := range map[string]struct {
		path   string
		answer http.HandlerFunc
		kind   fault.Kind
		says   string
	}{
		"an endless index":         {index, endless("entries:\n  app:\n"), fault.Invalid, "longer than"},
		"an endless archive":       {archive, endless(""), fault.Invalid, "longer than"},
		"a bomb":                   {index, claims(int64(len(bomb)), bomb), fault.NotFound, "no such chart"},
		"an index of 10 GB":        {index, claims(10<<30, "entries: {}\n"), fault.Invalid, "longer than"},
		"an archive of 10 GB":      {archive, claims(10<<30, "x"), fault.Invalid, "longer than"},
		"an index cut off":         {index, claims(1000, "entries:\n  app:\n  - version: 1.0.0\n"), fault.Transient, "ended too early"},
		"an archive cut off":       {archive, claims(1000, "\x1f\x8b"), fault.Transient, "ended too early"},
		"an index that stalls":     {index, stalls, fault.Transient, "in time"},
		"an archive that stalls":   {archive, stalls, fault.Transient, "in time"},
		"a server that goes away":  {index, aborts, fault.Transient, "ended too early"},
		"and later":                {archive, aborts, fault.Transient, "ended too early"},
		"an error":                 {index, status(http.StatusInternalServerError), fault.Transient, "Internal Server Error"},
		"no archive":               {archive, http.NotFound, fault.NotFound, "no such file"},
		"a page instead":           {index, claims(13, "<html></html>"), fault.Invalid, "no index of charts"},
		"a page for an archive":    {archive, claims(13, "<html></html>"), fault.Invalid, "not the one that the index gives the digest of"},
		"unchanged from nothing":   {index, status(http.StatusNotModified), fault.Invalid, "has not been told of any"},
		"redirects in a circle":    {index, redirects("https"), fault.Denied, "five redirects"},
		"a redirect without TLS":   {index, redirects("http"), fault.Denied, "from https to http"},
		"another archive":          {archive, other(t), fault.Invalid, "not the one that the index gives the digest of"},
		"an archive with an annex": {archive, annex(t), fault.Invalid, "not the one that the index gives the digest of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.publish("1.0.0")
			s.answer(c.path, c.answer)
			timeout := time.Minute
			if strings.Contains(name, "stalls") {
				timeout = 200 * time.Millisecond
			}
			u := s.open(v1alpha1.HelmSource{}, Options{Options: packed.Options{Timeout: timeout}})
			refused(t, u, c.kind, c.says)
			s.answer(c.path, nil)
			if c.path == index || c.kind != fault.Invalid { // what was refused of an archive counts until the index says something else
				sourcetest.Pull(t, s.open(v1alpha1.HelmSource{}, Options{}), nil)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// redirects leads to the same path of the same server.
func redirects(scheme string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, scheme+"://"+r.Host+r.URL.Path, http.StatusFound)
	}
}

func other(t *testing.T) http.HandlerFunc {
	t.Helper()
	archive := sourcetest.TarGz(t, file{Name: "app/Chart.yaml", Content: chartYAML("1.0.0")}, file{Name: "app/evil", Content: "x"})
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) }
}

func annex(t *testing.T) http.HandlerFunc {
	t.Helper()
	archive := append(sourcetest.TarGz(t, file{Name: "app/Chart.yaml", Content: chartYAML("1.0.0")}), "more"...)
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) }
}

func TestEntriesThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct {
		entry string
		kind  fault.Kind
		says  string
	}{
		"no version":  {"urls: [x.tgz]", fault.NotFound, "no such chart"},
		"no url":      {"version: 1.0.0", fault.Invalid, "no URL"},
		"no urls":     {"{version: 1.0.0, urls: []}", fault.Invalid, "no URL"},
		"bad version": {"{version: latest, urls: [x.tgz]}", fault.NotFound, "only pre-releases"},
		"bad digest":  {"{version: 1.0.0, urls: [x.tgz], digest: md5}", fault.Invalid, "no SHA-256"},
		"registry":    {"{version: 1.0.0, urls: ['oci://registry.example.com/charts/app:1.0.0']}", fault.Invalid, "kept in a registry"},
		"no tls":      {"{version: 1.0.0, urls: ['http://charts.example.com/app.tgz']}", fault.Denied, "https"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.must(os.WriteFile(filepath.Join(s.dir, "index.yaml"), []byte("entries:\n  app:\n  - "+c.entry+"\n"), 0o600))
			refused(t, s.open(v1alpha1.HelmSource{}, Options{}), c.kind, c.says)
		})
	}
}

// An index without digests is taken at its word that nothing is new.
func TestIndexesWithoutDigests(t *testing.T) {
	s := newSite(t)
	id := s.publish("1.0.0")
	without := "entries:\n  app:\n  - version: 1.0.0\n    created: 2026-01-02T03:04:05Z\n    urls:\n    - app-1.0.0.tgz\n"
	s.must(os.WriteFile(filepath.Join(s.dir, "index.yaml"), []byte(without), 0o600))
	u := s.open(v1alpha1.HelmSource{}, Options{})
	a, _ := sourcetest.Pull(t, u, nil)
	s.asked()
	if again, _ := sourcetest.Pull(t, u, a); again != a || a.Revision().ID != id || len(s.asked()) != 1 {
		t.Error("an unchanged entry is downloaded again")
	}
	s.must(os.WriteFile(filepath.Join(s.dir, "index.yaml"), []byte(strings.Replace(without, "2026", "2027", 1)), 0o600))
	if again, note := sourcetest.Pull(t, u, a); again.Revision().ID != id || note.Rewritten {
		t.Errorf("got %s and %+v", again.Revision().Short(), note)
	}
}

func TestArchivesThatAreNoCharts(t *testing.T) {
	chart := file{Name: "app/Chart.yaml", Content: chartYAML("1.0.0")}
	for name, c := range map[string]struct {
		files []file
		says  string
	}{
		"nothing":              {nil, "no Chart.yaml"},
		"no Chart.yaml":        {[]file{{Name: "app/x"}}, "no Chart.yaml"},
		"Chart.yaml deeper":    {[]file{{Name: "app/charts/Chart.yaml", Content: chartYAML("1.0.0")}}, "no Chart.yaml"},
		"several folders":      {[]file{chart, {Name: "evil/x"}}, "several folders"},
		"outside of a folder":  {[]file{chart, {Name: "x"}}, "several folders"},
		"only outside":         {[]file{{Name: "Chart.yaml", Content: chartYAML("1.0.0")}}, "outside of the chart's folder"},
		"another version":      {[]file{{Name: "app/Chart.yaml", Content: chartYAML("0.9.0")}}, "another version"},
		"another chart":        {[]file{{Name: "app/Chart.yaml", Content: "name: other\nversion: 1.0.0\n"}}, "another chart"},
		"broken Chart.yaml":    {[]file{{Name: "app/Chart.yaml", Content: "name: [\n"}}, "cannot be read"},
		"up":                   {[]file{chart, {Name: "app/../../etc/passwd"}}, "etc/passwd"},
		"absolute":             {[]file{chart, {Name: "/etc/passwd"}}, "/etc/passwd"},
		"windows":              {[]file{chart, {Name: `app\x`}}, `app\\x`},
		"a link outside":       {[]file{chart, {Name: "app/x", Link: "../../etc/passwd"}}, "etc/passwd"},
		"a file twice":         {[]file{chart, {Name: "app/x"}, {Name: "app/x"}}, "x"},
		"too many folders":     {folders(500), "entries"},
		"a link as Chart.yaml": {[]file{{Name: "app/Chart.yaml", Link: "x"}, {Name: "app/x", Content: "x"}}, "no Chart.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.mirror(sourcetest.TarGz(t, c.files...))
			u := s.open(v1alpha1.HelmSource{}, Options{Options: packed.Options{Limits: source.Limits{Files: 100, FileSize: 1 << 20, Bytes: 1 << 20}}})
			refused(t, u, fault.Invalid, c.says)
			downloads := strings.Count(strings.Join(s.asked(), "\n"), ".tgz")
			if downloads != 1 {
				t.Errorf("downloaded %d times what is refused", downloads)
			}
		})
	}
}

// mirror makes an index for an archive that Helm would not list.
func (s *site) mirror(archive []byte) {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, "app-1.0.0.tgz"), archive, 0o600))
	text := "entries:\n  app:\n  - version: 1.0.0\n    urls:\n    - app-1.0.0.tgz\n    digest: " + idOf(archive) + "\n"
	s.must(os.WriteFile(filepath.Join(s.dir, "index.yaml"), []byte(text), 0o600))
}

func folders(count int) (all []file) {
	for range count {
		all = append(all, file{Name: "app/x/"})
	}
	return all
}

// A small archive that becomes large is refused as soon as it is beyond the limits.
func TestArchivesThatBecomeLarge(t *testing.T) {
	chart := file{Name: "app/Chart.yaml", Content: chartYAML("1.0.0")}
	zeros := strings.Repeat("\x00", 4<<20)
	some := zeros[:800<<10]
	for name, files := range map[string][]file{
		"one file":   {chart, {Name: "app/x", Content: zeros}},
		"many files": {chart, {Name: "app/1", Content: some}, {Name: "app/2", Content: some}, {Name: "app/3", Content: some}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.mirror(sourcetest.TarGz(t, files...))
			u := s.open(v1alpha1.HelmSource{}, Options{Options: packed.Options{Limits: source.Limits{Files: 100, FileSize: 1 << 20, Bytes: 2 << 20}}})
			refused(t, u, fault.Invalid, "limit")
		})
	}
}

func TestWhatIsNotSignedIsNotTaken(t *testing.T) {
	s := newSite(t)
	id := s.publish("1.0.0")
	demanded := func(v v1alpha1.Verification) source.Upstream {
		return s.open(v1alpha1.HelmSource{}, Options{Verify: []*v1alpha1.Verification{nil, &v}})
	}
	keys := &v1alpha1.HelmVerification{PGPKeys: &v1alpha1.PublicKeys{Text: "no key at all"}}
	for name, v := range map[string]v1alpha1.Verification{
		"no provenance": {Helm: keys}, "only git": {Git: &v1alpha1.GitVerification{}}, "nothing": {},
	} {
		u := demanded(v)
		_, _, err := u.Pull(t.Context(), nil)
		if !errors.Is(err, fault.ErrUnverified) || fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" || u.Last() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.must(os.WriteFile(filepath.Join(s.dir, "app-1.0.0.tgz.prov"), []byte("nonsense"), 0o600))
	u := demanded(v1alpha1.Verification{Helm: keys})
	if _, _, err := u.Pull(t.Context(), nil); err == nil || u.Last() != nil {
		t.Errorf("got %v", err)
	}
	s.answer("/app-1.0.0.tgz.prov", endless(""))
	if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Invalid || u.Last() != nil {
		t.Errorf("got %v", err)
	}
	if a, _ := sourcetest.Pull(t, s.open(v1alpha1.HelmSource{}, Options{}), nil); a.Revision().ID != id {
		t.Error("without a demand it is not taken either")
	}
}
