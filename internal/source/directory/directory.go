// Package directory shows a plain directory of this machine as an artifact, for looking at what is not committed yet (render,
// diff). It is mutable and so has no revision: the loop never acts on it.
package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Artifact is a view of a directory out of which no link leads. Safe for concurrent use.
type Artifact struct {
	root *os.Root
	fsys fs.FS
	name string
}

var (
	_ source.Artifact = (*Artifact)(nil)
	_ fs.ReadLinkFS   = (*Artifact)(nil)
)

// Open shows a directory. Its error is NotFound or Invalid.
func Open(dir string) (*Artifact, error) {
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "open", dir, "there is no such directory")
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, "open", dir, cause(err))
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		absolute = dir
	}
	return &Artifact{root: root, fsys: root.FS(), name: filepath.Base(absolute)}, nil
}

// Enclosing shows the repository that a path belongs to (the nearest directory above it with a .git), so that a
// kustomization finds its bases, and gives the path inside of it. A path in no repository is shown by itself.
func Enclosing(name string) (*Artifact, string, error) {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil, "", fault.Wrap(fault.Invalid, "open", name, err)
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return nil, "", fault.New(fault.NotFound, "open", name, "there is no such file or directory")
	}
	top := absolute
	if !info.IsDir() {
		top = filepath.Dir(absolute)
	}
	for dir := top; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			top = dir
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	inside, err := filepath.Rel(top, absolute)
	if err != nil {
		return nil, "", fault.Wrap(fault.Invalid, "open", name, err)
	}
	artifact, err := Open(top)
	return artifact, filepath.ToSlash(inside), err
}

// Close ends the view's use.
func (a *Artifact) Close() error { return a.root.Close() }

// Revision has no ID, only the directory's name.
func (a *Artifact) Revision() state.Revision { return state.Revision{Ref: a.name} }

// Open opens a file or directory.
func (a *Artifact) Open(name string) (fs.File, error) {
	file, err := a.fsys.Open(name)
	return file, inside("open", name, err)
}

// Stat describes what is at a path, links resolved.
func (a *Artifact) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(a.fsys, name)
	return info, inside("stat", name, err)
}

// Lstat describes what is at a path, without following a link.
func (a *Artifact) Lstat(name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(a.fsys, name)
	return info, inside("lstat", name, err)
}

// ReadLink gives what a link points to, as it is written.
func (a *Artifact) ReadLink(name string) (string, error) {
	target, err := fs.ReadLink(a.fsys, name)
	return filepath.ToSlash(target), inside("readlink", name, err)
}

// ReadDir lists a directory, sorted by name; links are listed as such.
func (a *Artifact) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(a.fsys, name)
	return entries, inside("list", name, err)
}

// ReadFile reads a regular file of at most source.DefaultLimits.FileSize bytes.
func (a *Artifact) ReadFile(name string) ([]byte, error) {
	info, err := a.Stat(name)
	if err != nil {
		return nil, err
	}
	limit := source.DefaultLimits.FileSize
	switch {
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, "read", name, "not a file")
	case info.Size() > limit:
		return nil, fault.New(fault.Invalid, "read", name, fmt.Sprintf("the file is longer than %d MiB", limit>>20))
	}
	file, err := a.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, limit))
	return data, inside("read", name, err)
}

// Hash reads everything at a path: unlike that of other artifacts it costs what reading does.
func (a *Artifact) Hash(name string) (string, bool) {
	sum := sha256.New()
	if err := a.hash(sum, name, false); err != nil {
		return "", false
	}
	return hex.EncodeToString(sum.Sum(nil)), true
}

func (a *Artifact) hash(into io.Writer, name string, link bool) error {
	if link {
		target, err := a.root.Readlink(filepath.FromSlash(name))
		fmt.Fprintf(into, "link %q\n", target)
		return err
	}
	info, err := a.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		data, err := a.ReadFile(name)
		fmt.Fprintf(into, "file %t %s\n", info.Mode()&0o100 != 0, state.DigestBytes(data))
		return err
	}
	entries, err := a.ReadDir(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(into, "directory %d\n", len(entries))
	for _, entry := range entries {
		fmt.Fprintf(into, "%q ", entry.Name())
		if err := a.hash(into, path.Join(name, entry.Name()), entry.Type()&fs.ModeSymlink != 0); err != nil {
			return err
		}
	}
	return nil
}

// inside tells a link that leads outside from other errors: os.Root has no error value for it.
func inside(op, name string, err error) error {
	if err != nil && strings.Contains(err.Error(), "path escapes from parent") {
		return fault.New(fault.Invalid, op, name, "a link leads outside of the directory").
			WithHint("point the link inside of it, or remove it")
	}
	return err
}

// cause leaves the operation and path out of an error that will be given both again.
func cause(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}
