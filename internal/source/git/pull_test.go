package git

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// pulled pulls once and gives what is in a file, with the revision's name.
func (s *site) pulled(u source.Upstream, path string) (content, ref string) {
	s.t.Helper()
	a, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	data, err := a.ReadFile(path)
	s.must(err)
	return string(data), a.Revision().Ref
}

func TestReferences(t *testing.T) {
	for _, scheme := range []string{"http", "ssh", "file", "old"} {
		t.Run(scheme, func(t *testing.T) {
			s := newSite(t, scheme, gitserver.Options{OldProtocol: scheme == "old"})
			s.Write(map[string]string{"a": "1.0"})
			s.repo.Tag("v1.0.0", "")
			middle := s.Write(map[string]string{"a": "1.2"})
			s.repo.Tag("v1.2.0", "annotated")
			s.Write(map[string]string{"a": "2.0-rc"})
			s.repo.Tag("v2.0.0-rc.1", "annotated")
			s.Write(map[string]string{"a": "main"})
			s.repo.Set("refs/pull/7/head", s.repo.On("topic").Commit(map[string]string{"a": "pr"}, "Topic"))
			s.repo.Set("refs/merge-requests/8/head", s.repo.On("merge").Commit(map[string]string{"a": "mr"}, "Topic"))
			for _, c := range []struct {
				ref           v1alpha1.GitRef
				content, name string
			}{
				{v1alpha1.GitRef{}, "main", "main"},
				{v1alpha1.GitRef{Branch: "topic"}, "pr", "topic"},
				{v1alpha1.GitRef{Branch: "refs/heads/topic"}, "pr", "topic"},
				{v1alpha1.GitRef{Tag: "v1.0.0"}, "1.0", "v1.0.0"},
				{v1alpha1.GitRef{Tag: "v1.2.0"}, "1.2", "v1.2.0"},
				{v1alpha1.GitRef{Semver: ">=1.0 <3"}, "1.2", "v1.2.0"},
				{v1alpha1.GitRef{Semver: ">=1.0-0 <3"}, "2.0-rc", "v2.0.0-rc.1"},
				{v1alpha1.GitRef{Commit: middle}, "1.2", middle},
				{v1alpha1.GitRef{PR: 7}, "pr", "pr-7"},
				{v1alpha1.GitRef{PR: 8}, "mr", "pr-8"},
			} {
				spec := s.spec
				spec.Ref = c.ref
				content, name := s.pulled(s.open(spec, Options{}), "a")
				if content != c.content || name != c.name {
					t.Errorf("%+v: got %q at %s, want %q at %s", c.ref, content, name, c.content, c.name)
				}
			}
		})
	}
}

// TestCommitThatNoReferenceNames needs the whole history where the server speaks version 0 only.
func TestCommitThatNoReferenceNames(t *testing.T) {
	for _, old := range []bool{false, true} {
		s := newSite(t, "http", gitserver.Options{OldProtocol: old})
		first := s.Write(map[string]string{"a": "1"})
		for _, content := range []string{"2", "3", "4"} {
			s.Write(map[string]string{"a": content})
		}
		s.spec.Ref = v1alpha1.GitRef{Commit: first}
		if content, _ := s.pulled(s.Upstream(source.DefaultLimits), "a"); content != "1" {
			t.Errorf("old protocol %v: got %q", old, content)
		}
	}
}

func TestVersionsAreFollowedAsTheyAppear(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	s.repo.Tag("v1.0.0", "")
	s.spec.Ref = v1alpha1.GitRef{Semver: "1.x"}
	u := s.Upstream(source.DefaultLimits)
	known, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	s.repo.On("release").Amend(map[string]string{"a": "1.1"}, "Release") // unrelated history is no rewrite of another tag
	s.repo.On("release").Tag("v1.1.0", "")
	after, note, err := u.Pull(context.Background(), known)
	s.must(err)
	if after.Revision().Ref != "v1.1.0" || note.Rewritten {
		t.Errorf("got %+v and %+v", after.Revision(), note)
	}
}

