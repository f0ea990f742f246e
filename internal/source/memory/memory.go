// Package memory holds artifacts that are made of text in a program: for tests, and for content that comes from elsewhere.
package memory

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxLinks bounds how many links one path may lead over.
const maxLinks = 40

// Artifact is a tree in memory. Safe for concurrent use.
type Artifact struct {
	revision state.Revision
	nodes    map[string]*node
}

var (
	_ source.Artifact = (*Artifact)(nil)
	_ fs.ReadLinkFS   = (*Artifact)(nil)
)

// node is a file, a directory or a symbolic link; it is its own fs.FileInfo and fs.DirEntry.
type node struct {
	name     string
	mode     fs.FileMode
	data     string // the content, or the link's target
	children []*node
	hash     state.Digest
}

// New makes an artifact of files by their paths ("apps/web.yaml").
func New(revision state.Revision, files map[string]string) *Artifact {
	return NewLinked(revision, files, nil)
}

// NewLinked makes an artifact of files, and of symbolic links by their paths with what they point to.
func NewLinked(revision state.Revision, files, links map[string]string) *Artifact {
	a := &Artifact{revision: revision, nodes: map[string]*node{".": {name: ".", mode: fs.ModeDir | 0o555}}}
	for name, data := range files {
		a.add(name, 0o444, data)
	}
	for name, target := range links {
		a.add(name, fs.ModeSymlink|0o777, target)
	}
	a.nodes["."].seal()
	return a
}

func (a *Artifact) add(name string, mode fs.FileMode, data string) {
	name = path.Clean(name)
	added := &node{name: path.Base(name), mode: mode, data: data}
	for {
		a.nodes[name] = added
		parent := path.Dir(name)
		dir, there := a.nodes[parent]
		if !there {
			dir = &node{name: path.Base(parent), mode: fs.ModeDir | 0o555}
		}
		dir.children = append(dir.children, added)
		if there {
			return
		}
		name, added = parent, dir
	}
}

// seal sorts and hashes a tree from its leaves up.
func (n *node) seal() {
	if !n.IsDir() {
		n.hash = state.DigestBytes([]byte(n.mode.String() + "\n" + n.data))
		return
	}
	slices.SortFunc(n.children, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	var all strings.Builder
	for _, child := range n.children {
		child.seal()
		all.WriteString(child.name + "\x00" + string(child.hash) + "\n")
	}
	n.hash = state.DigestBytes([]byte(all.String()))
}

// Revision says which one it is.
func (a *Artifact) Revision() state.Revision { return a.revision }

// Hash gives a digest of what is at a path, links resolved.
func (a *Artifact) Hash(name string) (string, bool) {
	found, err := a.find("hash", name, true)
	if err != nil {
		return "", false
	}
	return string(found.hash), true
}

// find resolves a path with its links; the last one only when follow says so.
func (a *Artifact) find(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at, rest := ".", strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		found, there := a.nodes[next]
		if !there {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		rest = rest[1:]
		if found.mode&fs.ModeSymlink == 0 || len(rest) == 0 && !follow {
			at = next
			continue
		}
		target := path.Join(at, found.data)
		if links++; links > maxLinks {
			return nil, linkFault(op, name, "too many links")
		}
		if path.IsAbs(found.data) || target == ".." || strings.HasPrefix(target, "../") {
			return nil, linkFault(op, name, "the link "+next+" leads outside of the source")
		}
		at, rest = ".", append(strings.Split(target, "/"), rest...)
	}
	return a.nodes[at], nil
}

func linkFault(op, name, cause string) error {
	return fault.New(fault.Invalid, op, name, cause).WithHint("point the link inside of the source, or remove it")
}

// Open opens a file or directory.
func (a *Artifact) Open(name string) (fs.File, error) {
	found, err := a.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if found.IsDir() {
		return source.OpenDir(found, found.entries()), nil
	}
	return source.OpenFile(found, []byte(found.data)), nil
}

// Stat describes what is at a path, links resolved.
func (a *Artifact) Stat(name string) (fs.FileInfo, error) {
	found, err := a.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Lstat describes what is at a path, without following a link.
func (a *Artifact) Lstat(name string) (fs.FileInfo, error) {
	found, err := a.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// ReadLink gives what a link points to, as it is written.
func (a *Artifact) ReadLink(name string) (string, error) {
	found, err := a.find("readlink", name, false)
	switch {
	case err != nil:
		return "", err
	case found.mode&fs.ModeSymlink == 0:
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return found.data, nil
}

// ReadDir lists a directory, sorted by name; links are listed as such.
func (a *Artifact) ReadDir(name string) ([]fs.DirEntry, error) {
	found, err := a.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !found.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: source.ErrNotDir}
	}
	return found.entries(), nil
}

// ReadFile reads a file.
func (a *Artifact) ReadFile(name string) ([]byte, error) {
	found, err := a.find("read", name, true)
	if err != nil {
		return nil, err
	}
	if found.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: source.ErrIsDir}
	}
	return []byte(found.data), nil
}

func (n *node) Name() string               { return n.name }
func (n *node) Size() int64                { return int64(len(n.data)) }
func (n *node) Mode() fs.FileMode          { return n.mode }
func (n *node) Type() fs.FileMode          { return n.mode.Type() }
func (n *node) ModTime() time.Time         { return time.Time{} }
func (n *node) IsDir() bool                { return n.mode.IsDir() }
func (n *node) Sys() any                   { return nil }
func (n *node) Info() (fs.FileInfo, error) { return n, nil }

func (n *node) entries() []fs.DirEntry {
	entries := make([]fs.DirEntry, len(n.children))
	for i, child := range n.children {
		entries[i] = child
	}
	return entries
}
