package git

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"

	"github.com/setpoint-dev/setpoint/internal/source"
)

const (
	maxDepth    = 128      // directories below each other
	maxTreeSize = 32 << 20 // bytes of one directory's object
)

// tree is a decoded directory. It is shared and never changed.
type tree struct {
	entries []treeEntry // sorted by name
	totals
}

type treeEntry struct {
	name string
	mode filemode.FileMode
	hash plumbing.Hash
}

// totals sum up everything below a directory.
type totals struct {
	files   int
	bytes   int64
	depth   int
	links   bool   // symbolic links are among them
	largest int64  // bytes of the largest file
	where   string // its path
}

func (t *tree) find(name string) (treeEntry, bool) {
	i, ok := slices.BinarySearchFunc(t.entries, name, func(e treeEntry, name string) int { return cmp.Compare(e.name, name) })
	if !ok {
		return treeEntry{}, false
	}
	return t.entries[i], true
}

// tree gives a directory with its totals, decoding what the cache does not hold. That it succeeds means that every object
// below is in the store.
func (s *store) tree(hash plumbing.Hash) (*tree, error) { return s.treeAt(hash, 0) }

func (s *store) treeAt(hash plumbing.Hash, depth int) (*tree, error) {
	if t, ok := s.trees.get(hash); ok {
		return t, nil
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	content, err := s.read(hash, plumbing.TreeObject, maxTreeSize)
	if err != nil {
		return nil, err
	}
	t, err := decodeTree(content)
	if err != nil {
		return nil, err
	}
	for _, e := range t.entries {
		if err := s.sum(t, e, depth); err != nil {
			return nil, err
		}
	}
	s.trees.put(hash, t, int64(len(t.entries))+1)
	return t, nil
}

var (
	errTooDeep = errors.New("directories lie too deep below each other")
	errBadName = errors.New("a name in the tree is not a file name")
)

func (s *store) sum(t *tree, e treeEntry, depth int) error {
	switch e.mode {
	case filemode.Dir:
		sub, err := s.treeAt(e.hash, depth+1)
		if err != nil {
			return err
		}
		t.add(sub.totals, e.name)
		if t.depth > maxDepth {
			return errTooDeep
		}
	case filemode.Submodule:
	default:
		size, err := s.size(e.hash)
		if err != nil {
			return err
		}
		t.add(totals{files: 1, bytes: size, links: e.mode == filemode.Symlink, largest: size}, e.name)
	}
	return nil
}

// add sums up; numbers that would overflow (the same directory a million times over) stay at the highest.
func (t *totals) add(sub totals, name string) {
	t.files = min(t.files+min(sub.files, math.MaxInt32), math.MaxInt32)
	if t.bytes += sub.bytes; t.bytes < 0 || t.bytes > math.MaxInt64/2 {
		t.bytes = math.MaxInt64 / 2
	}
	t.depth = max(t.depth, sub.depth+1)
	t.links = t.links || sub.links
	if sub.largest > t.largest || t.where == "" {
		t.largest, t.where = sub.largest, path.Join(name, sub.where)
	}
}

// exceeds says how totals go beyond limits, in one sentence with the file's name and size; "" when they do not.
func (t *totals) exceeds(l source.Limits) string {
	switch {
	case t.largest > l.FileSize:
		return fmt.Sprintf("%s has %d bytes, and %d is the limit for one file", t.where, t.largest, l.FileSize)
	case t.files > l.Files:
		return fmt.Sprintf("it holds %d files, and %d is the limit", t.files, l.Files)
	case t.bytes > l.Bytes:
		return fmt.Sprintf("its files have %d bytes together, and %d is the limit", t.bytes, l.Bytes)
	}
	return ""
}

func decodeTree(content []byte) (*tree, error) {
	memory := &plumbing.MemoryObject{}
	memory.SetType(plumbing.TreeObject)
	if _, err := memory.Write(content); err != nil {
		return nil, err
	}
	var decoded gitobject.Tree
	if err := decoded.Decode(memory); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	t := &tree{entries: make([]treeEntry, 0, len(decoded.Entries))}
	for _, e := range decoded.Entries {
		if e.Name == "" || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00") {
			return nil, errBadName
		}
		t.entries = append(t.entries, treeEntry{e.Name, e.Mode, e.Hash})
	}
	slices.SortFunc(t.entries, func(a, b treeEntry) int { return cmp.Compare(a.name, b.name) })
	for i := 1; i < len(t.entries); i++ {
		if t.entries[i].name == t.entries[i-1].name {
			return nil, errBadName
		}
	}
	return t, nil
}

// decodeCommit reads a commit object.
func decodeCommit(content []byte) (*gitobject.Commit, error) {
	memory := &plumbing.MemoryObject{}
	memory.SetType(plumbing.CommitObject)
	if _, err := memory.Write(content); err != nil {
		return nil, err
	}
	commit := &gitobject.Commit{}
	if err := commit.Decode(memory); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return commit, nil
}
