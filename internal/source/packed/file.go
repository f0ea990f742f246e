package packed

import (
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// Open opens a file, which is read at once, or a directory.
func (a *Artifact) Open(name string) (fs.File, error) {
	found, err := a.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if found.IsDir() {
		return source.OpenDir(found, found.entries()), nil
	}
	content, err := a.content(found)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return source.OpenFile(found, content), nil
}

// ReadFile gives a file's content; the caller may change it.
func (a *Artifact) ReadFile(name string) ([]byte, error) {
	found, err := a.find("read", name, true)
	if err != nil {
		return nil, err
	}
	if found.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: source.ErrIsDir}
	}
	content, err := a.content(found)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return content, nil
}

// Stat describes what a path leads to.
func (a *Artifact) Stat(name string) (fs.FileInfo, error) { return a.stat("stat", name, true) }

// Lstat describes what is at a path, without following a link.
func (a *Artifact) Lstat(name string) (fs.FileInfo, error) { return a.stat("lstat", name, false) }

func (a *Artifact) stat(op, name string, follow bool) (fs.FileInfo, error) {
	found, err := a.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// ReadLink gives a symbolic link's target as it is written.
func (a *Artifact) ReadLink(name string) (string, error) {
	found, err := a.find("readlink", name, false)
	switch {
	case err != nil:
		return "", err
	case !found.isLink():
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return found.target, nil
}

// ReadDir lists a directory by name; links are listed as links.
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

func (n *node) entries() []fs.DirEntry {
	entries := make([]fs.DirEntry, len(n.children))
	for i, child := range n.children {
		entries[i] = child
	}
	return entries
}
