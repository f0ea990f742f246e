package oci

import (
	"context"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// eachTags gives the repository's tags, page by page. Errors are faults.
func (r *Repository) eachTags(ctx context.Context, take func(tags []string)) error {
	err := r.remote.Tags(ctx, "", func(tags []string) error {
		take(tags)
		return nil
	})
	return r.explain("list", preferring(ctx, err))
}

// preferring gives a deadline precedence over whatever broke because of it.
func preferring(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// resolve looks up what the reference leads to, with one small request.
func (r *Repository) resolve(ctx context.Context) (ocispec.Descriptor, error) {
	found, err := r.remote.Resolve(ctx, r.ref.Reference)
	if err != nil && strings.Contains(err.Error(), "missing required header") { // such a registry tells the digest only by the content
		var body io.ReadCloser
		if found, body, err = r.remote.FetchReference(ctx, r.ref.Reference); err == nil {
			err = body.Close()
		}
	}
	if err == nil && (found.Digest.Validate() != nil || found.Digest.Algorithm() != digest.SHA256) {
		err = errLies
	}
	if errors.Is(err, errdef.ErrNotFound) {
		return found, r.forPerson(fault.New(fault.NotFound, "pull", r.String(),
			"there is no such artifact, or these credentials may not see it").
			WithHint("check the reference: `setpoint list " + r.Name() + "` shows what there is"))
	}
	return found, r.explain("pull", preferring(ctx, err))
}

// manifest fetches a manifest or index, whose digest is checked.
func (r *Repository) manifest(ctx context.Context, at ocispec.Descriptor) ([]byte, error) {
	if err := fits(at, maxManifest); err != nil {
		return nil, r.explain("pull", err)
	}
	body, err := r.remote.Manifests().Fetch(ctx, at)
	if err != nil {
		return nil, r.explain("pull", preferring(ctx, err))
	}
	defer func() { _ = body.Close() }()
	read, err := content.ReadAll(body, at)
	return read, r.explain("pull", preferring(ctx, err))
}

// small fetches a blob of no more than limit bytes, whose digest is checked.
func (r *Repository) small(ctx context.Context, at ocispec.Descriptor, limit int64) ([]byte, error) {
	if err := fits(at, limit); err != nil {
		return nil, r.explain("pull", err)
	}
	body, err := r.remote.Blobs().Fetch(ctx, at)
	if err != nil {
		return nil, r.explain("pull", preferring(ctx, err))
	}
	defer func() { _ = body.Close() }()
	read, err := content.ReadAll(body, at)
	return read, r.explain("pull", preferring(ctx, err))
}

// fits says whether a descriptor, which somebody else wrote, names something that may be asked for.
func fits(at ocispec.Descriptor, limit int64) error {
	switch {
	case at.Digest.Validate() != nil:
		return errLies
	case at.Size < 0 || at.Size > limit:
		return errTooLong
	}
	return nil
}

// stream fetches a blob while it is read by use, and then checks its digest: until stream returns nil, nothing of it can be relied on.
func (r *Repository) stream(ctx context.Context, at ocispec.Descriptor, use func(io.Reader) error) error {
	if at.Digest.Validate() != nil {
		return r.explain("pull", errLies)
	}
	body, err := r.remote.Blobs().Fetch(ctx, at)
	if err != nil {
		return r.explain("pull", preferring(ctx, err))
	}
	defer func() { _ = body.Close() }()
	checked := &checkedReader{from: body, left: at.Size, sum: at.Digest.Algorithm().Hash()}
	failed := use(checked)
	if failed == nil || checked.err == nil {
		_, _ = io.Copy(io.Discard, checked) // its error is in checked
	}
	switch {
	case checked.err != nil && !errors.Is(checked.err, io.EOF):
		return r.explain("pull", preferring(ctx, checked.err))
	case checked.left > 0 || digest.NewDigest(at.Digest.Algorithm(), checked.sum) != at.Digest:
		return r.explain("pull", errLies)
	}
	return failed
}

// checkedReader reads no more than was announced, sums it up, and remembers how reading ended, which whoever reads through it may hide.
type checkedReader struct {
	from io.Reader
	left int64
	sum  hash.Hash
	err  error
}

func (c *checkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left+1)])
	if int64(n) > c.left {
		n, err = int(c.left), errLies
	}
	c.left -= int64(n)
	_, _ = c.sum.Write(p[:n]) // a hash never fails
	c.err = err
	return n, err
}

// kinds of manifests that are read; older ones of Docker are not.
var manifestTypes = []string{ocispec.MediaTypeImageManifest, "application/vnd.docker.distribution.manifest.v2+json"}

func isManifest(mediaType string) bool { return slices.Contains(manifestTypes, mediaType) }

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}
