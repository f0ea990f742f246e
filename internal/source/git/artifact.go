package git

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	maxHops = 40       // symbolic links followed for one path, as the kernel does
	maxLink = 4 << 10  // bytes of a symbolic link's target
	maxWalk = 64 << 10 // bytes of a path with its links resolved
)

// artifact is the tree of one commit, read straight out of the store.
type artifact struct {
	store    *store
	commit   plumbing.Hash
	root     plumbing.Hash
	revision state.Revision
	mounts   map[string]mount // submodules by path
	limit    int64            // bytes of one file
}

// mount is a submodule's tree at its place.
type mount struct {
	store  *store
	commit plumbing.Hash
	root   plumbing.Hash
	url    string
}

// node is one thing in the tree, and where its content is.
type node struct {
	store *store
	mode  filemode.FileMode
	hash  plumbing.Hash
}

// Revision says which commit this is.
func (a *artifact) Revision() state.Revision { return a.revision }

// commitsIn lists the commits that this artifact reads from a store.
func (a *artifact) commitsIn(s *store) (commits []plumbing.Hash) {
	if a.store == s {
		commits = append(commits, a.commit)
	}
	for _, m := range a.mounts {
		if m.store == s {
			commits = append(commits, m.commit)
		}
	}
	return commits
}

// walker goes down a path, component by component, and keeps the way back for "..".
type walker struct {
	a     *artifact
	nodes []node
	names []string
	hops  int
}

// resolve finds what a path leads to, through symbolic links; the last one is followed only when follow is set. The path given
// back is the real one.
func (a *artifact) resolve(op, name string, follow bool) (node, string, error) {
	if !fs.ValidPath(name) {
		return node{}, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	w := &walker{a: a, nodes: []node{{a.store, filemode.Dir, a.root}}}
	if err := w.walk(name, follow); err != nil {
		return node{}, "", &fs.PathError{Op: op, Path: name, Err: err}
	}
	return w.nodes[len(w.nodes)-1], path.Join(w.names...), nil
}

// errNotExist is fs.ErrNotExist with the kind that it has here.
var errNotExist = &fault.Error{Kind: fault.NotFound, Err: fs.ErrNotExist}

func (w *walker) walk(name string, follow bool) error {
	left := name
	for left != "" {
		var part string
		part, left, _ = strings.Cut(left, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			if len(w.names) == 0 {
				return errEscape
			}
			w.nodes, w.names = w.nodes[:len(w.nodes)-1], w.names[:len(w.names)-1]
			continue
		}
		if err := w.step(part); err != nil {
			return err
		}
		last := strings.Trim(left, "/.") == "" && !strings.Contains(left, "..")
		if w.nodes[len(w.nodes)-1].mode != filemode.Symlink || last && !follow {
			continue
		}
		target, err := w.followLink()
		if err != nil {
			return err
		}
		if err := w.through(target, left); err != nil {
			return err
		}
		return w.walkRest(left, follow)
	}
	return nil
}

// errEscape says that ".." led above the root; through names the link.
var errEscape = errors.New("leads outside")

// through walks a link's target from the link's directory.
func (w *walker) through(target, left string) error {
	link := path.Join(w.names...)
	w.nodes, w.names = w.nodes[:len(w.nodes)-1], w.names[:len(w.names)-1]
	escape := fault.New(fault.Invalid, "follow link", link, "its target "+target+" leads outside the source").
		WithHint("links may lead only to what is in the same repository")
	if path.IsAbs(target) {
		return escape
	}
	if len(target)+len(left) > maxWalk {
		return fault.New(fault.Invalid, "follow link", link, "the path is too long")
	}
	err := w.walk(target, true)
	if errors.Is(err, errEscape) {
		return escape
	}
	return err
}

func (w *walker) walkRest(left string, follow bool) error {
	if left == "" {
		return nil
	}
	return w.walk(left, follow)
}

// step goes into one entry of the current directory.
func (w *walker) step(name string) error {
	t, err := w.a.dir(w.nodes[len(w.nodes)-1], w.names)
	if err != nil {
		return err
	}
	e, ok := t.entries.find(name)
	if !ok {
		return errNotExist
	}
	w.nodes = append(w.nodes, node{t.store, e.mode, e.hash})
	w.names = append(w.names, name)
	return nil
}

func (w *walker) followLink() (string, error) {
	link := w.nodes[len(w.nodes)-1]
	if w.hops++; w.hops > maxHops {
		return "", fault.New(fault.Invalid, "follow link", path.Join(w.names...), "links lead round in a circle")
	}
	target, err := link.store.read(link.hash, plumbing.BlobObject, maxLink)
	return string(target), err
}

// place is a decoded directory and the store it is in.
type place struct {
	store   *store
	entries *tree
}

var emptyTree = &tree{}

// dir decodes a directory. A submodule is a directory: of its mount, or empty when submodules are not fetched.
func (a *artifact) dir(n node, names []string) (place, error) {
	switch n.mode {
	case filemode.Dir:
		t, err := n.store.tree(n.hash)
		return place{n.store, t}, err
	case filemode.Submodule:
		m, ok := a.mounts[path.Join(names...)]
		if !ok {
			return place{n.store, emptyTree}, nil
		}
		t, err := m.store.tree(m.root)
		return place{m.store, t}, err
	}
	return place{}, errNotExist // a path that goes on below a file
}

// Hash gives a digest of what is at a path, without reading it. A directory that has symbolic links below it changes with the
// whole tree, since what they lead to may lie anywhere.
func (a *artifact) Hash(name string) (string, bool) {
	n, actual, err := a.resolve("hash", name, true)
	if err != nil {
		return "", false
	}
	hash := n.mode.String() + ":" + n.hash.String()
	if !isDir(n.mode) {
		return hash, true
	}
	t, err := a.dir(n, []string{actual})
	if err != nil {
		return "", false
	}
	if t.entries.links || t.store != a.store {
		hash += ":" + a.root.String()
	}
	return hash, true
}

func isDir(m filemode.FileMode) bool { return m == filemode.Dir || m == filemode.Submodule }
