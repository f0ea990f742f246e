package helm

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

func refused(t *testing.T, u source.Upstream, kind fault.Kind, words string) {
	t.Helper()
	var first string
	for range 2 { // the same problem reads the same
		a, _, err := u.Pull(t.Context(), nil)
		if a != nil || fault.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), words) {
			t.Fatalf("got %v, %v of kind %s, want %s with %q", a, err, fault.KindOf(err), kind, words)
		}
		if fault.HintOf(err) == "" {
			t.Errorf("%v has no hint", err)
		}
		if first != "" && err.Error() != first {
			t.Errorf("first %q, then %q", first, err)
		}
		first = err.Error()
	}
	if u.Last() != nil {
		t.Error("something of it was kept")
	}
}

func TestALookThatFindsNothingNewIsOneConditionalRequest(t *testing.T) {
	s := newSite(t)
	id := s.publish("1.2.3")
	for _, wish := range []string{"", "1.x", "1.2.3"} {
		u := s.open(v1alpha1.HelmSource{Version: wish}, Options{})
		a, _ := sourcetest.Pull(t, u, nil)
		s.asked()
		again, _ := sourcetest.Pull(t, u, a)
		if again != a || a.Revision().ID != id {
			t.Errorf("got %+v", again.Revision())
		}
		if diff := cmp.Diff([]string{"304 /index.yaml"}, s.asked()); diff != "" {
			t.Error(diff)
		}
		r := a.Revision()
		if r.Ref != "1.2.3" || r.Message != "app 1.2.3 (app 1.0)" || r.Time.IsZero() {
			t.Errorf("the revision says %+v", r)
		}
	}
}

func TestChartsOfOneRepositoryShareALook(t *testing.T) {
	s := newSite(t)
	s.publish("1.0.0")
	s.publish("2.0.0")
	s.indexes.fresh = time.Hour
	var running sync.WaitGroup
	for i := range 50 {
		running.Go(func() {
			u := s.open(v1alpha1.HelmSource{Version: []string{"1.x", "2.x"}[i%2], Chart: []string{"app", "other"}[i%5/4]}, Options{})
			_, _, _ = u.Pull(t.Context(), nil)
		})
	}
	running.Wait()
	index := slices.DeleteFunc(s.asked(), func(r string) bool { return !strings.HasSuffix(r, "/index.yaml") })
	if len(index) != 1 {
		t.Errorf("the index was asked for %d times", len(index))
	}
	s.indexes.fresh = 0
	s.Stop()
	_, _, first := s.open(v1alpha1.HelmSource{}, Options{}).Pull(t.Context(), nil)
	s.indexes.fresh = time.Hour
	s.Start()
	_, _, second := s.open(v1alpha1.HelmSource{}, Options{}).Pull(t.Context(), nil)
	if fault.KindOf(first) != fault.Transient || fmt.Sprint(first) != fmt.Sprint(second) || len(s.asked()) > 0 {
		t.Errorf("an error is not shared: %v, then %v", first, second)
	}
}

func TestTheEndOfOnesTimeIsNobodyElsesError(t *testing.T) {
	s := newSite(t)
	s.publish("1.0.0")
	s.indexes.fresh = time.Hour
	block := make(chan struct{})
	s.answer("/index.yaml", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	})
	u := s.open(v1alpha1.HelmSource{}, Options{Options: packed.Options{Timeout: 50 * time.Millisecond}})
	if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v", err)
	}
	close(block)
	s.answer("/index.yaml", nil)
	sourcetest.Pull(t, s.open(v1alpha1.HelmSource{}, Options{}), nil)
}

func TestIndexesThatNobodyUsesAreDropped(t *testing.T) {
	s := newSite(t)
	s.publish("1.0.0")
	held := func() int {
		s.indexes.mu.Lock()
		defer s.indexes.mu.Unlock()
		return len(s.indexes.known)
	}
	s.indexes.limit = 0
	sourcetest.Pull(t, s.open(v1alpha1.HelmSource{}, Options{}), nil)
	sourcetest.Pull(t, s.open(v1alpha1.HelmSource{URL: s.server.URL + "/."}, Options{}), nil) // the same folder by another URL
	if held() != 1 {
		t.Errorf("%d indexes are held, want the last one", held())
	}
	s.indexes.kept = time.Millisecond
	sourcetest.Pull(t, s.open(v1alpha1.HelmSource{URL: s.server.URL + "/."}, Options{}), nil)
	for deadline := time.Now().Add(10 * time.Second); held() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the index is still held")
		}
	}
	sourcetest.Pull(t, s.open(v1alpha1.HelmSource{}, Options{}), nil)
}

