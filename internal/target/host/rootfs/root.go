// Package rootfs is the file system below a root directory, as a process in a chroot would see it: every path is resolved by the
// kernel inside the root (openat2 with RESOLVE_IN_ROOT), so that links in the middle of a path lead where they would lead there, and
// nothing leaves the root, not even in a race. The last part of a path is never followed.
//
// Its files in the order of the story: root.go and resolve.go find a directory; stat.go, read.go and trace.go look; write.go, create.go,
// attributes.go and remove.go change; flush.go makes changes of a directory lasting; accounts.go knows users and groups;
// explain.go turns what the kernel refuses into faults.
package rootfs

import (
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Root is a directory that stands for "/". Paths given to its methods are absolute inside it and in their shortest form. Errors are
// faults whose item is that path. Safe for concurrent use.
type Root struct {
	dir      string // as the agent sees it, without a final slash; "" for the machine's own root
	fd       int    // of the directory, opened once: renaming it changes nothing
	flushes  flushes
	accounts accounts
}

// Open opens a directory as a root; "" is "/". It must be closed.
func Open(root string) (*Root, error) {
	if root == "" {
		root = "/"
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "open the root", root, err)
	}
	fd, err := openRoot(dir)
	if err != nil {
		return nil, (&fault.Error{Op: "open the root", Item: dir, Kind: fault.Invalid, Err: err}).
			WithHint("SETPOINT_HOST_ROOT must name a directory that exists")
	}
	r := &Root{dir: strings.TrimSuffix(dir, "/"), fd: fd}
	if err := r.supported(); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return r, nil
}

func openRoot(dir string) (int, error) {
	return retry(func() (int, error) { return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
}

// supported asks for what the whole package stands on, so that an old kernel is told of at the start and not with every file.
func (r *Root) supported() error {
	fd, err := r.open("/")
	if err == nil {
		return unix.Close(fd)
	}
	return (&fault.Error{Op: "resolve paths inside", Item: r.HostPath("/"), Kind: fault.Invalid, Err: err}).
		WithHint("Setpoint needs Linux 5.6 or newer (openat2) to manage files")
}

// Close gives the directory back. No method may be called after it.
func (r *Root) Close() error { return unix.Close(r.fd) }

// HostPath gives a path as people and commands outside of the root see it.
func (r *Root) HostPath(name string) string {
	if name == "/" && r.dir != "" {
		return r.dir
	}
	return r.dir + name
}

// Inside gives the path inside the root of a path as HostPath gives it; false when it lies outside.
func (r *Root) Inside(hostPath string) (string, bool) {
	if hostPath == r.dir {
		return "/", true
	}
	rest, ok := strings.CutPrefix(hostPath, r.dir)
	return rest, ok && strings.HasPrefix(rest, "/")
}

// check refuses paths that mean something else than they seem to, or the root itself.
func check(op, name string) error {
	switch {
	case name == "/":
		return fault.New(fault.Invalid, op, name, "it is the root itself").WithHint("name something inside of it")
	case !strings.HasPrefix(name, "/") || path.Clean(name) != name || strings.ContainsRune(name, 0):
		return fault.New(fault.Invalid, op, name, "the path is not absolute and in its shortest form").
			WithHint("write " + path.Clean("/"+name))
	}
	return nil
}
