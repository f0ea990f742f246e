package rootfs

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Remove removes an entry: a link, a file, or a directory without content; one with content is a fault of kind Conflict. What is
// missing is removed already. It says whether there was something.
func (r *Root) Remove(name string) (bool, error) {
	p, err := r.at("remove", name)
	if IsNoParent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer p.close()
	removed, err := p.remove()
	if err != nil || !removed {
		return false, err
	}
	return true, p.flush()
}

func (p *place) remove() (bool, error) {
	err := p.unlink(0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) { // POSIX says EPERM of a directory
		if info, errInfo := p.info(); errInfo == nil && info.Type == Directory {
			err = p.unlink(unix.AT_REMOVEDIR)
		}
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case errors.Is(err, unix.EEXIST):
		return false, p.explain(unix.ENOTEMPTY)
	case err != nil:
		return false, p.explain(err)
	}
	return true, nil
}

// Bounds of RemoveAll: what is deeper or more is no left-over that a declaration should be able to delete by itself.
const (
	maxRemoveDepth   = 64
	maxRemoveEntries = 100_000
)

// RemoveAll removes an entry with everything in it, without following links. It does not go into what is mounted below (a fault of
// kind Conflict), and ends with a fault of kind Invalid when there is more than can be meant.
func (r *Root) RemoveAll(name string) error {
	p, err := r.at("remove", name)
	if IsNoParent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	info, err := p.info()
	if err != nil || info.Type == Nothing {
		return err
	}
	dir, err := p.beside(".").info()
	if err != nil {
		return err
	}
	budget := removal{device: dir.Device, left: maxRemoveEntries}
	if err := budget.remove(p, info, maxRemoveDepth); err != nil {
		return err
	}
	return p.flush()
}

// removal is what is left of the bounds while a tree is removed.
type removal struct {
	device uint64
	left   int
}

func (b *removal) remove(p *place, info Info, depth int) error {
	if b.left--; b.left < 0 || depth == 0 {
		return fault.New(fault.Invalid, p.op, p.path, "there is more in it than is removed at once").
			WithHint("remove it by hand, if it is not needed")
	}
	if info.Device != b.device {
		return p.explain(unix.EXDEV)
	}
	if info.Type == Directory {
		if err := b.clear(p, depth); err != nil {
			return err
		}
	}
	_, err := p.remove()
	return err
}

// clear removes what is in a directory, which is held open: what is moved meanwhile leads nowhere else.
func (b *removal) clear(p *place, depth int) error {
	names, err := p.list(maxRemoveEntries)
	if err != nil {
		return err
	}
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Openat(p.dir, p.name, flags, 0) })
	if err != nil {
		return p.explain(err)
	}
	inside := &place{root: p.root, op: p.op, dir: fd}
	defer inside.close()
	for _, name := range names {
		inside.name, inside.path = name, path.Join(p.path, name)
		info, err := inside.info()
		if err != nil {
			return err
		}
		if info.Type == Nothing {
			continue
		}
		if err := b.remove(inside, info, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// maxSwept bounds how many names of one directory are looked at for left-overs.
const maxSwept = 1_000_000

// Sweep removes from a directory what a crash left of files that were being made. Nobody may be writing there. It gives their number;
// a directory that is missing has none.
func (r *Root) Sweep(dir string) (int, error) {
	names, err := r.ReadDir(dir, maxSwept)
	if fault.KindOf(err) == fault.NotFound {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, name := range names {
		if !IsTemporary(name) {
			continue
		}
		if removed, err := r.Remove(path.Join(dir, name)); err != nil {
			return swept, err
		} else if removed {
			swept++
		}
	}
	return swept, nil
}
