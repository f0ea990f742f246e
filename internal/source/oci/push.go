package oci

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// PushOptions say how a directory is released.
type PushOptions struct {
	// Version is the tag of the release. A tag that is a version (1.4.0) never moves, unless Force says so.
	Version string
	// Tags are set beside it: latest, stable. They move.
	Tags []string
	// Annotations of the manifest. Equal content and equal annotations make equal digests, on every machine.
	Annotations map[string]string
	// Created is when the content was made, not when it is pushed; the zero time leaves it out.
	Created time.Time
	// Force moves a version that is there already.
	Force bool
	// Limits of the content. Default source.DefaultLimits.
	Limits source.Limits
}

// Pushed is what a release led to.
type Pushed struct {
	Reference string        `json:"reference"` // with the version
	Version   string        `json:"version"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`           // bytes of the packed content
	Uploaded  bool          `json:"uploaded"`       // false when it was there already
	Tags      []string      `json:"tags,omitempty"` // those that were set or moved
	Signed    bool          `json:"signed"`         // there is a signature by the key that was given
}

// Push packs files reproducibly, and releases them under a version. What the registry has already is not sent again. Errors are faults:
// Conflict when the version is there with another content.
func (r *Repository) Push(ctx context.Context, files fs.FS, opts PushOptions) (Pushed, error) {
	if opts.Limits == (source.Limits{}) {
		opts.Limits = source.DefaultLimits
	}
	for _, tag := range append([]string{opts.Version}, opts.Tags...) {
		if err := CheckTag(tag); err != nil {
			return Pushed{}, err
		}
	}
	archive, layer, err := pack(ctx, files, opts.Limits)
	if err != nil {
		return Pushed{}, r.forPerson(err)
	}
	defer func() { _ = errors.Join(archive.Close(), os.Remove(archive.Name())) }()
	text, manifest, err := manifestOf(layer, opts)
	if err != nil {
		return Pushed{}, err
	}
	r = r.during("push")
	at := r.At(TagOf(opts.Version))
	pushed := Pushed{Reference: at.String(), Version: opts.Version, Digest: manifest.Digest, Size: layer.Size}
	there, err := at.mayBecome(ctx, manifest.Digest, opts.Force)
	if err != nil {
		return Pushed{}, err
	}
	if !there {
		if err := r.upload(ctx, layer, archive); err != nil {
			return Pushed{}, err
		}
		if err := r.upload(ctx, ocispec.DescriptorEmptyJSON, bytes.NewReader(ocispec.DescriptorEmptyJSON.Data)); err != nil {
			return Pushed{}, err
		}
		if err := at.put(ctx, manifest, text); err != nil {
			return Pushed{}, err
		}
		pushed.Uploaded = true
	}
	for _, tag := range opts.Tags {
		moved, err := r.At(TagOf(tag)).point(ctx, manifest, text, opts.Force)
		if err != nil {
			return pushed, err
		}
		if moved {
			pushed.Tags = append(pushed.Tags, TagOf(tag))
		}
	}
	return pushed, nil
}

// Tag gives what the reference leads to another tag. It says whether that changed anything. A tag that is a version does not move, unless
// force says so.
func (r *Repository) Tag(ctx context.Context, tag string, force bool) (digest.Digest, bool, error) {
	if err := CheckTag(tag); err != nil {
		return "", false, err
	}
	r = r.during("tag")
	found, err := r.resolve(ctx)
	if err != nil {
		return "", false, err
	}
	text, err := r.manifest(ctx, found)
	if err != nil {
		return "", false, err
	}
	moved, err := r.At(TagOf(tag)).point(ctx, found, text, force)
	return found.Digest, moved, err
}

// CheckTag says whether registries allow a tag, or the version that it is made of (see TagOf). Its error is of kind Invalid.
func CheckTag(tag string) error {
	if isTag(TagOf(tag)) {
		return nil
	}
	return fault.New(fault.Invalid, "read", "the tag "+strconv.Quote(tag), "it is not a name that registries allow").
		WithHint("use letters, digits, dots, dashes and underscores, as in 1.4.0 or latest")
}

// point makes the tag lead to a manifest that the registry has, unless it does already.
func (r *Repository) point(ctx context.Context, manifest ocispec.Descriptor, text []byte, force bool) (moved bool, err error) {
	there, err := r.mayBecome(ctx, manifest.Digest, force)
	if err != nil || there {
		return false, err
	}
	return true, r.put(ctx, manifest, text)
}

// mayBecome says whether the tag leads to a digest already. It is an error when it is a version that leads to another.
func (r *Repository) mayBecome(ctx context.Context, wanted digest.Digest, force bool) (there bool, err error) {
	found, err := r.resolve(ctx)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return false, nil
	case err != nil:
		return false, err
	case found.Digest == wanted:
		return true, nil
	case isVersion(r.ref.Reference) && !force:
		return false, fault.New(fault.Conflict, cmp.Or(r.doing, "push"), r.String(),
			"this version is released already, with another content").
			WithHint("release a new version; --force replaces this one under everybody who uses it")
	}
	return false, nil
}

// upload sends a blob that the registry does not have.
func (r *Repository) upload(ctx context.Context, blob ocispec.Descriptor, content io.Reader) error {
	there, err := r.remote.Blobs().Exists(ctx, blob)
	if err == nil && !there {
		err = r.remote.Blobs().Push(ctx, blob, io.NopCloser(content))
	}
	return r.explain("push", preferring(ctx, err))
}

func (r *Repository) put(ctx context.Context, manifest ocispec.Descriptor, text []byte) error {
	return r.explain("push", preferring(ctx, r.remote.PushReference(ctx, manifest, bytes.NewReader(text), r.ref.Reference)))
}

// pack writes the archive into a temporary file, which the caller closes and removes.
func pack(ctx context.Context, files fs.FS, limits source.Limits) (*os.File, ocispec.Descriptor, error) {
	archive, err := os.CreateTemp("", "setpoint-push-")
	if err != nil {
		return nil, ocispec.Descriptor{}, fault.Wrap(fault.Internal, "pack", "a directory", err)
	}
	sum := digest.SHA256.Digester()
	err = packed.Pack(ctx, io.MultiWriter(archive, sum.Hash()), withoutRepository{files}, limits)
	size, failed := archive.Seek(0, io.SeekCurrent)
	_, rewound := archive.Seek(0, io.SeekStart)
	if err == nil {
		err = fault.Wrap(fault.Internal, "pack", "a directory", errors.Join(failed, rewound))
	}
	if err != nil {
		return nil, ocispec.Descriptor{}, errors.Join(err, archive.Close(), os.Remove(archive.Name()))
	}
	return archive, ocispec.Descriptor{MediaType: ContentType, Digest: sum.Digest(), Size: size}, nil
}

// manifestOf writes the manifest of a release.
func manifestOf(layer ocispec.Descriptor, opts PushOptions) ([]byte, ocispec.Descriptor, error) {
	annotations := maps.Clone(opts.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[ocispec.AnnotationVersion] = opts.Version
	if !opts.Created.IsZero() {
		annotations[ocispec.AnnotationCreated] = opts.Created.UTC().Format(time.RFC3339)
	}
	config := ocispec.DescriptorEmptyJSON
	config.Data = nil
	text, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Config: config, Layers: []ocispec.Descriptor{layer}, Annotations: annotations,
	})
	if err != nil {
		return nil, ocispec.Descriptor{}, fault.Wrap(fault.Internal, "push", "a manifest", err)
	}
	return text, describe(ocispec.MediaTypeImageManifest, text), nil
}

func describe(mediaType string, content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}