func TestLookUpsAreCheap(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	commit := s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.DefaultLimits)
	known, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	before := s.server.Requests()
	for range 10 {
		_, _, err = u.Pull(context.Background(), known)
		s.must(err)
	}
	if n := s.server.Requests() - before; n != 10 {
		t.Errorf("ten look-ups took %d requests, want one each", n)
	}
	s.spec.Ref = v1alpha1.GitRef{Commit: commit}
	fixed := s.Upstream(source.DefaultLimits)
	known, _, err = fixed.Pull(context.Background(), nil)
	s.must(err)
	before = s.server.Requests()
	_, _, err = fixed.Pull(context.Background(), known)
	s.must(err)
	if n := s.server.Requests() - before; n != 0 {
		t.Errorf("looking at a commit took %d requests, want none", n)
	}
}

func TestAHangingServerEndsWithTheTimeout(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	s.server.Hang(true)
	_, _, err := s.open(s.spec, Options{Timeout: 50 * time.Millisecond}).Pull(context.Background(), nil)
	if fault.KindOf(err) != fault.Transient || !strings.HasSuffix(err.Error(), "the server does not answer in time") {
		t.Errorf("got %v of kind %s", err, fault.KindOf(err))
	}
}

func TestCredentials(t *testing.T) {
	file := func(s *site, content string) *v1alpha1.ValueFrom {
		path := s.dir + "/secret"
		s.must(writeFile(path, []byte(content)))
		return &v1alpha1.ValueFrom{File: path}
	}
	for name, c := range map[string]struct {
		user    string
		spec    func(*site)
		environ []string
	}{
		"token of the environment": {environ: []string{"SETPOINT_GIT_TOKEN", "secret"}},
		"basic of the environment": {user: "ann", environ: []string{"SETPOINT_GIT_USERNAME", "ann", "SETPOINT_GIT_PASSWORD", "secret"}},
		"token in a variable": {environ: []string{"SHOP", "secret"}, spec: func(s *site) {
			s.spec.Credentials = &v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{Env: "SHOP"}}
		}},
		"token in a file": {spec: func(s *site) { s.spec.Credentials = &v1alpha1.Credentials{Token: file(s, "secret\n")} }},
		"token with a user": {user: "ann", environ: []string{"ANN", "ann"}, spec: func(s *site) {
			s.spec.Credentials = &v1alpha1.Credentials{Token: file(s, "secret"), Username: &v1alpha1.ValueFrom{Env: "ANN"}}
		}},
		"in the URL": {user: "ann", spec: func(s *site) { s.spec.URL = strings.Replace(s.spec.URL, "://", "://ann:secret@", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "http", gitserver.Options{Username: c.user, Password: "secret"})
			s.Write(map[string]string{"a": "1"})
			if c.spec != nil {
				c.spec(s)
			}
			u := s.open(s.spec, Options{Environ: env(c.environ...)})
			if content, _ := s.pulled(u, "a"); content != "1" {
				t.Errorf("got %q", content)
			}
		})
	}
}

func TestSSHKeys(t *testing.T) {
	s := newSite(t, "ssh", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	plain := s.spec
	plain.Credentials = nil
	plain.URL = s.repo.SSHURL()
	for name, u := range map[string]*upstream{
		"environment": s.open(plain, Options{Environ: env("SETPOINT_GIT_SSH_KEY", s.server.ClientKeyFile(), "SETPOINT_GIT_KNOWN_HOSTS", s.server.KnownHostsFile())}),
		"passphrase": s.open(plain, Options{Environ: env("SETPOINT_GIT_SSH_KEY", s.server.ClientKeyFile()+".locked",
			"SETPOINT_GIT_SSH_KEY_PASS", "passphrase", "SETPOINT_GIT_KNOWN_HOSTS", s.server.KnownHostsFile())}),
	} {
		if content, _ := s.pulled(u, "a"); content != "1" {
			t.Errorf("%s: got %q", name, content)
		}
	}
}

// TestCredentialsStayWithTheirHost lets another host ask for them: by a source of its own, and by a redirect.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	var shown atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			shown.Store(true)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer thief.Close()
	lure := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+r.URL.String(), http.StatusFound)
	}))
	defer lure.Close()
	environ := env("SETPOINT_GIT_TOKEN", "secret")
	s := newSite(t, "http", gitserver.Options{})
	for _, c := range []struct{ url, host string }{{thief.URL, "git.example.com"}, {lure.URL, ""}} {
		u := s.open(v1alpha1.GitSource{URL: c.url + "/shop.git"}, Options{Environ: environ, EnvironHost: c.host})
		if _, _, err := u.Pull(context.Background(), nil); fault.KindOf(err) != fault.Denied {
			t.Errorf("got %v of kind %s", err, fault.KindOf(err))
		}
	}
	if shown.Load() {
		t.Error("the token was shown to another host")
	}
}

