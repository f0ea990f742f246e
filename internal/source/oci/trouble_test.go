package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/test/registry"
)

// hostile is a registry that answers as a test wants it to.
type hostile struct {
	manifest []byte
	blob     []byte
	asked    int // for blobs
	tags     http.HandlerFunc
	answer   func(w http.ResponseWriter, r *http.Request) bool // comes first, and says whether it answered
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case h.answer != nil && h.answer(w, r):
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
		w.Header().Set("Docker-Content-Digest", string(describe("", h.manifest).Digest))
		_, _ = w.Write(h.manifest)
	case strings.HasSuffix(r.URL.Path, "/tags/list") && h.tags != nil:
		h.tags(w, r)
	case strings.Contains(r.URL.Path, "/blobs/"):
		h.asked++
		_, _ = w.Write(h.blob)
	default:
		http.NotFound(w, r)
	}
}

// serve starts a hostile registry whose artifact is a good one.
func serve(t *testing.T) (*hostile, string) {
	t.Helper()
	h := &hostile{blob: sourcetest.TarGzOf(t, map[string]string{"a": "1"})}
	h.describe(t, describe(ContentType, h.blob))
	server := httptest.NewServer(h)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return h, "oci://" + strings.TrimPrefix(server.URL, "http://") + "/fleet/base"
}

