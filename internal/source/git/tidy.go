package git

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

const (
	// maxPacks is how many packs may gather before the objects still in use are written into one and the rest is removed.
	maxPacks = 24
	// maxGarbage is how many bytes a store may have beyond twice what was in use when it was tidied last.
	maxGarbage = 256 << 20
)

// tidy keeps the store from growing for ever. It needs no network, and it is safe against a kill: the new pack is whole before
// the first old one goes. While another pull is under way it does nothing; the next pull tidies.
func (s *store) tidy() error {
	if !s.pulls.TryLock() {
		return nil
	}
	defer s.pulls.Unlock()
	damaged := s.damaged.Load()
	if !damaged && len(s.packs) < maxPacks && s.bytes() < 2*s.inUse+maxGarbage {
		return nil
	}
	var all []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for _, commit := range s.kept() {
		objects, err := s.closure(commit, seen)
		if err != nil {
			continue // a commit whose objects are gone cannot be kept; who needs it pulls it again
		}
		all = append(all, objects...)
	}
	if len(all) == 0 {
		return nil
	}
	old := s.packs
	if err := streamPack(context.Background(), all, s.openObject, s.add); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packs = s.packs[:1:1]
	for _, p := range old {
		if p.path != s.packs[0].path {
			p.remove()
		}
	}
	s.damaged.Store(false)
	s.inUse = s.bytes()
	return nil
}

func (p *pack) remove() {
	p.close()
	_ = os.Remove(p.path) // first: an index without its pack is removed at the next start
	_ = os.Remove(strings.TrimSuffix(p.path, ".pack") + ".idx")
}

// bytes gives the size of all packs. Packs are added and removed only by who holds pulls.
func (s *store) bytes() (sum int64) {
	for _, p := range s.packs {
		if info, err := p.file.Stat(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// closure lists a commit and everything in its tree that is not seen yet. A commit that is not complete adds nothing.
func (s *store) closure(commit plumbing.Hash, seen map[plumbing.Hash]bool) ([]plumbing.Hash, error) {
	content, err := s.read(commit, plumbing.CommitObject, maxCommit)
	if err != nil {
		return nil, err
	}
	c, err := decodeCommit(content)
	if err != nil {
		return nil, err
	}
	if _, err := s.tree(c.TreeHash); err != nil {
		return nil, err
	}
	var found []plumbing.Hash
	add := func(h plumbing.Hash) bool {
		if seen[h] {
			return false
		}
		seen[h] = true
		found = append(found, h)
		return true
	}
	add(commit)
	var walk func(plumbing.Hash) error
	walk = func(h plumbing.Hash) error {
		if !add(h) {
			return nil
		}
		t, err := s.tree(h)
		if err != nil {
			return err
		}
		for _, e := range t.entries {
			switch e.mode {
			case filemode.Submodule:
			case filemode.Dir:
				if err := walk(e.hash); err != nil {
					return err
				}
			default:
				add(e.hash)
			}
		}
		return nil
	}
	return found, walk(c.TreeHash)
}

// openObject reads an object of any kind, for a pack.
func (s *store) openObject(h plumbing.Hash) (plumbing.ObjectType, int64, io.ReadCloser, error) {
	limit := s.bounds().object
	for _, kind := range []plumbing.ObjectType{plumbing.BlobObject, plumbing.TreeObject, plumbing.CommitObject} {
		content, err := s.read(h, kind, limit)
		if err == nil {
			return kind, int64(len(content)), io.NopCloser(bytes.NewReader(content)), nil
		}
	}
	return 0, 0, nil, errMissing
}

// sweep removes what a killed process left behind beside the packs.
func (s *store) sweep() {
	for _, pattern := range []string{"history-*", "incoming-*"} {
		names, _ := filepath.Glob(filepath.Join(s.dir, pattern)) // the pattern is right
		for _, name := range names {
			_ = os.RemoveAll(name)
		}
	}
}
