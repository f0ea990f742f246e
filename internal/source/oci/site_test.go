package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/test/registry"
)

// none is a Getenv of an empty environment: nothing of whoever runs the tests.
func none(string) string { return "" }

// open opens a repository of a test's registry.
func open(t *testing.T, name string) *Repository {
	t.Helper()
	r, err := Open(name, Access{PlainHTTP: true, Getenv: none})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// part is one layer of an artifact.
type part struct {
	mediaType string
	content   []byte
}

// release pushes an artifact of any shape, and gives its manifest.
func (r *Repository) release(t *testing.T, tag string, annotations map[string]string, parts ...part) ocispec.Descriptor {
	t.Helper()
	ctx := context.Background()
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.DescriptorEmptyJSON, Annotations: annotations,
	}
	if err := r.upload(ctx, ocispec.DescriptorEmptyJSON, bytes.NewReader([]byte("{}"))); err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		blob := describe(p.mediaType, p.content)
		if err := r.upload(ctx, blob, bytes.NewReader(p.content)); err != nil {
			t.Fatal(err)
		}
		manifest.Layers = append(manifest.Layers, blob)
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	at := describe(manifest.MediaType, text)
	if err := r.At(tag).put(ctx, at, text); err != nil {
		t.Fatal(err)
	}
	return at
}

// site is a repository in which every change is released as the next version.
type site struct {
	*sourcetest.Tree

	t        *testing.T
	registry *registry.Registry
	repo     *Repository
	dir      string
	number   int
	pushed   []ocispec.Descriptor
}

func newSite(t *testing.T) sourcetest.Site {
	r := registry.Start(t)
	s := &site{t: t, registry: r, repo: open(t, r.Name("fleet/base")), dir: t.TempDir()}
	s.Tree = sourcetest.NewTree(func() string {
		s.number++
		return s.push()
	})
	return s
}

// Traits: a layer in which a link leads outside is refused as a whole.
func (s *site) Traits() sourcetest.Traits { return sourcetest.Traits{StrictLinks: true} }

func (s *site) tag() string { return fmt.Sprintf("1.0.%d", s.number) }

func (s *site) push() string {
	s.t.Helper()
	at := s.repo.release(s.t, s.tag(), map[string]string{
		ocispec.AnnotationAuthors: "Ada <ada@example.com>", ocispec.AnnotationRevision: fmt.Sprint("change ", len(s.pushed)),
		ocispec.AnnotationCreated: time.Date(2026, 1, 2, 3, 4, len(s.pushed), 0, time.UTC).Format(time.RFC3339),
	}, part{ContentType, sourcetest.TarGz(s.t, s.Entries("")...)})
	s.pushed = append(s.pushed, at)
	return string(at.Digest)
}

// Rewrite moves the newest version, as nobody should.
func (s *site) Rewrite(files map[string]string) string {
	s.Files = maps.Clone(files)
	return s.push()
}

func (s *site) Remove() {
	for _, at := range s.pushed {
		if err := s.repo.remote.Delete(context.Background(), at); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) Stop()  { s.registry.Stop() }
func (s *site) Start() { s.registry.Start() }

func (s *site) Upstream(limits source.Limits) source.Upstream {
	s.t.Helper()
	store, err := packed.Open(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := New(v1alpha1.OCISource{URL: s.repo.Name(), Ref: v1alpha1.OCIRef{Semver: "1.x"}, Insecure: true},
		Options{Options: packed.Options{Store: store, Limits: limits, Getenv: none}})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func TestSource(t *testing.T) { sourcetest.Run(t, newSite) }