func (h *hostile) describe(t *testing.T, layers ...ocispec.Descriptor) {
	t.Helper()
	text, err := json.Marshal(ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: ocispec.DescriptorEmptyJSON, Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	h.manifest = text
}

// TestHostileRegistry: whatever it answers, the error says what is wrong, always in the same words, and nothing of it is kept.
func TestHostileRegistry(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, h *hostile)
		ref     v1alpha1.OCIRef
		kind    fault.Kind
	}{
		"a good one": {func(*testing.T, *hostile) {}, v1alpha1.OCIRef{}, ""},
		"another content of the same length": {func(_ *testing.T, h *hostile) {
			h.blob = bytes.Clone(h.blob)
			h.blob[9] ^= 1 // the operating system in a header of gzip, which nobody reads
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"a longer content": {func(_ *testing.T, h *hostile) { h.blob = append(h.blob, 1) }, v1alpha1.OCIRef{}, fault.Invalid},
		"a longer content without a length": {func(_ *testing.T, h *hostile) {
			h.answer = blobs(func(w http.ResponseWriter, _ *http.Request) {
				for range 100 {
					_, _ = w.Write(h.blob)
					_ = http.NewResponseController(w).Flush()
				}
			})
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"an end too early": {func(_ *testing.T, h *hostile) {
			h.answer = blobs(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(h.blob)))
				_, _ = w.Write(h.blob[:len(h.blob)/2])
			})
		}, v1alpha1.OCIRef{}, fault.Transient},
		"a manifest that lies about itself": {func(_ *testing.T, h *hostile) {
			text := bytes.Clone(h.manifest)
			h.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead || !strings.Contains(r.URL.Path, "/manifests/") {
					return false
				}
				w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
				text[len(text)-2]++
				_, _ = w.Write(text)
				return true
			}
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"ten gigabytes": {func(t *testing.T, h *hostile) {
			h.describe(t, ocispec.Descriptor{MediaType: ContentType, Digest: describe("", h.blob).Digest, Size: 10 << 30})
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"a negative size": {func(t *testing.T, h *hostile) {
			h.describe(t, ocispec.Descriptor{MediaType: ContentType, Digest: describe("", h.blob).Digest, Size: -1})
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"no digest": {func(t *testing.T, h *hostile) {
			h.describe(t, ocispec.Descriptor{MediaType: ContentType, Digest: "sha256:../../x", Size: 3})
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"an image": {func(t *testing.T, h *hostile) {
			one := describe(ocispec.MediaTypeImageLayerGzip, h.blob)
			h.describe(t, one, one)
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"no JSON": {func(_ *testing.T, h *hostile) { h.manifest = []byte("<html>") }, v1alpha1.OCIRef{}, fault.Invalid},
		"an archive that leads outside": {func(t *testing.T, h *hostile) {
			h.blob = sourcetest.TarGzOf(t, map[string]string{"../../outside": "1"})
			h.describe(t, describe(ContentType, h.blob))
		}, v1alpha1.OCIRef{}, fault.Invalid},
		"no answer": {func(_ *testing.T, h *hostile) {
			h.answer = blobs(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		}, v1alpha1.OCIRef{}, fault.Transient},
		"an overload": {func(_ *testing.T, h *hostile) {
			h.answer = func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
		}, v1alpha1.OCIRef{}, fault.Transient},
		"tags without an end": {func(_ *testing.T, h *hostile) {
			h.tags = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", `<`+r.URL.Path+`?last=1.0.0>; rel="next"`)
				_, _ = w.Write([]byte(`{"name":"fleet/base","tags":["1.0.0"]}`))
			}
		}, v1alpha1.OCIRef{Semver: "1.x"}, fault.Invalid},
		"tags elsewhere": {func(_ *testing.T, h *hostile) {
			h.tags = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", `<http://169.254.169.254/latest/meta-data>; rel="next"`)
				_, _ = w.Write([]byte(`{"name":"fleet/base","tags":["1.0.0"]}`))
			}
		}, v1alpha1.OCIRef{Semver: "1.x"}, fault.Invalid},
		"a token server elsewhere": {func(_ *testing.T, h *hostile) {
			h.answer = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://169.254.169.254/token"`)
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
		}, v1alpha1.OCIRef{}, fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, at := serve(t)
			c.prepare(t, h)
			u := follower(t, v1alpha1.OCISource{URL: at, Ref: c.ref, Insecure: true}, Options{Options: packed.Options{Timeout: time.Second}})
			artifact, _, err := u.Pull(t.Context(), nil)
			if fault.KindOf(err) != c.kind {
				t.Fatalf("got an error of kind %q, want %q: %v", fault.KindOf(err), c.kind, err)
			}
			if err == nil {
				return
			}
			if artifact != nil || u.Last() != nil {
				t.Error("something of it is kept")
			}
			if _, _, again := u.Pull(t.Context(), nil); again == nil || again.Error() != err.Error() {
				t.Errorf("first %q, then %q", err, again)
			}
			if host := strings.Split(at, "/")[2]; strings.Count(err.Error(), host) > strings.Count(err.Error(), at) {
				t.Errorf("%q tells more than the name", err)
			}
		})
	}
}

func blobs(answer http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		answer(w, r)
		return true
	}
}

// TestRefusedIsNotFetchedAgain: what is wrong in itself costs its download once.
func TestRefusedIsNotFetchedAgain(t *testing.T) {
	h, at := serve(t)
	h.blob = []byte("no archive")
	h.describe(t, describe(ContentType, h.blob))
	u := follower(t, v1alpha1.OCISource{URL: at, Insecure: true}, Options{})
	for range 3 {
		if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Invalid {
			t.Fatalf("got error %v", err)
		}
	}
	if h.asked != 1 {
		t.Errorf("fetched %d times", h.asked)
	}
}

// TestABrokenTransferIsTriedAgain: what was not what its digest says is fetched anew.
func TestABrokenTransferIsTriedAgain(t *testing.T) {
	h, at := serve(t)
	good := h.blob
	h.blob = bytes.Clone(good)
	h.blob[len(good)/2] ^= 1
	u := follower(t, v1alpha1.OCISource{URL: at, Insecure: true}, Options{})
	if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("got error %v", err)
	}
	h.blob = good
	if _, _, err := u.Pull(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestCredentials: whom they are meant for sees them, and nobody else.
func TestCredentials(t *testing.T) {
	r := registry.With(t, registry.Options{User: "fleet", Password: "swordfish"})
	environment := map[string]string{"SETPOINT_OCI_USERNAME": "fleet", "SETPOINT_OCI_PASSWORD": "swordfish", "WRONG": "wrong"}
	getenv := func(name string) string { return environment[name] }
	repo, err := Open(r.Name("fleet/base"), Access{PlainHTTP: true, Getenv: getenv, EnvironHost: r.Addr})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Push(t.Context(), folder("1"), PushOptions{Version: "1.0.0", Tags: []string{"latest"}}); err != nil {
		t.Fatal(err)
	}
	docker := filepath.Join(t.TempDir(), "config.json")
	text := fmt.Sprintf(`{"auths":{%q:{"auth":"ZmxlZXQ6c3dvcmRmaXNo"}},"credsStore":"does-not-exist"}`, r.Addr)
	if err := os.WriteFile(docker, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	own := &v1alpha1.Credentials{
		Username: &v1alpha1.ValueFrom{Env: "SETPOINT_OCI_USERNAME"}, Password: &v1alpha1.ValueFrom{Env: "SETPOINT_OCI_PASSWORD"},
	}
	wrong := &v1alpha1.Credentials{Username: own.Username, Token: &v1alpha1.ValueFrom{Env: "WRONG"}}
	for name, c := range map[string]struct {
		own  *v1alpha1.Credentials
		opts Options
		kind fault.Kind
	}{
		"of the source":                 {own, Options{}, ""},
		"of the environment":            {nil, Options{EnvironHost: r.Addr}, ""},
		"of another's environment":      {nil, Options{EnvironHost: "registry.example.com"}, fault.Denied},
		"none":                          {nil, Options{}, fault.Denied},
		"of Docker":                     {nil, Options{DockerConfig: docker}, ""},
		"of Docker, which is not asked": {nil, Options{DockerConfig: "-"}, fault.Denied},
		"wrong":                         {wrong, Options{EnvironHost: r.Addr, DockerConfig: docker}, fault.Denied},
		"of a program that is not there": {
			nil, Options{DockerConfig: docker, CredentialHelpers: true}, fault.Invalid,
		},
	} {
		c.opts.Getenv = getenv
		u := follower(t, v1alpha1.OCISource{URL: r.Name("fleet/base"), Insecure: true, Credentials: c.own}, c.opts)
		_, _, err := u.Pull(t.Context(), nil)
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: got an error of kind %q, want %q: %v", name, fault.KindOf(err), c.kind, err)
		}
		if err != nil && (fault.HintOf(err) == "" || strings.Contains(err.Error()+fault.HintOf(err), "swordfish")) {
			t.Errorf("%s: %v (hint %s)", name, err, fault.HintOf(err))
		}
	}
}

// TestRedirectedElsewhere: a registry cannot send anybody to another server that is not protected by TLS.
func TestRedirectedElsewhere(t *testing.T) {
	h, at := serve(t)
	var asked atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer elsewhere.Close()
	h.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if _, _, signed := r.BasicAuth(); !signed {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return blobs(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		})(w, r)
	}
	getenv := func(name string) string {
		return map[string]string{"SETPOINT_OCI_USERNAME": "fleet", "SETPOINT_OCI_PASSWORD": "swordfish"}[name]
	}
	opts := Options{Options: packed.Options{Getenv: getenv}, EnvironHost: strings.Split(at, "/")[2]}
	u := follower(t, v1alpha1.OCISource{URL: at, Insecure: true}, opts)
	if _, _, err := u.Pull(t.Context(), nil); fault.KindOf(err) != fault.Denied {
		t.Errorf("got error %v", err)
	}
	if asked.Load() {
		t.Error("the other server was asked")
	}
}

// TestUnverified: what is not signed as it has to be is not committed, and a verification that names no keys for this kind refuses it.
func TestUnverified(t *testing.T) {
	repo := open(t, registry.Start(t).Name("fleet/base"))
	if _, err := repo.Push(t.Context(), folder("1"), PushOptions{Version: "latest"}); err != nil {
		t.Fatal(err)
	}
	for name, demanded := range map[string]*v1alpha1.Verification{
		"no signature": {OCI: &v1alpha1.OCIVerification{Keys: &v1alpha1.PublicKeys{Text: publicKey}}},
		"another kind": {Git: &v1alpha1.GitVerification{}},
	} {
		u := follower(t, v1alpha1.OCISource{URL: repo.Name(), Insecure: true}, Options{Verify: []*v1alpha1.Verification{demanded}})
		var known source.Artifact
		for range 2 {
			artifact, _, err := u.Pull(context.Background(), known)
			if !errors.Is(err, signature.ErrUnverified) || artifact != nil || u.Last() != nil {
				t.Errorf("%s: got %v and error %v", name, artifact, err)
			}
		}
	}
}

// TestUnverifiedChart: a chart without provenance, or with one that nobody trusts, is not committed.
func TestUnverifiedChart(t *testing.T) {
	r := registry.Start(t)
	repo := open(t, r.Name("charts/shop"))
	chart := part{chartType, sourcetest.TarGzOf(t, map[string]string{"shop/Chart.yaml": "name: shop"})}
	repo.release(t, "1.0.0", nil, chart)
	repo.release(t, "2.0.0", nil, chart, part{provenanceType, []byte("trust me")})
	demanded := []*v1alpha1.Verification{{Helm: &v1alpha1.HelmVerification{PGPKeys: &v1alpha1.PublicKeys{Text: "no key"}}}}
	for _, version := range []string{"1.0.0", "2.0.0"} {
		spec := v1alpha1.HelmSource{URL: r.Name("charts"), Chart: "shop", Version: version, Insecure: true}
		u, err := NewChart(spec, withStore(t, Options{Verify: demanded}))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := u.Pull(t.Context(), nil); !errors.Is(err, signature.ErrUnverified) || u.Last() != nil {
			t.Errorf("%s: got error %v", version, err)
		}
	}
}

const publicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr
kBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==
-----END PUBLIC KEY-----
`
