package oci

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestOpen(t *testing.T) {
	for text, want := range map[string]string{
		"oci://registry.example.com/fleet/base":         "",
		"oci://registry.example.com/fleet/base/":        "",
		"oci://127.0.0.1:5000/base:1.4.0":               "1.4.0",
		"oci://[::1]:5000/base:latest":                  "latest",
		"oci://r.example.com/b@sha256:" + hex64:         "sha256:" + hex64,
		"oci://r.example.com/b:1.0.0@sha256:" + hex64:   "sha256:" + hex64,
		"oci://registry.example.com/fleet/base:1.0.0_b": "1.0.0_b",
	} {
		if r, err := Open(text, Access{}); err != nil || r.Reference() != want {
			t.Errorf("%s: got %v and error %v", text, r, err)
		}
	}
	for _, text := range []string{
		"", "registry.example.com/base", "https://registry.example.com/base", "oci://", "oci://base", "oci://user:secret@r.example.com/base",
		"oci://r.example.com/Base", "oci://r.example.com/b@sha256:12", "oci://r.example.com/b:ta g", "oci://r?x/b", "oci:///b",
	} {
		r, err := Open(text, Access{})
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v and error %v", text, r, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v tells the password", text, err)
		}
	}
}

var hex64 = strings.Repeat("ab", 32)

func TestRef(t *testing.T) {
	for _, ref := range []v1alpha1.OCIRef{
		{Tag: "a", Semver: "1.x"}, {Digest: "sha256:12"}, {Digest: "sha512:" + hex64 + hex64}, {Filter: "a"}, {Semver: "no range"},
		{Semver: "1.x", Filter: "("}, {Semver: "1.x", Filter: strings.Repeat("a", 2000)}, {Tag: "ü"}, {Tag: "-a"}, {Tag: strings.Repeat("a", 129)},
	} {
		if _, err := parseRef(ref); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: got error %v", ref, err)
		}
	}
	if f, err := parseRef(v1alpha1.OCIRef{}); err != nil || f.tag != "latest" {
		t.Errorf("got %+v and error %v", f, err)
	}
}

func TestFollowVersions(t *testing.T) {
	tags := []string{
		"latest", "v1.0.0", "1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "1.11.0-beta", "3.0.0_build.5", "sha256-" + hex64 + ".sig", "eu-1.3.0", "",
	}
	for name, c := range map[string]struct {
		ref  v1alpha1.OCIRef
		want string
	}{
		"newest in range":           {v1alpha1.OCIRef{Semver: "1.x"}, "1.10.0"},
		"one of two tags":           {v1alpha1.OCIRef{Semver: "1.0.0"}, "1.0.0"},
		"no pre-release":            {v1alpha1.OCIRef{Semver: ">=1.11.0 <3"}, ""},
		"a pre-release when named":  {v1alpha1.OCIRef{Semver: ">=1.11.0-0 <3.0.0-0"}, "2.0.0-rc.1"},
		"the build is an underline": {v1alpha1.OCIRef{Semver: "3.x"}, "3.0.0_build.5"},
		"filtered":                  {v1alpha1.OCIRef{Semver: "1.x", Filter: `^v`}, "v1.0.0"},
		"nothing":                   {v1alpha1.OCIRef{Semver: "9.x"}, ""},
	} {
		f, err := parseRef(c.ref)
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range [][]string{tags, reversed(tags)} {
			found := best{follow: f}
			found.consider(order[:4])
			found.consider(order[4:])
			if found.tag != c.want {
				t.Errorf("%s: got %q, want %q", name, found.tag, c.want)
			}
		}
	}
}

func reversed(tags []string) []string {
	var out []string
	for i := range tags {
		out = append(out, tags[len(tags)-1-i])
	}
	return out
}

func TestChartVersion(t *testing.T) {
	for version, tag := range map[string]string{"1.2.3": "1.2.3", "1.2.3+b.1": "1.2.3_b.1", "": "", "6.x": "", "~1.2": "", "1.2": ""} {
		f, err := parseChartVersion(version)
		if err != nil || f.tag != tag || (tag == "") != (f.allowed != nil) {
			t.Errorf("%q: got %+v and error %v", version, f, err)
		}
	}
	if _, err := parseChartVersion("no version"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got error %v", err)
	}
}

