package oci

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Bounds of a list.
const (
	maxTags   = 100_000 // names that are kept to be sorted
	maxListed = 500     // tags that are looked up, the newest
	lookingUp = 8       // at once
)

// Listed is a tag of a repository.
type Listed struct {
	Tag      string        `json:"tag"`
	Version  string        `json:"version,omitempty"` // of a tag that is one: its + is _ in the tag
	Digest   digest.Digest `json:"digest"`
	Created  time.Time     `json:"created,omitzero"`
	Revision string        `json:"revision,omitempty"` // the commit that it was packed from
	Source   string        `json:"source,omitempty"`   // and the repository
	Dirty    bool          `json:"dirty,omitempty"`    // it is not what the commit holds
	Signed   bool          `json:"signed"`             // there is a signature beside it, that nobody has verified here
}

// List gives the repository's tags: versions first, the newest at the top, then others by name. No more than the first 500 are looked up;
// more says how many are left out. Errors are faults.
func (r *Repository) List(ctx context.Context) (list []Listed, more int, err error) {
	r = r.during("list")
	var tags []string
	signed := map[string]bool{}
	err = r.eachTags(ctx, func(page []string) {
		for _, tag := range page {
			switch {
			case !isTag(tag) || len(tags) >= maxTags:
			case strings.HasPrefix(tag, "sha256-"): // signatures and other statements, by the digest of what they are about
				signed[tag] = strings.HasSuffix(tag, ".sig")
			default:
				tags = append(tags, tag)
			}
		}
	})
	if err != nil {
		return nil, 0, err
	}
	slices.SortFunc(tags, newestFirst)
	if len(tags) > maxListed {
		more, tags = len(tags)-maxListed, tags[:maxListed]
	}
	found := make([]*Listed, len(tags))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookingUp)
	for i, tag := range tags {
		group.Go(func() error {
			one, err := r.At(tag).inspect(ctx)
			if fault.KindOf(err) == fault.NotFound { // it was taken away meanwhile
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			found[i] = &one
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	for _, one := range found {
		if one != nil {
			one.Signed = signed[signatureTag(one.Digest)]
			list = append(list, *one)
		}
	}
	return list, more, nil
}

// inspect looks up one tag.
func (r *Repository) inspect(ctx context.Context) (Listed, error) {
	at, err := r.resolve(ctx)
	if err != nil {
		return Listed{}, err
	}
	one := Listed{Tag: r.ref.Reference, Digest: at.Digest}
	if isVersion(one.Tag) {
		one.Version = versionOf(one.Tag)
	}
	if !isManifest(at.MediaType) && !isIndex(at.MediaType) {
		return one, nil
	}
	text, err := r.manifest(ctx, at)
	if err != nil {
		return Listed{}, err
	}
	said, err := decode[struct {
		Annotations map[string]string `json:"annotations"`
	}](text)
	if err != nil {
		return one, nil //nolint:nilerr // something else than configuration; its digest is all that can be said
	}
	if created, err := time.Parse(time.RFC3339, said.Annotations[ocispec.AnnotationCreated]); err == nil {
		one.Created = created.UTC()
	}
	one.Revision = oneLine(said.Annotations[ocispec.AnnotationRevision])
	one.Source = oneLine(said.Annotations[ocispec.AnnotationSource])
	one.Dirty = said.Annotations[AnnotationDirty] == "true"
	return one, nil
}

// newestFirst orders versions before other tags.
func newestFirst(a, b string) int {
	one, errA := semver.NewVersion(versionOf(a))
	two, errB := semver.NewVersion(versionOf(b))
	switch {
	case errA == nil && errB == nil:
		return cmp.Or(two.Compare(one), strings.Compare(a, b))
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return strings.Compare(a, b)
}
