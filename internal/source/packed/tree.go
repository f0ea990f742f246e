package packed

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"
)

// The modes that there are.
const (
	plainMode = fs.FileMode(0o444)
	execMode  = fs.FileMode(0o555)
	dirMode   = fs.ModeDir | 0o555
	linkMode  = fs.ModeSymlink | 0o777
)

// sum is a SHA-256: of a file's content, of a link's target, of all that is below a directory.
type sum [sha256.Size]byte

// node is a file, a directory or a symbolic link; it is its own fs.FileInfo and fs.DirEntry. A sealed one never changes.
type node struct {
	name     string
	mode     fs.FileMode
	links    bool // there are links below
	size     int64
	at       place
	target   string // of a link
	children []*node
	sum      sum
}

// place is where in the file a content is, compressed.
type place struct{ offset, length int64 }

func (n *node) Name() string               { return n.name }
func (n *node) Size() int64                { return n.size }
func (n *node) Mode() fs.FileMode          { return n.mode }
func (n *node) Type() fs.FileMode          { return n.mode.Type() }
func (n *node) ModTime() time.Time         { return time.Time{} }
func (n *node) IsDir() bool                { return n.mode.IsDir() }
func (n *node) Sys() any                   { return nil }
func (n *node) Info() (fs.FileInfo, error) { return n, nil }
func (n *node) String() string             { return fs.FormatFileInfo(n) }
func (n *node) isLink() bool               { return n.mode.Type() == fs.ModeSymlink }

// word says in one letter what it is, for digests and the index.
func (n *node) word() string {
	switch n.mode {
	case dirMode:
		return "d"
	case linkMode:
		return "l"
	case execMode:
		return "x"
	}
	return "f"
}

// hash gives a digest of content and mode.
func (n *node) hash() string { return n.word() + ":" + hex.EncodeToString(n.sum[:]) }

// child finds an entry of a sealed directory.
func (n *node) child(name string) *node {
	i, ok := slices.BinarySearchFunc(n.children, name, func(c *node, name string) int { return cmp.Compare(c.name, name) })
	if !ok {
		return nil
	}
	return n.children[i]
}

// growing is a tree that is added to.
type growing struct {
	nodes map[string]*node
	order []string // of everything but directories, as it came
}

func newGrowing() *growing {
	return &growing{nodes: map[string]*node{".": {name: ".", mode: dirMode}}}
}

// dir makes a directory with those above it, counting the new ones.
func (g *growing) dir(name string, count func(string) error) error {
	if there := g.nodes[name]; there != nil {
		if !there.IsDir() {
			return refuse(name, "it is a directory, and a file or link too")
		}
		return nil
	}
	above := path.Dir(name)
	if err := g.dir(above, count); err != nil {
		return err
	}
	if err := count(name); err != nil {
		return err
	}
	g.put(name, &node{name: path.Base(name), mode: dirMode})
	return nil
}

// add adds a file or link; the directories above it are made.
func (g *growing) add(name string, added *node, count func(string) error) error {
	if there := g.nodes[name]; there != nil {
		if there.IsDir() {
			return refuse(name, "it is a file or link, and a directory too")
		}
		return refuse(name, "it is there twice")
	}
	if err := g.dir(path.Dir(name), count); err != nil {
		return err
	}
	added.name = path.Base(name)
	g.put(name, added)
	g.order = append(g.order, name)
	return nil
}

func (g *growing) put(name string, added *node) {
	g.nodes[name] = added
	above := g.nodes[path.Dir(name)]
	above.children = append(above.children, added)
}

// seal gives the tree, sorted and with the digests of its directories. Directories without files are no part of it.
func (g *growing) seal() *node { return g.nodes["."].seal() }

func (n *node) seal() *node {
	if !n.IsDir() {
		return n
	}
	sealed := &node{name: n.name, mode: n.mode}
	for _, child := range n.children {
		if child = child.seal(); child.IsDir() && len(child.children) == 0 {
			continue
		}
		sealed.children = append(sealed.children, child)
		sealed.links = sealed.links || child.links || child.isLink()
	}
	slices.SortFunc(sealed.children, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	all := sha256.New()
	for _, child := range sealed.children {
		_, _ = io.WriteString(all, child.hash()+" "+child.name+"\x00") // a hash takes everything
	}
	sealed.sum = sum(all.Sum(nil))
	return sealed
}