func TestProxy(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		r.RequestURI = ""
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	defer proxy.Close()
	s.spec.Proxy = proxy.URL
	if content, _ := s.pulled(s.Upstream(source.DefaultLimits), "a"); content != "1" || asked.Load() == 0 {
		t.Errorf("got %q after %d requests to the proxy", content, asked.Load())
	}
}

func TestSubmodules(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{Password: "secret"})
	inner, outer := s.server.Repo("inner"), s.server.Repo("outer")
	innerCommit := inner.Commit(map[string]string{"deep": "in"}, "Inner")
	outer.Commit(map[string]string{"x": "out"}, "Outer")
	outerCommit := outer.Submodule("sub", "../inner.git", innerCommit, "Add")
	s.Write(map[string]string{"a": "1"})
	s.repo.Submodule("libs/outer", "../outer.git", outerCommit, "Add")
	s.Link("across", "libs/outer/sub/deep")
	environ := env("SETPOINT_GIT_TOKEN", "secret")

	plain, _, err := s.open(s.spec, Options{Environ: environ}).Pull(context.Background(), nil)
	s.must(err)
	if entries, err := plain.ReadDir("libs/outer"); err != nil || len(entries) != 0 {
		t.Errorf("without submodules: got %v and error %v, want an empty directory", entries, err)
	}

	s.spec.Submodules = true
	u := s.open(s.spec, Options{Environ: environ})
	a, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	for path, want := range map[string]string{"libs/outer/x": "out", "libs/outer/sub/deep": "in", "across": "in", "a": "1"} {
		if data, err := a.ReadFile(path); err != nil || string(data) != want {
			t.Errorf("%s: got %q and error %v", path, data, err)
		}
	}
	var walked []string
	s.must(fs.WalkDir(a, ".", func(path string, d fs.DirEntry, err error) error {
		walked = append(walked, path)
		return err
	}))
	if text := strings.Join(walked, " "); !strings.Contains(text, "libs/outer/sub/deep") {
		t.Errorf("a walk finds %s", text)
	}
	before, _ := a.Hash("libs")
	s.server.Stop()
	restarted := s.open(s.spec, Options{Environ: environ})
	if data, err := restarted.Last().ReadFile("libs/outer/sub/deep"); err != nil || string(data) != "in" {
		t.Errorf("from disk: got %q and error %v", data, err)
	}
	if after, _ := restarted.Last().Hash("libs"); after != before {
		t.Errorf("the hash was %s and is %s", before, after)
	}
}

func TestSubmoduleLimitsAndPaths(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	s.repo.Submodule("lib", "file:///etc", strings.Repeat("ab", 20), "Add")
	s.spec.Submodules = true
	_, _, err := s.Upstream(source.DefaultLimits).Pull(context.Background(), nil)
	golden(t, "submodule-of-this-machine", err)
}

func TestLocations(t *testing.T) {
	for text, want := range map[string]string{
		"https://ann:secret@Git.Example.com/shop.git": "https://git.example.com/shop.git",
		"git@git.example.com:team/shop.git":           "git@git.example.com:team/shop.git",
		"ssh://git@git.example.com:2222/shop.git":     "ssh://git@git.example.com:2222/shop.git",
		"ssh://bob:secret@git.example.com/~/shop":     "ssh://bob@git.example.com/~/shop",
		"file:///srv/git/../shop.git":                 "file:///srv/shop.git",
	} {
		l, err := parseLocation(text)
		if err != nil || l.String() != want {
			t.Errorf("%s: got %s and error %v", text, l, err)
		}
	}
	base, _ := parseLocation("https://git.example.com/team/shop.git")
	if l, err := base.relative("../lib.git"); err != nil || l.String() != "https://git.example.com/team/lib.git" {
		t.Errorf("got %s and error %v", l, err)
	}
	if _, err := url.Parse(base.String()); err != nil {
		t.Error(err)
	}
}
