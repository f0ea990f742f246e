package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// File is one file to put somewhere.
type File struct {
	Path    string // below the directory that it is put into, with slashes
	Content []byte
	Private bool // only its owner may read it
}

// Placed is what became of a file.
type Placed struct {
	Path  string `json:"path"`
	State string `json:"state"` // written, unchanged
}

// The words of Placed.State.
const (
	Written   = "written"
	Unchanged = "unchanged"
)

// maxCompared bounds what is read of a file that is there already.
const maxCompared = 1 << 20

// Place puts files into a directory, which is made when it is not there, and follows no link out of it. When a file with another
// content is in the way, the error (a fault of kind Conflict for each, joined) says so and nothing is written, unless force is set.
// Each file appears whole or not at all.
func Place(dir string, files []File, force bool) ([]Placed, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // what is in it is for others to read, unless it is private
		return nil, refused("make", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, refused("open", dir, err)
	}
	defer func() { _ = root.Close() }() // nothing is written through it any more
	placed := make([]Placed, len(files))
	var conflicts []error
	for i, file := range files {
		same, err := compare(root, file)
		switch {
		case err != nil && !force:
			conflicts = append(conflicts, err)
		case same:
			placed[i] = Placed{file.Path, Unchanged}
		default:
			placed[i] = Placed{file.Path, Written}
		}
	}
	if err := errors.Join(conflicts...); err != nil {
		return nil, err
	}
	for i, file := range files {
		if placed[i].State == Written {
			if err := write(root, file); err != nil {
				return nil, refused("write", file.Path, err)
			}
		}
	}
	return placed, nil
}

// compare says whether a file is there just so. Another one in its place is an error; none is not, nor is one that only others must not
// be able to read.
func compare(root *os.Root, file File) (same bool, err error) {
	info, err := root.Lstat(file.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, refused("look at", file.Path, err)
	case !info.Mode().IsRegular():
		return false, fault.New(fault.Conflict, "write", file.Path, "something that is no regular file is in its place").
			WithHint("move it away")
	case info.Size() == int64(len(file.Content)) && info.Size() <= maxCompared:
		there, err := root.ReadFile(file.Path)
		if err != nil {
			return false, refused("read", file.Path, err)
		}
		if bytes.Equal(there, file.Content) {
			return !file.Private || info.Mode().Perm()&0o077 == 0, nil
		}
	}
	return false, fault.New(fault.Conflict, "write", file.Path, "it is there already, with another content").
		WithHint("--force replaces it; nothing has been written")
}

func write(root *os.Root, file File) error {
	if err := root.MkdirAll(path.Dir(file.Path), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if file.Private {
		mode = 0o600
	}
	temporary := file.Path + ".setpoint-new"
	if err := root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier call that was interrupted
		return err
	}
	out, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = out.Write(file.Content)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = root.Rename(temporary, file.Path)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return nil
}

// refused makes a fault of what the file system said, which names the path but once.
func refused(op, item string, err error) error {
	kind := fault.Internal
	if errors.Is(err, fs.ErrPermission) {
		kind = fault.Denied
	}
	cause := err
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		cause = at.Err
	}
	return &fault.Error{Op: op, Item: item, Kind: kind, Err: cause, Hint: fmt.Sprintf("this user must be able to write %s", item)}
}
