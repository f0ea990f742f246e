package archive

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func (s *site) pull(u source.Upstream, known source.Artifact) source.Artifact {
	s.t.Helper()
	a, _ := sourcetest.Pull(s.t, u, known)
	return a
}

func (s *site) refused(u source.Upstream, known source.Artifact, kind fault.Kind) error {
	s.t.Helper()
	err := sourcetest.Refuse(s.t, u, known, kind)
	if text := fmt.Sprint(err, fault.HintOf(err), u, u.Key()); strings.Contains(text, "hidden") || strings.Contains(text, "s3cret") {
		s.t.Errorf("%q tells too much", text)
	}
	return err
}

func TestAnUnchangedLookIsOneRequestWithoutABody(t *testing.T) {
	s := newSite(t, packed.TarGz)
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.Limits{})
	known := s.pull(u, nil)
	for range 3 {
		if s.pull(u, known) != known {
			t.Error("it is not known itself")
		}
	}
	if requests, bodies := s.requests.Load(), s.bodies.Load(); requests != 4 || bodies != 1 {
		t.Errorf("%d requests and %d bodies", requests, bodies)
	}
	if ref := known.Revision().Ref; ref != "base.tar.gz" {
		t.Errorf("the file's name is %q", ref)
	}
	restarted := s.Upstream(source.Limits{})
	if last := restarted.Last(); s.pull(restarted, last) != last {
		t.Error("after a restart it is not known itself")
	}
}

func TestWhatIsRefusedIsNotDownloadedAgain(t *testing.T) {
	s := newSite(t, packed.TarGz)
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.Limits{})
	known := s.pull(u, nil)
	s.Link("out", "../out")
	first := s.refused(u, known, fault.Invalid)
	if again := s.refused(u, known, fault.Invalid); again.Error() != first.Error() || s.bodies.Load() != 2 {
		t.Errorf("%v, then %v with %d bodies", first, again, s.bodies.Load())
	}
	s.Delete("out")
	if s.pull(u, known) != known {
		t.Error("what was there before is another now")
	}
}

func TestAPinnedFileIsFetchedOnce(t *testing.T) {
	s := newSite(t, packed.Zip)
	id := s.Write(map[string]string{"a": "1"})
	spec := s.spec()
	spec.SHA256 = strings.ToUpper(strings.TrimPrefix(id, "sha256:"))
	u := s.open(spec, source.Limits{})
	known := s.pull(u, nil)
	s.Write(map[string]string{"a": "2"})
	for _, at := range []source.Artifact{known, nil} {
		if got := s.pull(u, at); got.Revision().ID != id {
			t.Errorf("got %s", got.Revision().ID)
		}
	}
	if s.requests.Load() != 1 {
		t.Errorf("%d requests", s.requests.Load())
	}
	spec.SHA256 = strings.Repeat("0", 64)
	lied := s.open(spec, source.Limits{})
	if err := s.refused(lied, known, fault.Invalid); !strings.Contains(err.Error(), spec.SHA256) {
		t.Errorf("%q does not name the digest", err)
	}
	if lied.Last() != nil || u.Last().Revision().ID != id {
		t.Error("something was kept, or lost")
	}
}

func TestCredentialsAreReadForEachPull(t *testing.T) {
	s := newSite(t, packed.Tar)
	s.Write(map[string]string{"a": "1"})
	s.replace(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(s.content)
	})
	_ = s.refused(s.Upstream(source.Limits{}), nil, fault.Denied)
	spec := s.spec()
	spec.Credentials = &v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{Env: "TOKEN"}}
	s.pull(s.open(spec, source.Limits{}), nil)
	spec.Credentials.Token.Env = "NONE"
	_ = s.refused(s.open(spec, source.Limits{}), nil, fault.Invalid)
}

func TestServersThatMisbehave(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
	}{
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			_, _ = io.WriteString(w, "PK\x03\x04")
		}, fault.Transient},
		"a page":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>not here</html>") }, fault.Invalid},
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, fault.Invalid},
		"ten gigabyte": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "10737418240") }, fault.Invalid},
		"not modified": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, fault.Invalid},
		"overloaded":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, fault.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, packed.Zip)
			s.Write(map[string]string{"a": "1"})
			u := s.Upstream(source.Limits{})
			known := s.pull(u, nil)
			s.replace(test.answer)
			var at source.Artifact
			if name != "not modified" {
				at = known
			}
			_ = s.refused(u, at, test.kind)
			if last := u.Last(); last == nil || last.Revision().ID != known.Revision().ID {
				t.Error("what was kept is lost")
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.caFile), "store", "*.tmp")); len(left) != 0 {
				t.Errorf("there is left %v", left)
			}
		})
	}
}

func TestAnArchiveWithoutFilesIsRefused(t *testing.T) {
	s := newSite(t, packed.Zip)
	s.publish()
	_ = s.refused(s.Upstream(source.Limits{}), nil, fault.Invalid)
}

func TestSourcesThatAreWrong(t *testing.T) {
	for _, spec := range []v1alpha1.ArchiveSource{
		{}, {URL: "ftp://example.com/a.tar"}, {URL: "http://example.com/a.tar"}, {URL: "https:///a.tar"},
		{URL: "https://me:s3cret@example.com/a.tar"}, {URL: "https://example.com/a.tar", SHA256: "abc"},
	} {
		u, err := New(spec, packed.Options{})
		if u != nil || fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v", spec, err)
		}
	}
	pinned := v1alpha1.ArchiveSource{URL: "http://example.com/a.tar", SHA256: strings.Repeat("0", 64)}
	if _, err := New(pinned, packed.Options{}); err != nil {
		t.Error(err)
	}
	other := pinned
	other.Credentials = &v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{Env: "X"}}
	one, _ := New(pinned, packed.Options{})
	two, _ := New(other, packed.Options{})
	if one.Key() == two.Key() {
		t.Error("with other credentials it is the same upstream")
	}
}

// TestWhatIsDamagedOnDiskIsPulledAgain: the server says "not modified" to whoever has it, and here nobody has it any more.
func TestWhatIsDamagedOnDiskIsPulledAgain(t *testing.T) {
	s := newSite(t, packed.TarGz)
	s.Write(map[string]string{"a": strings.Repeat("content", 100)})
	u := s.Upstream(source.Limits{})
	known := s.pull(u, nil)
	s.damage(known.Revision())
	if _, err := known.ReadFile("a"); fault.KindOf(err) != fault.Transient {
		t.Fatalf("%v of kind %s", err, fault.KindOf(err))
	}
	again := s.pull(u, known)
	if got, err := again.ReadFile("a"); err != nil || len(got) != 700 {
		t.Errorf("got %d bytes and %v", len(got), err)
	}
}

// damage overwrites the content of an artifact in the store.
func (s *site) damage(r state.Revision) {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(s.caFile), "store", strings.Replace(r.ID, ":", "-", 1)+"*.pack"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%v, %v", found, err)
	}
	overwrite(s.t, found[0])
}
