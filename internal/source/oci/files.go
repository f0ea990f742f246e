package oci

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Released gives the files of a directory that a release holds: all but Git's own.
func Released(files fs.FS) fs.FS { return withoutRepository{files} }

// withoutRepository hides Git's folder, and the file that stands for it in a work tree, wherever they are.
type withoutRepository struct{ fs.FS }

// ReadDir gives the entries of a directory.
func (w withoutRepository) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ".git" }), err
}

// ReadLink gives where a link leads.
func (w withoutRepository) ReadLink(name string) (string, error) { return fs.ReadLink(w.FS, name) }

// Lstat describes a file without following a link.
func (w withoutRepository) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(w.FS, name) }

// Pull writes the artifact that the reference leads to into a directory, which is made where it is missing. One that holds anything is
// refused as Conflict unless force says that files of the same names are replaced. Nothing is written before all of the artifact is here
// and is what its digest says; nothing is written outside of the directory.
func (r *Repository) Pull(ctx context.Context, dir string, opts Options, force bool) (revision state.Revision, err error) {
	opts.Options = opts.WithDefaults()
	if err := takes(dir, force); err != nil {
		return revision, err
	}
	temporary, err := os.MkdirTemp("", "setpoint-pull-")
	if err != nil {
		return revision, fault.Wrap(fault.Internal, "pull", r.String(), err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	if opts.Store, err = packed.Open(temporary); err != nil {
		return revision, err
	}
	followed, err := parseReference(r.ref.Reference)
	if err != nil {
		return revision, err
	}
	pulling := &upstream{opts: opts, repo: r.At(""), follow: followed, key: "pull"}
	artifact, _, err := pulling.Pull(ctx, nil)
	if err != nil {
		return revision, r.forPerson(err)
	}
	return artifact.Revision(), extract(artifact, dir)
}

// takes says whether files may be written into a directory.
func takes(dir string, force bool) error {
	entries, err := os.ReadDir(dir)
	_, missing := os.Lstat(dir)
	switch {
	case errors.Is(missing, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Conflict, "write", dir, "it is a symbolic link that leads nowhere").
			WithHint("make the directory that it leads to, or name another")
	case err != nil:
		return fault.New(fault.Conflict, "write", dir, "it is not a directory that can be read").WithHint("name a directory")
	case len(entries) > 0 && !force:
		return fault.New(fault.Conflict, "write", dir, "the directory is not empty").
			WithHint("name another, or replace files of the same names by --force")
	}
	return nil
}

// extract writes an artifact's files through a root, out of which no link leads.
func extract(artifact source.Artifact, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // configuration is for others to read
		return fault.Wrap(fault.Denied, "write", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fault.Wrap(fault.Denied, "write", dir, err)
	}
	defer func() { _ = root.Close() }()
	each := func(do func(name string, entry fs.DirEntry) error) error {
		return fs.WalkDir(artifact, ".", func(name string, entry fs.DirEntry, err error) error {
			if err == nil {
				err = do(name, entry)
			}
			if _, known := errors.AsType[*fault.Error](err); known || errors.Is(err, fs.SkipDir) {
				return err
			}
			return fault.Wrap(fault.Denied, "write", path.Join(dir, name), err)
		})
	}
	if err := each(func(name string, entry fs.DirEntry) error { return fitsAt(root, name, entry) }); err != nil {
		return err
	}
	return each(func(name string, entry fs.DirEntry) error { return extractOne(root, artifact, name, entry) })
}

// fitsAt refuses what is in the way of an entry and cannot be replaced without deleting what others may need, or writing through a link.
func fitsAt(root *os.Root, name string, entry fs.DirEntry) error {
	there, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if entry.IsDir() {
			return fs.SkipDir // nothing is below
		}
		return nil
	case err != nil:
		return err
	case entry.IsDir() == there.IsDir():
		return nil
	}
	at := filepath.Join(root.Name(), name)
	blocked := func(cause string) error {
		return fault.New(fault.Conflict, "write", at, cause).
			WithHint("nothing was written: move it away, or name another directory to pull into")
	}
	switch {
	case there.IsDir():
		return blocked("a directory is where the artifact has a file")
	case !entry.IsDir():
		return nil // a file or a link, which is replaced itself
	case there.Mode()&fs.ModeSymlink != 0:
		return blocked("a symbolic link is where the artifact has a directory, and nothing is written through links")
	}
	return blocked("a file is where the artifact has a directory")
}

func extractOne(root *os.Root, artifact source.Artifact, name string, entry fs.DirEntry) error {
	if entry.IsDir() {
		return root.MkdirAll(name, 0o755)
	}
	if entry.Type()&fs.ModeSymlink != 0 {
		target, err := fs.ReadLink(artifact, name)
		if err != nil {
			return err
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(target, name)
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	from, err := artifact.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	// What is replaced is removed first: it may be a link, through which another file would be written.
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	into, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644|info.Mode()&0o111)
	if err != nil {
		return err
	}
	_, err = io.Copy(into, from)
	return errors.Join(err, into.Close())
}
