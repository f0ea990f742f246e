package rootfs

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"
)

// tries bounds how often an interrupted system call is made again. openat2 gives EAGAIN when something was renamed meanwhile.
const tries = 1000

// retry makes a system call again while the kernel asks for it.
func retry[T any](call func() (T, error)) (T, error) {
	for range tries {
		result, err := call()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return result, err
		}
	}
	var none T
	return none, unix.EAGAIN
}

// try is retry for a call without a result.
func try(call func() error) error {
	_, err := retry(func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// open resolves a directory inside the root, for the *at calls alone. The error is the kernel's.
func (r *Root) open(dir string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	return retry(func() (int, error) { return unix.Openat2(r.fd, dir, &how) })
}

// place is an entry of a directory that is held open: from here on nothing is resolved any more.
type place struct {
	root *Root
	op   string // for errors
	path string // for errors
	dir  int
	name string
}

// at opens the directory of a path. The place must be closed.
func (r *Root) at(op, name string) (*place, error) {
	if err := check(op, name); err != nil {
		return nil, err
	}
	parent := path.Dir(name)
	fd, err := r.open(parent)
	if err != nil {
		return nil, explainParent(op, name, err)
	}
	return &place{root: r, op: op, path: name, dir: fd, name: path.Base(name)}, nil
}

func (p *place) close() { _ = unix.Close(p.dir) }

// beside gives another entry of the same directory.
func (p *place) beside(name string) *place {
	other := *p
	other.name = name
	return &other
}
