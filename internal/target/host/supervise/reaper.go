package supervise

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A child is a process that the supervisor watches over, though after a crash of its predecessor it need not be its own child.
type child struct {
	pid    int
	start  uint64
	handle *os.Process // a pidfd, where the kernel has them
	done   chan struct{}
	// What follows is written before done is closed, and read after.
	code    int
	signal  syscall.Signal
	unknown bool // it was not ours to wait for
}

// reaper waits for all children of this process: for those that were started, and for orphans that the kernel gives to it, because it
// is a sub-reaper. Nothing else in the process may wait.
type reaper struct {
	// reaping is held for reading while a child is started, so that no child is taken for an orphan before it is known, and while the
	// number of a process is used, so that it cannot become another's.
	reaping sync.RWMutex

	mu       sync.Mutex
	children map[int]*child
}

func newReaper() *reaper { return &reaper{children: map[int]*child{}} }

// run reaps until ctx ends.
func (r *reaper) run(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		r.reap()
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reaper) reap() {
	r.reaping.Lock()
	defer r.reaping.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
		r.ended(pid, status)
	}
}

func (r *reaper) ended(pid int, status syscall.WaitStatus) {
	r.mu.Lock()
	c := r.children[pid]
	delete(r.children, pid)
	r.mu.Unlock()
	if c == nil {
		return // an orphan
	}
	c.code = status.ExitStatus()
	if status.Signaled() {
		c.code, c.signal = -1, status.Signal()
	}
	c.end()
}

func (c *child) end() {
	_ = c.handle.Release()
	close(c.done)
}

// start starts a program and knows it from its first moment.
func (r *reaper) start(p program, attr *os.ProcAttr) (*child, error) {
	r.reaping.RLock()
	defer r.reaping.RUnlock()
	process, err := os.StartProcess(p.path, p.argv, attr)
	if err != nil {
		return nil, err
	}
	c := &child{pid: process.Pid, handle: process, done: make(chan struct{})}
	if t, ok := readTask(c.pid); ok {
		c.start = t.start
	}
	r.mu.Lock()
	r.children[c.pid] = c
	r.mu.Unlock()
	return c, nil
}

// adopt watches over a process that runs already. It gives nil when the process is not there any more.
func (r *reaper) adopt(ctx context.Context, pid int, start uint64) *child {
	r.reaping.RLock()
	defer r.reaping.RUnlock()
	handle, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	t, ok := readTask(pid)
	if !ok || t.start != start || t.dead && t.parent != os.Getpid() {
		_ = handle.Release()
		return nil
	}
	c := &child{pid: pid, start: start, handle: handle, done: make(chan struct{})}
	if t.parent == os.Getpid() {
		r.mu.Lock()
		r.children[pid] = c
		r.mu.Unlock()
		return c
	}
	go c.follow(ctx) // it ends with the process or ctx
	return c
}

// lookAgain is how often a process is looked at on systems that do not tell when it ends.
const lookAgain = 100 * time.Millisecond

// follow waits for a process that is somebody else's child, until ctx ends. What it ended with, nobody here can know.
func (c *child) follow(ctx context.Context) {
	if err := c.awaitEnd(ctx); err != nil { // a kernel or a container without pidfds
		for alive(c.pid, c.start) && ctx.Err() == nil {
			select {
			case <-time.After(lookAgain):
			case <-ctx.Done():
			}
		}
	}
	if ctx.Err() == nil {
		c.code, c.unknown = -1, true
		c.end()
	}
}

// awaitEnd waits until a pidfd says that the process has ended, or ctx ends.
func (c *child) awaitEnd(ctx context.Context) error {
	fd, err := unix.PidfdOpen(c.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	defer file.Close()
	if !alive(c.pid, c.start) {
		return nil
	}
	connection, err := file.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = file.Close() })()
	err = connection.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(poll, 0)
		return n > 0
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// signalGroup sends a signal to the process and all of its group, unless it has ended.
func (r *reaper) signalGroup(c *child, signal syscall.Signal) {
	r.reaping.RLock()
	defer r.reaping.RUnlock()
	select {
	case <-c.done:
	default:
		_ = syscall.Kill(-c.pid, signal)
	}
}
