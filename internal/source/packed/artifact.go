package packed

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	maxHops = 40      // symbolic links followed for one path, as the kernel does
	maxWalk = 8 << 10 // parts of a path with its links resolved
)

// pack is an open file of the store. Nobody closes it: the garbage collector does, when no artifact reads it any more.
type pack struct {
	file    *os.File
	root    *node
	damaged atomic.Bool // a content was found to be another than was committed
}

// Artifact is a tree that is read from its file in the store. A content is checked as a whole before any of it is given. Safe for
// concurrent use.
type Artifact struct {
	*pack

	revision state.Revision
}

var (
	_ source.Artifact = (*Artifact)(nil)
	_ fs.ReadLinkFS   = (*Artifact)(nil)
)

// Revision says which one it is.
func (a *Artifact) Revision() state.Revision { return a.revision }

// Digest is that of Writer.Digest.
func (a *Artifact) Digest() state.Digest { return a.root.digest() }

// Hash gives a digest of what is at a path, without reading it. A directory that has symbolic links below it changes with the whole tree,
// since what they lead to may lie anywhere.
func (a *Artifact) Hash(name string) (string, bool) {
	found, err := a.find("hash", name, true)
	if err != nil {
		return "", false
	}
	hash := found.hash()
	if found.links {
		hash += ":" + string(a.root.digest())
	}
	return hash, true
}

// errNotExist is fs.ErrNotExist with the kind that it has here.
var errNotExist = &fault.Error{Kind: fault.NotFound, Err: fs.ErrNotExist}

// find resolves a path with its links, part by part as the operating system does; the last one only when follow says so.
func (p *pack) find(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	w := walk{way: []*node{p.root}, rest: strings.Split(name, "/"), follow: follow}
	for len(w.rest) > 0 {
		if err := w.step(); err != nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return w.way[len(w.way)-1], nil
}

// walk is on its way down a path, and knows the way back.
type walk struct {
	way    []*node
	rest   []string
	follow bool
	hops   int
}

func (w *walk) step() error {
	part, last := w.rest[0], len(w.way)-1
	w.rest = w.rest[1:]
	switch part {
	case "", ".":
		return nil
	case "..":
		if last == 0 {
			return linkFault("", "a link leads outside of the source")
		}
		w.way = w.way[:last]
		return nil
	}
	next := w.way[last].child(part)
	switch {
	case next == nil:
		return errNotExist
	case next.isLink() && (w.follow || len(w.rest) > 0):
		return w.through(next)
	}
	w.way = append(w.way, next)
	return nil
}

// through goes on from a link's directory along its target.
func (w *walk) through(link *node) error {
	w.hops++
	w.rest = append(strings.Split(link.target, "/"), w.rest...)
	switch {
	case w.hops > maxHops:
		return linkFault(w.path(link), "links lead round in a circle")
	case path.IsAbs(link.target):
		return linkFault(w.path(link), "its target "+link.target+" leads outside of the source")
	case len(w.rest) > maxWalk:
		return linkFault(w.path(link), "its path with all links is too long")
	}
	return nil
}

func (w *walk) path(link *node) string {
	names := make([]string, 0, len(w.way))
	for _, n := range w.way[1:] {
		names = append(names, n.name)
	}
	return path.Join(append(names, link.name)...)
}

func linkFault(link, cause string) error {
	return fault.New(fault.Invalid, "follow link", link, cause).WithHint("point the link inside of the source, or remove it")
}

// content reads a file, and checks that it is what was committed.
func (p *pack) content(n *node) ([]byte, error) {
	raw := io.NewSectionReader(p.file, n.at.offset, n.at.length)
	content := bytes.NewBuffer(make([]byte, 0, n.size+bytes.MinRead)) // the index is known to be ours
	_, err := content.ReadFrom(io.LimitReader(flate.NewReader(raw), n.size+1))
	if err == nil && (int64(content.Len()) != n.size || sha256.Sum256(content.Bytes()) != n.sum) {
		err = errDamaged
	}
	if err != nil {
		p.damaged.Store(true)
		return nil, (&fault.Error{Kind: fault.Transient, Err: errDamaged}).WithHint("it is pulled again by itself; check the disk")
	}
	return content.Bytes(), nil
}
