package bucket

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// seen is what the last listing was, and what became of it.
type seen struct {
	objects map[string]object
	id      string // of the revision
	err     error  // or why it was refused
}

// Pull lists the bucket, and fetches those objects that are not what they were in known.
func (u *upstream) Pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	artifact, err := u.pull(ctx, u.opts.Whole(known, u.name))
	return artifact, source.Note{}, err
}

func (u *upstream) pull(ctx context.Context, known source.Artifact) (source.Artifact, error) {
	c, err := u.connect()
	if err != nil {
		return nil, err
	}
	objects, newest, err := c.list(ctx, u.spec.Bucket, u.prefix, u.opts.Limits.Files)
	switch {
	case err != nil:
		return nil, err
	case len(objects) == 0:
		return nil, fault.New(fault.NotFound, "pull", u.name, "there is no object below it").
			WithHint("check bucket.prefix of the source; if everything is meant to go, delete what declares it")
	case maps.Equal(objects, u.seen.objects) && u.seen.err != nil:
		return nil, u.seen.err
	case maps.Equal(objects, u.seen.objects) && known != nil && known.Revision().ID == u.seen.id:
		return known, nil
	}
	artifact, err := u.take(ctx, c, taking{objects: objects, newest: newest, known: known})
	if err != nil {
		if fault.KindOf(err) == fault.Invalid {
			u.seen = seen{objects: objects, err: err}
		}
		return nil, err
	}
	u.seen = seen{objects: objects, id: artifact.Revision().ID}
	return artifact, nil
}

// taking is a listing on its way to an artifact.
type taking struct {
	objects map[string]object
	newest  time.Time
	known   source.Artifact
}

// take puts an artifact together in the order of the paths. What has the ETag that it had in known is copied from there.
func (u *upstream) take(ctx context.Context, c *client, t taking) (source.Artifact, error) {
	into, err := u.opts.Store.Create(u.key, u.opts.Limits)
	if err != nil {
		return nil, err
	}
	defer into.Abort()
	for _, path := range slices.Sorted(maps.Keys(t.objects)) {
		if err := u.add(ctx, c, into, addition{path, t.objects[path], t.known}); err != nil {
			return nil, packed.PullFault(u.name, err, "")
		}
	}
	revision := state.Revision{ID: "sha256:" + string(into.Digest()), Ref: u.ref(), Time: t.newest.UTC()}
	if t.known != nil && t.known.Revision().ID == revision.ID {
		return t.known, nil
	}
	return into.Commit(revision)
}

// addition is one object on its way into an artifact.
type addition struct {
	path  string
	found object
	known source.Artifact
}

func (u *upstream) add(ctx context.Context, c *client, into *packed.Writer, a addition) error {
	content, err := u.open(ctx, c, a)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // nothing is written to it
	return into.File(a.path, 0o644, a.found.size, content)
}

// open finds the content where it is nearest.
func (u *upstream) open(ctx context.Context, c *client, a addition) (io.ReadCloser, error) {
	same := a.known != nil && a.known.Revision().ID == u.seen.id && a.found.etag != "" && u.seen.objects[a.path] == a.found
	if !same {
		return c.read(ctx, u.spec.Bucket, a.found)
	}
	content, err := a.known.Open(a.path)
	if err != nil { // a damaged disk: the bucket has it still
		return c.read(ctx, u.spec.Bucket, a.found)
	}
	return content, nil
}

// ref is what is followed, for people.
func (u *upstream) ref() string { return strings.TrimSuffix(u.spec.Bucket+"/"+u.prefix, "/") }
