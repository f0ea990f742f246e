package source

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// What artifacts say of a path at which there is the other thing, in a fs.PathError. They are of kind Invalid.
var (
	ErrIsDir  error = &fault.Error{Kind: fault.Invalid, Err: errors.New("it is a directory")}
	ErrNotDir error = &fault.Error{Kind: fault.Invalid, Err: errors.New("it is not a directory")}
)

// OpenFile opens a file whose content is in memory: reading, seeking and ReadAt cannot fail.
func OpenFile(info fs.FileInfo, content []byte) fs.File {
	return &openFile{Reader: bytes.NewReader(content), info: info}
}

// OpenDir opens a directory with its entries, sorted by name. It implements fs.ReadDirFile, for one goroutine.
func OpenDir(info fs.FileInfo, entries []fs.DirEntry) fs.File {
	return &openDir{info: info, left: entries}
}

type openFile struct {
	*bytes.Reader

	info fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info fs.FileInfo
	left []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: ErrIsDir}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.left) {
		n = len(d.left)
	}
	some := slices.Clone(d.left[:n])
	d.left = d.left[n:]
	return some, nil
}
