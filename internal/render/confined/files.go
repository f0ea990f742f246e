package confined

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// Files are what an evaluation sees of the artifact, as a file system. Everything is asked of the parent once. It is for one goroutine.
type Files struct {
	in   io.Reader
	out  io.Writer
	seen map[question]*answer
}

var (
	_ fs.ReadDirFS  = (*Files)(nil)
	_ fs.ReadFileFS = (*Files)(nil)
	_ fs.StatFS     = (*Files)(nil)
)

// question is what the parent is asked.
type question struct {
	kind byte
	path string
}

// answer is what the parent has said to it.
type answer struct {
	data    []byte
	entries []entry
	err     error
}

// ask gives the parent's answer.
func (f *Files) ask(kind byte, name string) *answer {
	asked := question{kind, name}
	if known := f.seen[asked]; known != nil {
		return known
	}
	given := &answer{}
	if !fs.ValidPath(name) || len(name) > maxPath {
		given.err = fs.ErrInvalid
		return given
	}
	f.seen[asked] = given
	if given.err = send(f.out, kind, []byte(name)); given.err != nil {
		return given
	}
	said, payload, err := receive(f.in)
	switch {
	case err != nil:
		given.err = err
	case said == isContent:
		given.data = payload
	case said == isEntries:
		given.err = json.Unmarshal(payload, &given.entries)
	case said == isMissing:
		given.err = fs.ErrNotExist
	case said == isRefused:
		given.err = errors.New(string(payload))
	default:
		given.err = errFrame
	}
	return given
}

// ReadFile implements fs.ReadFileFS. The content belongs to Files.
func (f *Files) ReadFile(name string) ([]byte, error) {
	read := f.ask(toRead, name)
	return read.data, pathed("read", name, read.err)
}

// ReadDir implements fs.ReadDirFS.
func (f *Files) ReadDir(name string) ([]fs.DirEntry, error) {
	listed := f.ask(toList, name)
	entries := make([]fs.DirEntry, len(listed.entries))
	for i, one := range listed.entries {
		entries[i] = node{one}
	}
	return entries, pathed("readdir", name, listed.err)
}

// Stat implements fs.StatFS.
func (f *Files) Stat(name string) (fs.FileInfo, error) {
	info, err := f.stat(name)
	return info, pathed("stat", name, err)
}

func (f *Files) stat(name string) (fs.FileInfo, error) {
	asked := f.ask(toStat, name)
	if asked.err != nil || len(asked.entries) != 1 {
		return nil, orBroken(asked.err)
	}
	return node{entry{Name: path.Base(name), Dir: asked.entries[0].Dir, Size: asked.entries[0].Size}}, nil
}

// orBroken stands in for an error that an answer does not give.
func orBroken(err error) error {
	if err == nil {
		return errFrame
	}
	return err
}

// Open implements fs.FS.
func (f *Files) Open(name string) (fs.File, error) {
	info, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, err := f.ReadDir(name)
		return source.OpenDir(info, entries), err
	}
	data, err := f.ReadFile(name)
	return source.OpenFile(info, data), err
}

func pathed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// node describes a file or directory.
type node struct{ entry }

// Name implements fs.FileInfo and fs.DirEntry, as do all of these.
func (n node) Name() string { return n.entry.Name }

// Size is 0 for a directory.
func (n node) Size() int64 { return n.entry.Size }

// ModTime is not known.
func (n node) ModTime() time.Time { return time.Time{} }

// IsDir says whether it is a directory.
func (n node) IsDir() bool { return n.Dir }

// Sys gives nothing.
func (n node) Sys() any { return nil }

// Type is that of Mode.
func (n node) Type() fs.FileMode { return n.Mode().Type() }

// Info gives itself.
func (n node) Info() (fs.FileInfo, error) { return n, nil }

// Mode says whether it is a directory, for reading alone.
func (n node) Mode() fs.FileMode {
	if n.Dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}
