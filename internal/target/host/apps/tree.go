package apps

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The bounds of a build.
const (
	maxEntries = 200_000
	maxBytes   = 2 << 30
	maxDepth   = 64
)

// tree is a directory that a build is unpacked into. Nothing that is unpacked can lead, or be written, outside: files are made through
// an os.Root, never where something is already, and links only at the end, when nothing can be written through them any more.
type tree struct {
	ctx   context.Context //nolint:containedctx // of one unpacking, which the tree lives for
	root  *os.Root
	links map[string]string // name: target
	order []string          // of links
	count int
	bytes int64
}

func newTree(ctx context.Context, dir string) (*tree, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, diskFault("make", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, diskFault("open", dir, err)
	}
	return &tree{ctx: ctx, root: root, links: map[string]string{}}, nil
}

// invalid is an entry that a build must not have.
func invalid(name, cause string) *fault.Error {
	return fault.New(fault.Invalid, "unpack", printable(name), cause)
}

// admit checks the name of one more entry, and makes the directories above it.
func (t *tree) admit(name string) error {
	if err := t.ctx.Err(); err != nil {
		return fault.Wrap(fault.Transient, "unpack", printable(name), err)
	}
	if t.count++; t.count > maxEntries {
		return invalid(name, "the build has more than 200,000 files").WithHint("leave out of it what it does not need to run")
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\x00\\") || strings.Count(name, "/") >= maxDepth {
		return invalid(name, "its name leads out of the build, or is none")
	}
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		if _, isLink := t.links[above]; isLink {
			return invalid(name, "it goes through the link "+printable(above))
		}
	}
	switch err := t.root.MkdirAll(path.Dir(name), 0o700); {
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return invalid(name, "a file is where its directory should be")
	case err != nil:
		return t.refuse(name, err)
	}
	return nil
}

func (t *tree) directory(name string) error {
	if name == "." {
		return nil
	}
	if err := t.admit(name); err != nil {
		return err
	}
	if _, isLink := t.links[name]; isLink {
		return invalid(name, "it is there twice")
	}
	if err := t.root.MkdirAll(name, 0o700); err != nil {
		return t.refuse(name, err)
	}
	return nil
}

// file writes a file. Of its mode only whether it can be executed is kept.
func (t *tree) file(name string, mode fs.FileMode, content io.Reader) error {
	if err := t.admit(name); err != nil {
		return err
	}
	if _, isLink := t.links[name]; isLink {
		return invalid(name, "it is there twice")
	}
	perm := fs.FileMode(0o400)
	if mode&0o111 != 0 {
		perm = 0o500
	}
	file, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return t.refuse(name, err)
	}
	written, err := io.Copy(file, io.LimitReader(patient{t.ctx, content}, maxBytes-t.bytes+1))
	err = errors.Join(err, file.Close())
	switch t.bytes += written; {
	case t.bytes > maxBytes:
		return invalid(name, "the build is larger than 2 GiB").WithHint("leave out of it what it does not need to run")
	case err != nil:
		return t.refuse(name, err)
	}
	return nil
}

// link notes a symbolic link, which finish makes.
func (t *tree) link(name, target string) error {
	if err := t.admit(name); err != nil {
		return err
	}
	if _, twice := t.links[name]; twice {
		return invalid(name, "it is there twice")
	}
	if target == "" || path.IsAbs(target) || !fs.ValidPath(path.Join(path.Dir(name), target)) {
		return invalid(name, "it is a link that leads out of the build")
	}
	t.links[name] = target
	t.order = append(t.order, name)
	return nil
}

// hard makes another name of a file that was unpacked before.
func (t *tree) hard(name, old string) error {
	if err := t.admit(name); err != nil {
		return err
	}
	if info, err := t.root.Lstat(old); err != nil || !info.Mode().IsRegular() {
		return invalid(name, "it is a link to something that is no file before it in the archive")
	}
	if err := t.root.Link(old, name); err != nil {
		return t.refuse(name, err)
	}
	return nil
}

// finish makes the links, checks where they lead, and waits until all is on disk.
func (t *tree) finish() error {
	for _, name := range t.order {
		if err := t.root.Symlink(t.links[name], name); err != nil {
			return t.refuse(name, err)
		}
	}
	for _, name := range t.order { // links may lead through links
		if _, err := t.root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return invalid(name, "it is a link that leads out of the build, or around in a circle")
		}
	}
	dir, err := t.root.Open(".")
	if err != nil {
		return diskFault("open", t.root.Name(), err)
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return diskFault("write", t.root.Name(), err)
	}
	return nil
}

func (t *tree) close() { _ = t.root.Close() } // it was only looked at

// refuse tells what is wrong with the build from what is wrong with the disk.
func (t *tree) refuse(name string, err error) error {
	switch {
	case fault.KindOf(err) != fault.Internal:
		return err
	case errors.Is(err, fs.ErrExist):
		return invalid(name, "it is there twice")
	case errors.Is(err, syscall.ENAMETOOLONG):
		return invalid(name, "its name is too long")
	}
	return diskFault("unpack", name, err)
}

// patient is a reader that ends with its context.
type patient struct {
	ctx  context.Context //nolint:containedctx // of one copy
	from io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.from.Read(b)
}

// seal gives what was unpacked its final modes: nobody can write it but root, and its group can read it.
func seal(dir string, gid int) error {
	return within(dir, func(root *os.Root, name string, entry fs.DirEntry) error {
		if gid >= 0 {
			if err := root.Lchown(name, 0, gid); err != nil {
				return err
			}
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return root.Chmod(name, sealed(info.Mode(), gid >= 0))
	})
}

// within calls do for every name in a directory, itself first. What do does through the root cannot leave the directory, whatever
// becomes of the names meanwhile: a directory of an app may belong to its user.
func within(dir string, do func(root *os.Root, name string, entry fs.DirEntry) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return do(root, name, entry)
	})
}

func sealed(mode fs.FileMode, shared bool) fs.FileMode {
	switch {
	case mode.IsDir() && shared:
		return 0o550
	case mode.IsDir():
		return 0o500
	case mode&0o100 != 0 && shared:
		return 0o550
	case mode&0o100 != 0:
		return 0o500
	case shared:
		return 0o440
	}
	return 0o400
}

// unseal lets the agent change a sealed tree.
func unseal(dir string) error {
	return within(dir, func(root *os.Root, name string, entry fs.DirEntry) error {
		if entry.IsDir() {
			return root.Chmod(name, 0o700)
		}
		return nil
	})
}

// raze removes a file or a tree, sealed or not; one that is not there is no error.
func raze(name string) error {
	info, err := os.Lstat(name)
	if err == nil && info.IsDir() {
		err = unseal(name)
	}
	if err == nil {
		err = os.RemoveAll(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskFault("remove", name, err)
	}
	return nil
}

// diskFault explains why the agent's own files could not be read or written.
func diskFault(op, item string, err error) error {
	if at, is := errors.AsType[*fs.PathError](err); is {
		err = at.Err
	}
	e := &fault.Error{Op: op, Item: item, Kind: fault.Transient, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return e.WithHint("make room on the disk of the agent's data directory")
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		e.Kind = fault.Denied
		return e.WithHint("the agent has to be able to write its data directory")
	}
	return e
}

// readBounded reads a file of at most limit bytes.
func readBounded(root *os.Root, name string, limit int64) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fault.New(fault.Invalid, "read", name, "it is no file"))
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fault.New(fault.Invalid, "read", name, "it is too long")
	}
	return content, err
}