func TestRangesAreFollowed(t *testing.T) {
	s := newSite(t)
	one := s.publish("1.4.0")
	u := s.open(v1alpha1.HelmSource{Version: "1.x"}, Options{})
	a, _ := sourcetest.Pull(t, u, nil)
	s.publish("2.0.0")
	s.publish("1.5.0-rc.1")
	if same, _ := sourcetest.Pull(t, u, a); same != a || a.Revision().ID != one {
		t.Errorf("went on to %s", same.Revision().Short())
	}
	two := s.publish("1.4.1")
	after, note := sourcetest.Pull(t, u, a)
	if after.Revision().ID != two || note.Rewritten {
		t.Errorf("got %s and %+v", after.Revision().Short(), note)
	}
}

func TestAVersionPublishedAnewIsNoted(t *testing.T) {
	s := newSite(t)
	s.Files["a"] = "1"
	s.publish("1.0.0")
	u := s.open(v1alpha1.HelmSource{Version: "1.0.0"}, Options{})
	a, _ := sourcetest.Pull(t, u, nil)
	s.Files["a"] = "2"
	id := s.publish("1.0.0")
	for _, known := range []source.Artifact{a, nil} { // also after a restart
		after, note := sourcetest.Pull(t, s.open(v1alpha1.HelmSource{Version: "1.0.0"}, Options{}), known)
		if after.Revision().ID != id || known != nil && (!note.Rewritten || note.From.ID != a.Revision().ID) {
			t.Errorf("got %s and %+v", after.Revision().Short(), note)
		}
	}
}

