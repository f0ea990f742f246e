package oci

import (
	"encoding/json"
	"errors"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// Media types of what Setpoint itself releases.
const (
	ArtifactType = "application/vnd.setpoint.config.v1+json"
	ContentType  = "application/vnd.setpoint.content.v1.tar+gzip"
)

// Media types of charts, as Helm writes them.
const (
	chartType      = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	provenanceType = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

// contents are the media types of layers that hold configuration, and how they are packed.
var contents = map[string]packed.Format{
	ContentType: packed.TarGz,
	"application/vnd.setpoint.content.v1.tar":           packed.Tar,
	"application/vnd.cncf.flux.content.v1.tar+gzip":     packed.TarGz,
	"application/vnd.cncf.flux.content.v1.tar":          packed.Tar,
	ocispec.MediaTypeImageLayerGzip:                     packed.TarGz, // Argo CD's, and that of images
	ocispec.MediaTypeImageLayer:                         packed.Tar,
	"application/vnd.docker.image.rootfs.diff.tar.gzip": packed.TarGz,
	chartType: packed.TarGz,
}

// layer is the one layer of an artifact that holds its content.
type layer struct {
	ocispec.Descriptor
	format     packed.Format
	strip      int                 // leading directories that are left out: a chart has one
	provenance *ocispec.Descriptor // of a chart, where there is one
}

// errors of artifacts that are not configuration.
var (
	errManifest = errors.New("its manifest cannot be read")
	errNoLayer  = errors.New("it has no layer")
	errImage    = errors.New("it has several layers, as an image of a container has")
	errMedia    = errors.New("its layer is not a tar archive of configuration")
	errPlatform = errors.New("it is an index of several artifacts")
	errNotChart = errors.New("it is not a chart")
)

// pickLayer finds the content of a manifest.
func pickLayer(manifest ocispec.Manifest) (layer, error) {
	var found layer
	rest := manifest.Layers
	if i := slices.IndexFunc(rest, hasType(provenanceType)); i >= 0 && slices.ContainsFunc(rest, hasType(chartType)) {
		found.provenance = &rest[i]
		rest = slices.DeleteFunc(slices.Clone(rest), hasType(provenanceType))
	}
	switch {
	case len(rest) == 0:
		return layer{}, errNoLayer
	case len(rest) > 1:
		return layer{}, errImage
	}
	format, known := contents[rest[0].MediaType]
	if !known {
		return layer{}, errMedia
	}
	found.Descriptor, found.format = rest[0], format
	if found.MediaType == chartType {
		found.strip = 1
	}
	return found, nil
}

func hasType(mediaType string) func(ocispec.Descriptor) bool {
	return func(d ocispec.Descriptor) bool { return d.MediaType == mediaType }
}

// pickManifest finds the one manifest of an index that may hold configuration: statements about others (attestations) do not count.
func pickManifest(index ocispec.Index) (ocispec.Descriptor, error) {
	usable := slices.DeleteFunc(slices.Clone(index.Manifests), func(d ocispec.Descriptor) bool {
		return !isManifest(d.MediaType) || d.Annotations["vnd.docker.reference.type"] != ""
	})
	if len(usable) != 1 {
		return ocispec.Descriptor{}, errPlatform
	}
	return usable[0], nil
}

func decode[T any](text []byte) (decoded T, err error) {
	if json.Unmarshal(text, &decoded) != nil {
		return decoded, errManifest
	}
	return decoded, nil
}
