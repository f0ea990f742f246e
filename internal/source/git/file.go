package git

import (
	"bytes"
	"io/fs"
	"path"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// Open opens a file, which is read at once, or a directory.
func (a *artifact) Open(name string) (fs.File, error) {
	n, actual, err := a.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	info, err := a.infoOf(path.Base(name), n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if isDir(n.mode) {
		entries, err := a.list(n, actual)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return source.OpenDir(info, entries), nil
	}
	content, err := a.content(n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return source.OpenFile(info, content), nil
}

// ReadFile gives a file's content; the caller may change it.
func (a *artifact) ReadFile(name string) ([]byte, error) {
	n, _, err := a.resolve("open", name, true)
	if err == nil && isDir(n.mode) {
		err = &fs.PathError{Op: "read", Path: name, Err: source.ErrIsDir}
	}
	if err != nil {
		return nil, err
	}
	content, err := a.content(n)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return content, nil
}

// Stat describes what a path leads to.
func (a *artifact) Stat(name string) (fs.FileInfo, error) { return a.stat(name, true) }

// Lstat describes what is at a path, without following a link.
func (a *artifact) Lstat(name string) (fs.FileInfo, error) { return a.stat(name, false) }

func (a *artifact) stat(name string, follow bool) (fs.FileInfo, error) {
	n, _, err := a.resolve("stat", name, follow)
	if err != nil {
		return nil, err
	}
	info, err := a.infoOf(path.Base(name), n)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return info, nil
}

// ReadLink gives a symbolic link's target as it is written.
func (a *artifact) ReadLink(name string) (string, error) {
	n, _, err := a.resolve("readlink", name, false)
	if err == nil && n.mode != filemode.Symlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	target, err := n.store.read(n.hash, plumbing.BlobObject, maxLink)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(target), nil
}

// ReadDir lists a directory by name; links are listed as links.
func (a *artifact) ReadDir(name string) ([]fs.DirEntry, error) {
	n, actual, err := a.resolve("readdir", name, true)
	if err == nil && !isDir(n.mode) {
		err = &fs.PathError{Op: "readdir", Path: name, Err: source.ErrNotDir}
	}
	if err != nil {
		return nil, err
	}
	entries, err := a.list(n, actual)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

func (a *artifact) list(n node, actual string) ([]fs.DirEntry, error) {
	at, err := a.dir(n, []string{actual})
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(at.entries.entries))
	for _, e := range at.entries.entries {
		entries = append(entries, &dirEntry{a, e.name, node{at.store, e.mode, e.hash}})
	}
	return entries, nil
}

// content reads a file. That no file is larger than the limit was found out when the artifact was made.
func (a *artifact) content(n node) ([]byte, error) {
	content, err := n.store.read(n.hash, plumbing.BlobObject, a.limit)
	return bytes.Clone(content), err
}

func (a *artifact) infoOf(name string, n node) (*info, error) {
	i := &info{name: name, mode: modeOf(n.mode), time: a.revision.Time}
	if !isDir(n.mode) {
		size, err := n.store.size(n.hash)
		if err != nil {
			return nil, err
		}
		i.size = size
	}
	return i, nil
}

func modeOf(m filemode.FileMode) fs.FileMode {
	switch m {
	case filemode.Dir, filemode.Submodule:
		return fs.ModeDir | 0o555
	case filemode.Symlink:
		return fs.ModeSymlink | 0o777
	case filemode.Executable:
		return 0o555
	}
	return 0o444
}

type info struct {
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.time }
func (i *info) IsDir() bool        { return i.mode.IsDir() }
func (i *info) Sys() any           { return nil }
func (i *info) String() string     { return fs.FormatFileInfo(i) }

type dirEntry struct {
	a    *artifact
	name string
	node node
}

func (e *dirEntry) Name() string               { return e.name }
func (e *dirEntry) IsDir() bool                { return isDir(e.node.mode) }
func (e *dirEntry) Type() fs.FileMode          { return modeOf(e.node.mode).Type() }
func (e *dirEntry) Info() (fs.FileInfo, error) { return e.a.infoOf(e.name, e.node) }
func (e *dirEntry) String() string             { return fs.FormatDirEntry(e) }