func TestPickLayer(t *testing.T) {
	layers := func(types ...string) ocispec.Manifest {
		var m ocispec.Manifest
		for _, mediaType := range types {
			m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest("sha256:" + hex64)})
		}
		return m
	}
	for name, c := range map[string]struct {
		manifest ocispec.Manifest
		strip    int
		err      error
	}{
		"ours":                   {layers(ContentType), 0, nil},
		"flux":                   {layers("application/vnd.cncf.flux.content.v1.tar+gzip"), 0, nil},
		"argo":                   {layers(ocispec.MediaTypeImageLayerGzip), 0, nil},
		"docker":                 {layers("application/vnd.docker.image.rootfs.diff.tar.gzip"), 0, nil},
		"chart":                  {layers(chartType), 1, nil},
		"chart with provenance":  {layers(provenanceType, chartType), 1, nil},
		"nothing":                {layers(), 0, errNoLayer},
		"image":                  {layers(ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerGzip), 0, errImage},
		"something else":         {layers("application/wasm"), 0, errMedia},
		"provenance by itself":   {layers(provenanceType), 0, errMedia},
		"provenance of no chart": {layers(provenanceType, ContentType), 0, errImage},
	} {
		found, err := pickLayer(c.manifest)
		if err != c.err || found.strip != c.strip { //nolint:errorlint // the values themselves
			t.Errorf("%s: got %+v and error %v", name, found, err)
		}
	}
}

// TestPickManifest: attestations and the like beside an artifact do not make it ambiguous; a second artifact does.
func TestPickManifest(t *testing.T) {
	one := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Size: 1}
	attestation := ocispec.Descriptor{
		MediaType: one.MediaType, Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	}
	nested := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex}
	for name, c := range map[string]struct {
		manifests []ocispec.Descriptor
		ok        bool
	}{
		"one": {[]ocispec.Descriptor{attestation, one, nested}, true}, "two": {[]ocispec.Descriptor{one, one}, false},
		"none": {[]ocispec.Descriptor{nested}, false},
	} {
		found, err := pickManifest(ocispec.Index{Manifests: c.manifests})
		if (err == nil) != c.ok || c.ok && found.Size != 1 {
			t.Errorf("%s: got %+v and error %v", name, found, err)
		}
	}
}

func TestRevisionOf(t *testing.T) {
	r := revisionOf("sha256:1", "1.0.0", map[string]string{
		ocispec.AnnotationAuthors: "Ada\nMallory", ocispec.AnnotationCreated: "2026-01-02T03:04:05+01:00",
		ocispec.AnnotationRevision: "abc", ocispec.AnnotationSource: "https://git.example.com/a.git\x1b[31m",
	})
	if r.Author != "Ada" || r.Message != "abc of https://git.example.com/a.git[31m" || r.Time.Hour() != 2 {
		t.Errorf("got %+v", r)
	}
	r = revisionOf("sha256:1", "", map[string]string{ocispec.AnnotationDescription: strings.Repeat("ü", 1000)})
	if len([]rune(r.Message)) != maxAnnotation+1 || !r.Time.IsZero() {
		t.Errorf("got %+v", r)
	}
}

func FuzzPick(f *testing.F) {
	f.Add([]byte(`{"layers":[{"mediaType":"` + ContentType + `","digest":"sha256:` + hex64 + `","size":3}]}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"` + ocispec.MediaTypeImageManifest + `","annotations":{"a":"b"}}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if manifest, err := decode[ocispec.Manifest](text); err == nil {
			if found, err := pickLayer(manifest); err == nil && found.format == "" {
				t.Errorf("%s: a layer without a format", text)
			}
			_ = revisionOf("", "", manifest.Annotations)
		}
		if index, err := decode[ocispec.Index](text); err == nil {
			if one, err := pickManifest(index); err == nil && !isManifest(one.MediaType) {
				t.Errorf("%s: no manifest", text)
			}
		}
	})
}
