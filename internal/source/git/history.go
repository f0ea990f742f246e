package git

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// historyDepth is how many commits between two looks are gone through to find out whether a branch was rewritten.
const historyDepth = 4096

// compare notes when a reference was moved to a commit that does not descend from the one before (a forced push).
//
// The store keeps no history, so the server is asked for one thing more, and only when the new commit is not simply a child of
// the old one: the commits that the new one reaches and the old one does not. The new one descends from the old exactly when
// one of those names the old as a parent. Where a server can send commits alone, this costs some hundred bytes a commit; what
// comes is not kept. A history that cannot be told (thousands of commits at once, a server that refuses) counts as rewritten,
// since that is what has to be said when nothing better is known; a server that does not answer is an error, and tried again.
func (u *upstream) compare(ctx context.Context, r remote, before state.Revision, a *artifact) (source.Note, error) {
	if before.ID == "" || before.ID == a.revision.ID || before.Ref != a.revision.Ref {
		return source.Note{}, nil
	}
	descends, err := u.descends(ctx, r, plumbing.NewHash(before.ID), a.commit)
	if err != nil {
		return source.Note{}, err
	}
	if descends {
		return source.Note{}, nil
	}
	return source.Note{Rewritten: true, From: before}, nil
}

func (u *upstream) descends(ctx context.Context, r remote, old, commit plumbing.Hash) (bool, error) {
	content, err := u.store.read(commit, plumbing.CommitObject, maxCommit)
	if err != nil {
		return false, err
	}
	if isParent(old, content) {
		return true, nil
	}
	if l, ok := r.(*local); ok {
		return l.descends(ctx, old, commit)
	}
	found := false
	req := fetchRequest{want: commit, haves: []plumbing.Hash{old}, depth: historyDepth, commits: true}
	err = r.fetch(ctx, req, func(pack io.Reader) error {
		found, err = u.store.anyChild(pack, old)
		return err
	})
	var said *serverError
	if errors.As(err, &said) || errors.Is(err, errTooLarge) {
		u.opts.Log.Info("the history cannot be told", "source", u.String(), "error", err)
		return false, nil
	}
	return found, err
}

// anyChild looks for a commit with the parent old in a pack that is not kept.
func (s *store) anyChild(in io.Reader, old plumbing.Hash) (bool, error) {
	dir, err := os.MkdirTemp(s.dir, "history-*")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir) // if it fails, the next start removes it
	path := filepath.Join(dir, "0.pack")
	written, err := receive(in, path, s.bounds(), nowhere)
	if err != nil || !written {
		return false, err
	}
	p, err := openPack(path, newLRU[baseKey, object](baseCache))
	if err != nil {
		return false, err
	}
	defer p.close()
	entries, err := p.index.EntriesByOffset()
	if err != nil {
		return false, err
	}
	defer entries.Close()
	for {
		e, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		o, err := p.at(int64(e.Offset), maxTreeSize)
		if err == nil && o.kind == plumbing.CommitObject && isParent(old, o.content) {
			return true, nil
		}
	}
}

func isParent(old plumbing.Hash, commit []byte) bool {
	c, err := decodeCommit(commit)
	if err != nil {
		return false
	}
	return slices.Contains(c.ParentHashes, old)
}
