package supervise

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The names in a supervisor's directory.
const (
	socketName    = "socket"    // the API
	lockName      = "lock"      // held by the supervisor
	startLockName = "starting"  // held by who starts one
	idName        = "id"        // marks the processes of this directory
	processesName = "processes" // records and FIFOs of processes
	appsName      = "apps"      // records of apps
	logName       = "supervisor.log"
)

// A home is a supervisor's directory. Everything in it is for its owner's eyes only.
type home struct {
	dir  string
	root *os.File // the directory, open
}

// openHome opens the directory, and makes it when it is not there.
func openHome(dir string) (*home, error) {
	for _, name := range []string{"", processesName, appsName} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, homeFault("make", dir, err)
		}
	}
	return existingHome(dir)
}

// existingHome opens the directory; it changes nothing but a mode that would let others in.
func existingHome(dir string) (*home, error) {
	root, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, homeFault("open", dir, err)
	}
	info, err := root.Stat()
	if err == nil && info.Mode().Perm() != 0o700 {
		err = root.Chmod(0o700)
	}
	if err != nil {
		_ = root.Close()
		return nil, homeFault("open", dir, err)
	}
	return &home{dir: dir, root: root}, nil
}

func homeFault(op, dir string, err error) error {
	kind := fault.Transient
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Denied
	}
	return &fault.Error{Op: op, Item: dir, Kind: kind, Err: reason(err), Hint: "the supervisor needs this directory to itself"}
}

// reason gives an error without the paths and calls around it, which vary and say nothing more to people.
func reason(err error) error {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number
	}
	return err
}

func (h *home) close() { _ = h.root.Close() }

func (h *home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// socketPath leads to the socket through the open directory: a socket's own path may have 107 bytes at most, and data directories are
// deeper than that at times.
func (h *home) socketPath() string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", h.root.Fd(), socketName)
}

// id gives what marks the processes of this directory, and makes it up the first time. Only whoever holds the lock calls it.
func (h *home) id() (string, error) {
	content, err := os.ReadFile(h.path(idName))
	if id := strings.TrimSpace(string(content)); err == nil && len(id) == 16 {
		return id, nil
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // it never fails
	id := hex.EncodeToString(random)
	if err := writeAtomic(h.path(idName), []byte(id+"\n")); err != nil {
		return "", homeFault("write in", h.dir, err)
	}
	return id, nil
}

// lock takes the directory, without waiting. The lock belongs to the open file, so that it outlives an exec of the same process.
func (h *home) lock() (held *os.File, ok bool, err error) {
	file, err := os.OpenFile(h.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, homeFault("lock", h.dir, err)
	}
	if err := flock(file, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, false, nil
		}
		return nil, false, homeFault("lock", h.dir, err)
	}
	return file, true, nil
}

// free says whether nobody has the lock.
func (h *home) free() bool {
	file, ok, _ := h.lock()
	if ok {
		_ = file.Close()
	}
	return ok
}

func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// writeAtomic replaces a file. It need not survive a crash of the machine, because no process does.
func writeAtomic(path string, content []byte) error {
	temporary := path + ".tmp"
	err := os.WriteFile(temporary, content, 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// bootID changes with every start of the machine: pids and start times of before mean nothing after it.
func bootID() string {
	content, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(content))
}
