package bucket

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

func (s *site) pull(u source.Upstream, known source.Artifact) source.Artifact {
	s.t.Helper()
	a, _ := sourcetest.Pull(s.t, u, known)
	return a
}

func (s *site) refused(u source.Upstream, known source.Artifact, kind fault.Kind) error {
	s.t.Helper()
	err := sourcetest.Refuse(s.t, u, known, kind)
	if text := fmt.Sprint(err, fault.HintOf(err)); strings.Contains(text, "s3cret") || strings.Contains(text, "0x") {
		s.t.Errorf("%q tells too much", text)
	}
	return err
}

func TestOnlyWhatChangedIsFetched(t *testing.T) {
	s := newSite(t)
	s.page = 1000
	s.Write(map[string]string{"a": "1", "b/c": "1", "d": "1"})
	u := s.Upstream(source.Limits{})
	known := s.pull(u, nil)
	if again := s.pull(u, known); again != known || s.lists != 2 || len(s.gets) != 3 {
		t.Errorf("%d listings and %v fetched", s.lists, s.gets)
	}
	s.gets = nil
	s.Write(map[string]string{"b/c": "2", "e": "new"})
	s.Delete("d")
	after := s.pull(u, known)
	if want := []string{folder + "b/c", folder + "e"}; !slices.Equal(s.gets, want) || s.lists != 3 {
		t.Errorf("%v fetched, want %v; %d listings", s.gets, want, s.lists)
	}
	if _, ok := after.Hash("d"); ok || after.Revision().Ref != "fleet/env/prod" || after.Revision().Time.IsZero() {
		t.Errorf("%+v", after.Revision())
	}
	if _, ok := after.Hash("uction/secret.yaml"); ok {
		t.Error("another environment's objects are there")
	}
	restarted := s.Upstream(source.Limits{})
	if last := restarted.Last(); s.pull(restarted, last) != last {
		t.Error("after a restart it is not known itself")
	}
}

func TestNamesThatAreNoPathsAreRefused(t *testing.T) {
	for _, name := range []string{"a/../b", "/a", "a//b", "../x", "a/./b", "folder/x/", "a\nb"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.Write(map[string]string{"a": "1"})
			u := s.Upstream(source.Limits{})
			known := s.pull(u, nil)
			s.with(func() { s.objects[folder+name] = "x" })
			first := s.refused(u, known, fault.Invalid)
			gets := len(s.gets)
			if again := s.refused(u, known, fault.Invalid); again.Error() != first.Error() || len(s.gets) != gets {
				t.Errorf("first %v, then %v", first, again)
			}
			s.with(func() { delete(s.objects, folder+name) })
			if s.pull(u, known) != known {
				t.Error("what was there before is another now")
			}
		})
	}
}

func TestFoldersAsObjectsDoNotCount(t *testing.T) {
	s := newSite(t)
	s.Write(map[string]string{"a/b": "1"})
	s.with(func() { s.objects[folder], s.objects[folder+"a/"] = "", "" })
	if got, err := s.pull(s.Upstream(source.Limits{}), nil).ReadFile("a/b"); err != nil || string(got) != "1" {
		t.Errorf("got %q and %v", got, err)
	}
}

func TestCredentials(t *testing.T) {
	s := newSite(t)
	s.Write(map[string]string{"a": "1"})
	s.pull(s.Upstream(source.Limits{}), nil)
	if s.auth != "" {
		t.Errorf("without credentials %q is shown", s.auth)
	}
	spec := s.spec()
	spec.Credentials = &v1alpha1.BucketCredentials{AccessKey: v1alpha1.ValueFrom{Env: "ACCESS"}, SecretKey: v1alpha1.ValueFrom{Env: "SECRET"}}
	u := s.open(spec, source.Limits{})
	s.pull(u, nil)
	if !strings.Contains(s.auth, "AKIDEXAMPLE/") || strings.Contains(s.auth, "s3cret") {
		t.Errorf("%q is shown", s.auth)
	}
	for code, kind := range map[string]fault.Kind{
		"AccessDenied": fault.Denied, "SignatureDoesNotMatch": fault.Denied, "SlowDown": fault.Transient, "InvalidArgument": fault.Invalid,
	} {
		status := map[fault.Kind]int{fault.Denied: 403, fault.Transient: 503, fault.Invalid: 400}[kind]
		s.with(func() { s.answer = func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) } })
		first := s.refused(u, nil, kind)
		if again := s.refused(u, nil, kind); again.Error() != first.Error() {
			t.Errorf("first %v, then %v", first, again)
		}
	}
	spec.Credentials.SecretKey.Env = "NONE"
	_ = s.refused(s.open(spec, source.Limits{}), nil, fault.Invalid)
}

func TestServersThatMisbehave(t *testing.T) {
	for name, test := range map[string]struct {
		listing bool // of the listing, or of the object
		answer  http.HandlerFunc
		kind    fault.Kind
	}{
		"an endless listing": {true, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<ListBucketResult>")
			for range 1 << 14 {
				if _, err := io.WriteString(w, "<Contents><Key>"+strings.Repeat("x", 1000)+"</Key></Contents>"); err != nil {
					return
				}
			}
		}, fault.Invalid},
		"an object cut off": {false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1")
			w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
			panic(http.ErrAbortHandler)
		}, fault.Transient},
		"an object longer than it was listed": {false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
			_, _ = io.WriteString(w, "12")
		}, fault.Invalid},
		"an object that changes": {false, func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		}, fault.Transient},
		"an object that goes": {false, func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "NoSuchKey") }, fault.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.Write(map[string]string{"a": "1"})
			u := s.Upstream(source.Limits{})
			known := s.pull(u, nil)
			s.Write(map[string]string{"a": "2"})
			s.with(func() {
				s.answer = func(w http.ResponseWriter, r *http.Request) {
					if isListing := r.URL.Query().Has("list-type"); isListing && !test.listing {
						s.list(w, r.URL.Query())
						return
					}
					test.answer(w, r)
				}
			})
			_ = s.refused(u, known, test.kind)
			if last := u.Last(); last == nil || last.Revision().ID != known.Revision().ID {
				t.Error("what was kept is lost")
			}
		})
	}
}

func TestSourcesThatAreWrong(t *testing.T) {
	for _, spec := range []v1alpha1.BucketSource{
		{}, {Endpoint: "https://s3.example.com"}, {Endpoint: "s3.example.com", Bucket: "b"}, {Endpoint: "https://me:s3cret@s3.example.com", Bucket: "b"},
		{Endpoint: "https://s3.example.com/b", Bucket: "b"}, {Endpoint: "https://s3.example.com", Bucket: "a/b"},
	} {
		u, err := New(spec, packed.Options{})
		if u != nil || fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}
