package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// inheritVariable tells the program that goes on, in the same process, which descriptors it has inherited.
const inheritVariable = "SETPOINT_SUPERVISE_INHERIT"

// An estate is what a supervisor hands over to its successor in the same process. Whatever else is to be known is in the records.
type estate struct {
	lock      *os.File
	socket    *os.File
	addresses map[string]*os.File // of apps
	kept      keepsake
}

// A keepsake is what must not be written to disk, or is not worth it.
type keepsake struct {
	OneOff   map[string][]string `json:"oneOff,omitempty"` // environment of people's commands, by app
	Counters map[string]counters `json:"counters,omitempty"`
}

// descriptors are the numbers of an estate's files.
type descriptors struct {
	Lock, Socket, Kept int
	Addresses          map[string]int
}

// inherit gives what was handed over; the zero value when nothing was.
func inherit() estate {
	value, ok := os.LookupEnv(inheritVariable)
	if !ok {
		return estate{}
	}
	_ = os.Unsetenv(inheritVariable)
	var d descriptors
	if json.Unmarshal([]byte(value), &d) != nil {
		return estate{}
	}
	file := func(fd int, name string) *os.File {
		unix.CloseOnExec(fd)
		return os.NewFile(uintptr(fd), name)
	}
	from := estate{lock: file(d.Lock, lockName), socket: file(d.Socket, socketName), addresses: map[string]*os.File{}}
	for name, fd := range d.Addresses {
		from.addresses[name] = file(fd, name)
	}
	kept := file(d.Kept, "kept")
	defer kept.Close()
	if _, err := kept.Seek(0, 0); err == nil {
		_ = json.NewDecoder(kept).Decode(&from.kept) // without it, counters begin at 0 and the agent says again what it knows
	}
	return from
}

// held gives the lock of a directory.
func (e estate) held(h *home) (*os.File, error) {
	if e.lock != nil {
		return e.lock, nil
	}
	lock, ok, err := h.lock()
	if err == nil && !ok {
		err = fault.New(fault.Conflict, "supervise", h.dir, "another supervisor does so already")
	}
	return lock, err
}

// listening gives the socket of the API, open for the successor too. Only who holds the lock calls it: an old socket is nobody's.
func (e estate) listening(ctx context.Context, h *home) (*os.File, error) {
	if e.socket != nil {
		return e.socket, nil
	}
	_ = os.Remove(h.path(socketName))
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", h.socketPath())
	if err != nil {
		return nil, homeFault("listen in", h.dir, err)
	}
	bound := listener.(*net.UnixListener)
	defer bound.Close()
	bound.SetUnlinkOnClose(false)
	if err := os.Chmod(h.path(socketName), 0o600); err != nil {
		return nil, homeFault("listen in", h.dir, err)
	}
	return bound.File()
}

// upgrade has another program go on in this process.
func (s *supervisor) upgrade(command []string) error {
	if len(command) == 0 || !filepath.IsAbs(command[0]) {
		return fault.New(fault.Invalid, "upgrade", "the supervisor", "the program is not named by an absolute path")
	}
	if err := executable(command[0], command[0]); err != nil {
		return fault.New(fault.Invalid, "upgrade", "the supervisor", err.Error())
	}
	s.next.Store(&command)
	s.leave()
	return nil
}

// replace becomes another program. The process stays the same, so that its children stay its children; connections to the API and to
// apps wait in the kernel meanwhile, and requests that are under way are finished before. When it returns, that has failed: then
// everything is as after a crash, and the next supervisor recovers.
func (s *supervisor) replace(ctx context.Context, command []string, own estate) error {
	own.kept = s.keepsake()
	addresses, err := s.proxy.Files()
	if err != nil {
		s.log.Warn("addresses cannot be handed over", "error", reason(err))
	}
	own.addresses = addresses
	s.shutProxy(ctx)
	value, err := own.descriptors()
	if err != nil {
		return fault.Wrap(fault.Internal, "upgrade", "the supervisor", err)
	}
	s.log.Info("another program goes on", "program", command[0])
	environment := append(withoutInheritance(os.Environ()), inheritVariable+"="+value)
	err = syscall.Exec(command[0], command, environment)
	return fault.Wrap(fault.Internal, "upgrade", "the supervisor", err)
}

func withoutInheritance(env []string) []string {
	var others []string
	for _, entry := range env {
		if !strings.HasPrefix(entry, inheritVariable+"=") {
			others = append(others, entry)
		}
	}
	return others
}

func (s *supervisor) keepsake() keepsake {
	kept := keepsake{OneOff: map[string][]string{}, Counters: map[string]counters{}}
	s.board.read(func() {
		for name, a := range s.board.apps {
			kept.OneOff[name] = a.wanted.OneOff.Env
			kept.Counters[name] = s.counted(name, a)
		}
	})
	return kept
}

// counted gives the counters of an app, over all upgrades.
func (s *supervisor) counted(name string, a *app) counters {
	requests, failed := s.proxy.Counters(name)
	return counters{Requests: a.before.Requests + requests, Failed: a.before.Failed + failed}
}

// descriptors keeps the files of an estate open over an exec, and gives their numbers as text.
func (e estate) descriptors() (string, error) {
	content, err := json.Marshal(e.kept)
	if err != nil {
		return "", err
	}
	memory, err := unix.MemfdCreate("supervise", unix.MFD_CLOEXEC) // secrets are in it: no file has them
	if err != nil {
		return "", fmt.Errorf("memfd: %w", err)
	}
	kept := os.NewFile(uintptr(memory), "kept")
	if _, err := kept.Write(content); err != nil {
		return "", err
	}
	d := descriptors{Addresses: map[string]int{}}
	if d.Lock, err = keepOpen(e.lock); err != nil {
		return "", err
	}
	if d.Socket, err = keepOpen(e.socket); err != nil {
		return "", err
	}
	if d.Kept, err = keepOpen(kept); err != nil {
		return "", err
	}
	for name, file := range e.addresses {
		if d.Addresses[name], err = keepOpen(file); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(d)
	return string(text), err
}

func keepOpen(file *os.File) (int, error) {
	fd := int(file.Fd())
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	return fd, err
}
