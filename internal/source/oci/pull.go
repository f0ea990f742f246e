package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Pull looks up the reference, and fetches the artifact when it is another than known.
func (u *upstream) Pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	found, tag, err := u.look(ctx, known)
	if err != nil {
		return nil, source.Note{}, u.absent(err)
	}
	same := known != nil && known.Revision().ID == string(found.Digest) && known.Revision().Ref == shownAs(tag)
	if same && !u.mustVerify(found.Digest) {
		return known, source.Note{}, nil
	}
	if u.refused.digest == found.Digest && u.refused.err != nil {
		return nil, source.Note{}, u.refused.err
	}
	artifact, err := u.take(ctx, found, tag, known)
	if err != nil {
		// Not what was broken on its way: that may come in one piece the next time.
		if fault.KindOf(err) == fault.Invalid && !errors.Is(err, errLies) {
			u.refused.digest, u.refused.err = found.Digest, err
		}
		return nil, source.Note{}, err
	}
	if same {
		return known, source.Note{}, nil
	}
	return artifact, u.compare(known, artifact.Revision()), nil
}

// look finds out what is followed at the moment: one request, and for a range of versions one more that lists the tags.
func (u *upstream) look(ctx context.Context, known source.Artifact) (ocispec.Descriptor, string, error) {
	if u.follow.digest != "" && known != nil && known.Revision().ID == string(u.follow.digest) && !u.mustVerify(u.follow.digest) {
		return ocispec.Descriptor{Digest: u.follow.digest}, "", nil // a digest never changes
	}
	tag, err := u.follow.find(ctx, u.repo)
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	reference := tag
	if tag == "" {
		reference = string(u.follow.digest)
	}
	found, err := u.repo.At(reference).resolve(ctx)
	return found, tag, err
}

// absent says what it means that something is gone which was there before.
func (u *upstream) absent(err error) error {
	known, ok := errors.AsType[*fault.Error](err)
	if !ok || known.Kind != fault.NotFound || u.repo.access.field == "" {
		return err
	}
	hint := "check " + u.follow.field + " of the source: `setpoint list " + u.repo.Name() + "` shows what there is"
	if u.Last() != nil {
		hint = "it was there before: the last revision stays in force and nothing is deleted; push it again, or change " +
			u.follow.field + " of the source"
	}
	return known.WithHint(hint)
}

// take verifies an artifact, and brings it into the store unless it is the known one.
func (u *upstream) take(ctx context.Context, found ocispec.Descriptor, tag string, known source.Artifact) (source.Artifact, error) {
	repo := u.repo.At(tag)
	manifest, err := repo.imageOf(ctx, found)
	if err != nil {
		return nil, err
	}
	content, err := pickLayer(manifest)
	if err == nil && u.chart != "" && content.MediaType != chartType {
		err = errNotChart
	}
	if err != nil {
		return nil, repo.unusable(err)
	}
	if content.Size > u.opts.Limits.Bytes || content.Size < 0 {
		return nil, fault.New(fault.Invalid, "pull", repo.String(),
			fmt.Sprintf("its layer has %d bytes, and %d are allowed", content.Size, u.opts.Limits.Bytes)).
			WithHint("keep what is not configuration elsewhere; the revision before stays in force")
	}
	signer, err := u.verify(ctx, candidate{found: found, tag: tag, layer: content})
	if err != nil {
		return nil, err
	}
	revision := revisionOf(found.Digest, shownAs(tag), manifest.Annotations)
	if revision.Author == "" {
		revision.Author = cmp.Or(signer.Name, signer.Key) // a key in PEM has no name
	}
	if known != nil && known.Revision().ID == revision.ID && known.Revision().Ref == revision.Ref {
		return known, nil // only verified again
	}
	return u.store(ctx, content, revision)
}

// store unpacks a layer into the store while it is downloaded. Nothing is committed before the whole of it is known to be what its digest
// says.
func (u *upstream) store(ctx context.Context, from layer, revision state.Revision) (source.Artifact, error) {
	into, err := u.opts.Store.Create(u.key, u.opts.Limits)
	if err != nil {
		return nil, err
	}
	defer into.Abort()
	repo := u.repo.At(TagOf(revision.Ref))
	err = repo.stream(ctx, from.Descriptor, func(body io.Reader) error {
		return into.Unpack(ctx, body, from.format, from.strip)
	})
	if err != nil {
		return nil, packed.PullFault(repo.String(), err, "")
	}
	return into.Commit(revision)
}

// compare notes a version that was moved: versions are released once.
func (u *upstream) compare(known source.Artifact, now state.Revision) source.Note {
	if known == nil {
		return source.Note{}
	}
	before := known.Revision()
	if before.Ref == "" || before.Ref != now.Ref || before.ID == now.ID || !isVersion(now.Ref) {
		return source.Note{}
	}
	return source.Note{Rewritten: true, From: before}
}

// imageOf fetches the manifest that a descriptor leads to, through an index where it is one.
func (r *Repository) imageOf(ctx context.Context, at ocispec.Descriptor) (ocispec.Manifest, error) {
	text, err := r.manifest(ctx, at)
	if err != nil {
		return ocispec.Manifest{}, err
	}
	if isIndex(at.MediaType) {
		index, err := decode[ocispec.Index](text)
		if err != nil {
			return ocispec.Manifest{}, r.unusable(err)
		}
		if at, err = pickManifest(index); err != nil {
			return ocispec.Manifest{}, r.unusable(err)
		}
		if text, err = r.manifest(ctx, at); err != nil {
			return ocispec.Manifest{}, err
		}
	}
	if !isManifest(at.MediaType) {
		return ocispec.Manifest{}, r.unusable(errMedia)
	}
	manifest, err := decode[ocispec.Manifest](text)
	if err != nil {
		return ocispec.Manifest{}, r.unusable(err)
	}
	for _, one := range manifest.Layers {
		if one.Digest.Validate() != nil || one.Digest.Algorithm() != digest.SHA256 {
			return ocispec.Manifest{}, r.unusable(errManifest)
		}
	}
	return manifest, nil
}

// unusable says that an artifact holds no configuration, and what to do.
func (r *Repository) unusable(err error) error {
	hint := "an artifact of configuration has one layer: `setpoint push " + r.Name() + " --path DIR --version 1.0.0` makes one"
	if errors.Is(err, errNotChart) {
		hint = "`helm push` makes one of it; a folder of configuration is an oci source"
	}
	return &fault.Error{Op: "pull", Item: r.String(), Kind: fault.Invalid, Err: err, Hint: hint}
}
