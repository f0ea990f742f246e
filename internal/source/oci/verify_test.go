package oci

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/test/registry"
)

func newKey(t *testing.T) (key crypto.Signer, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = signature.PublicPEM(key); err != nil {
		t.Fatal(err)
	}
	return key, public
}

// counted stands in front of a registry and counts what it is asked.
func counted(t *testing.T, r *registry.Registry) (name string, asked *atomic.Int64) {
	t.Helper()
	at, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	asked = &atomic.Int64{}
	through := httputil.NewSingleHostReverseProxy(at)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return "oci://" + strings.TrimPrefix(server.URL, "http://") + "/fleet/base", asked
}

// TestALookIsOneRequest: two for a range of versions.
func TestALookIsOneRequest(t *testing.T) {
	r := registry.Start(t)
	if _, err := open(t, r.Name("fleet/base")).Push(t.Context(), folder("1"), PushOptions{Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	name, asked := counted(t, r)
	for want, ref := range map[int64]v1alpha1.OCIRef{1: {Tag: "1.0.0"}, 2: {Semver: "1.x"}} {
		u := follower(t, v1alpha1.OCISource{URL: name, Ref: ref, Insecure: true}, Options{})
		known, _, err := u.Pull(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		again, _, err := u.Pull(t.Context(), known)
		if err != nil || again != known || asked.Load() != want {
			t.Errorf("%+v: %d requests, want %d; error %v", ref, asked.Load(), want, err)
		}
	}
}

// TestVerified: a signature by a key that is trusted at this moment lets an artifact in, and no other does.
func TestVerified(t *testing.T) {
	r := registry.Start(t)
	repo := open(t, r.Name("fleet/base"))
	mine, public := newKey(t)
	_, others := newKey(t)
	pushed, err := repo.Push(t.Context(), folder("1"), PushOptions{Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.At(string(pushed.Digest)).Sign(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if signed, err := repo.At(string(pushed.Digest)).Sign(t.Context(), mine); err != nil || signed {
		t.Errorf("signed again: %v, error %v", signed, err)
	}
	trusted := public
	opts := Options{
		Verify:  []*v1alpha1.Verification{{OCI: &v1alpha1.OCIVerification{Keys: &v1alpha1.PublicKeys{Env: "KEYS"}}}},
		Options: packed.Options{Getenv: func(name string) string { return map[string]string{"KEYS": trusted}[name] }},
	}
	name, asked := counted(t, r)
	u := follower(t, v1alpha1.OCISource{URL: name, Ref: v1alpha1.OCIRef{Tag: "1.0.0"}, Insecure: true}, opts)
	known, _, err := u.Pull(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	asked.Store(0)
	if again, _, err := u.Pull(t.Context(), known); err != nil || again != known || asked.Load() != 1 {
		t.Errorf("%d requests, error %v", asked.Load(), err)
	}
	trusted = others // the key was taken back
	if _, _, err := u.Pull(t.Context(), known); !errors.Is(err, signature.ErrUnverified) {
		t.Errorf("got error %v", err)
	}
	trusted = others + public
	if again, _, err := u.Pull(t.Context(), known); err != nil || again != known {
		t.Errorf("got error %v", err)
	}
	trusted = ""
	if _, _, err := u.Pull(t.Context(), known); err == nil {
		t.Error("the keys cannot be read, and there is no error")
	}
}

// TestSignaturesThatRefer: those that are found by what they refer to count as well, whether the registry keeps account or a tag does.
func TestSignaturesThatRefer(t *testing.T) {
	ctx := t.Context()
	repo := open(t, registry.Start(t).Name("fleet/base"))
	subject := repo.release(t, "1.0.0", nil, part{ContentType, sourcetest.TarGzOf(t, map[string]string{"a": "1"})})
	for _, one := range []struct{ artifact, layer string }{
		{sigstore, sigstore}, {"application/vnd.dev.cosign.artifact.sig.v1+json", simpleSigning}, {"application/spdx+json", "application/spdx+json"},
	} {
		content := []byte(`{"of":"` + one.artifact + `"}`)
		layer := describe(one.layer, content)
		if err := repo.upload(ctx, layer, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: one.artifact,
			Config: ocispec.DescriptorEmptyJSON, Layers: []ocispec.Descriptor{layer}, Subject: &subject,
		})
		if err != nil {
			t.Fatal(err)
		}
		at := describe(ocispec.MediaTypeImageManifest, text)
		if err := repo.At(string(at.Digest)).put(ctx, at, text); err != nil {
			t.Fatal(err)
		}
	}
	found, err := open(t, repo.Name()).signatures(ctx, subject)
	if err != nil || len(found) != 2 {
		t.Fatalf("got %d signatures and error %v", len(found), err)
	}
	if bundle := found[0].Sigstore; len(bundle) == 0 && len(found[1].Sigstore) == 0 {
		t.Errorf("got %+v", found)
	}
}