func TestCredentialsStayWithTheRepository(t *testing.T) {
	s, other := newSite(t), newSite(t)
	archive := sourcetest.TarGz(t, file{Name: "app/Chart.yaml", Content: chartYAML("1.0.0")})
	other.put("app-1.0.0.tgz", archive)
	s.put("app-1.0.0.tgz", archive)
	absolute := fmt.Sprintf("entries:\n  app:\n  - version: 1.0.0\n    urls: [%q]\n    digest: %s\n",
		other.server.URL+"/app-1.0.0.tgz", idOf(archive))
	s.must(os.WriteFile(filepath.Join(s.dir, "index.yaml"), []byte(absolute), 0o600))
	secret := filepath.Join(t.TempDir(), "password")
	s.must(os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	spec := v1alpha1.HelmSource{Credentials: &v1alpha1.Credentials{
		Username: &v1alpha1.ValueFrom{Env: "WHO"}, Password: &v1alpha1.ValueFrom{File: secret},
	}}
	opts := Options{Options: packed.Options{Getenv: func(name string) string { return map[string]string{"WHO": "me"}[name] }}}
	sourcetest.Pull(t, s.open(spec, opts), nil)
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:s3cret")); s.shown["/index.yaml"] != want {
		t.Errorf("the repository was shown %q", s.shown["/index.yaml"])
	}
	if shown, asked := other.shown["/app-1.0.0.tgz"]; !asked || shown != "" {
		t.Errorf("the other server was shown %q, asked: %v", shown, asked)
	}
	s.index()
	s.answer("/app-1.0.0.tgz", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.server.URL+"/app-1.0.0.tgz", http.StatusFound)
	})
	sourcetest.Pull(t, s.open(spec, opts), nil)
	if s.shown["/app-1.0.0.tgz"] == "" || other.shown["/app-1.0.0.tgz"] != "" {
		t.Errorf("on a redirect %q and %q were shown", s.shown["/app-1.0.0.tgz"], other.shown["/app-1.0.0.tgz"])
	}
	s.answer("/index.yaml", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	u := s.open(spec, opts)
	_, _, err := u.Pull(t.Context(), nil)
	if fault.KindOf(err) != fault.Denied || strings.Contains(err.Error()+fault.HintOf(err), "s3cret") {
		t.Errorf("got %v", err)
	}
	s.must(os.Remove(secret))
	if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

func TestURLsOfArchives(t *testing.T) {
	at, err := parseLocation(v1alpha1.HelmSource{URL: "https://Charts.Example.com/stable/?token=x", Chart: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if at.index() != "https://charts.example.com/stable/index.yaml?token=x" || at.String() != "https://charts.example.com/stable" {
		t.Errorf("got %s and %s", at.index(), at)
	}
	for reference, want := range map[string]string{
		"app-1.tgz":                      "https://charts.example.com/stable/app-1.tgz?token=x",
		"charts/app-1.tgz":               "https://charts.example.com/stable/charts/app-1.tgz?token=x",
		"/app-1.tgz":                     "https://charts.example.com/app-1.tgz?token=x",
		"app-1.tgz?own=1":                "https://charts.example.com/stable/app-1.tgz?own=1",
		"https://other.example.com/a.gz": "https://other.example.com/a.gz",
		"http://other.example.com/a.gz":  "http://other.example.com/a.gz", // which the client refuses
		"":                               "", "ftp://x/y": "", "file:///etc/passwd": "",
		"https://me:pw@x/y": "", "oci://registry.example.com/charts/app:1": "", "https:": "", "%zz": "", "mailto:x@example.com": "",
	} {
		got, err := at.archive(reference)
		if want == "" {
			if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "pw") {
				t.Errorf("%q: %v, %v", reference, got, err)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q gives %v, %v; want %s", reference, got, err, want)
		}
	}
}

func TestWrongSources(t *testing.T) {
	for name, spec := range map[string]v1alpha1.HelmSource{
		"no url":      {Chart: "app"},
		"registry":    {URL: "oci://registry.example.com/charts", Chart: "app"},
		"file":        {URL: "file:///charts", Chart: "app"},
		"password":    {URL: "https://me:s3cret@charts.example.com", Chart: "app"},
		"fragment":    {URL: "https://charts.example.com/#x", Chart: "app"},
		"no chart":    {URL: "https://charts.example.com"},
		"chart path":  {URL: "https://charts.example.com", Chart: "../app"},
		"version":     {URL: "https://charts.example.com", Chart: "app", Version: "one"},
		"in the open": {URL: "http://charts.example.com", Chart: "app", Credentials: &v1alpha1.Credentials{}},
	} {
		_, err := New(spec, Options{})
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysTellUpstreamsApart(t *testing.T) {
	seen := map[string]int{}
	keys := &v1alpha1.PublicKeys{Text: "x"}
	for i, c := range []struct {
		spec   v1alpha1.HelmSource
		verify []*v1alpha1.Verification
	}{
		{spec: v1alpha1.HelmSource{}}, {spec: v1alpha1.HelmSource{Version: "1.x"}}, {spec: v1alpha1.HelmSource{Chart: "b"}},
		{spec: v1alpha1.HelmSource{URL: "https://charts.example.com/x"}},
		{spec: v1alpha1.HelmSource{URL: "https://charts.example.com?x=y"}},
		{spec: v1alpha1.HelmSource{Credentials: &v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{Env: "X"}}}},
		{verify: []*v1alpha1.Verification{{Helm: &v1alpha1.HelmVerification{PGPKeys: keys}}}},
	} {
		if c.spec.URL == "" {
			c.spec.URL = "https://charts.example.com"
		}
		if c.spec.Chart == "" {
			c.spec.Chart = "a"
		}
		u, err := New(c.spec, Options{Verify: c.verify})
		if err != nil {
			t.Fatal(err)
		}
		if before, twice := seen[u.Key()]; twice {
			t.Errorf("%d and %d have the key %s", before, i, u.Key())
		}
		seen[u.Key()] = i
	}
}

// A repository without TLS is one whose URL says so.
func TestPlainHTTP(t *testing.T) {
	s := newSite(t)
	id := s.publish("1.0.0")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	a, _ := sourcetest.Pull(t, s.open(v1alpha1.HelmSource{URL: server.URL}, Options{}), nil)
	if a.Revision().ID != id {
		t.Errorf("got %s", a.Revision().Short())
	}
}

func TestMissingChartsAndVersions(t *testing.T) {
	s := newSite(t)
	s.publish("1.0.0")
	for name, c := range map[string]struct {
		spec v1alpha1.HelmSource
		hint string
	}{
		"chart":   {v1alpha1.HelmSource{Chart: "aap"}, "the repository has app"},
		"version": {v1alpha1.HelmSource{Version: "2.x"}, "it has 1.0.0"},
	} {
		u := s.open(c.spec, Options{})
		refused(t, u, fault.NotFound, "the repository has no ")
		if _, _, err := u.Pull(t.Context(), nil); !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: the hint is %q", name, fault.HintOf(err))
		}
	}
	pre := newSite(t)
	pre.publish("1.0.0-rc.1")
	refused(t, pre.open(v1alpha1.HelmSource{}, Options{}), fault.NotFound, "only pre-releases")
	sourcetest.Pull(t, pre.open(v1alpha1.HelmSource{Version: ">0-0"}, Options{}), nil)
	refused(t, newSite(t).open(v1alpha1.HelmSource{URL: s.server.URL + "/nowhere"}, Options{}), fault.NotFound, "no such file")
}
