package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A process is one program of the control plane. It can be killed and started again with the same arguments.
type process struct {
	name    string
	dir     string // working folder; the log is <dir>/<name>.log
	path    string
	args    []string
	spawner *spawner

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended and was waited for
}

func (p *process) logPath() string { return filepath.Join(p.dir, p.name+".log") }

// start starts the program if it does not run. Its output is appended to the log.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = log, log
	// Nothing of the caller's environment, so that a proxy, a kubeconfig or a tool's settings cannot change a test.
	cmd.Env = []string{"HOME=" + p.dir, "TMPDIR=" + p.dir, "KWOK_WORKDIR=" + p.dir}
	cmd.SysProcAttr = ownGroup()
	if err := p.spawner.start(cmd); err != nil {
		return fmt.Errorf("start %s (%s): %w", p.name, p.path, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() { // ends with the process, which kill and the parent's death both end
		_ = cmd.Wait()
		close(done)
	}()
	return nil
}

// running reports whether the program was started and has not ended. The caller holds p.mu.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) isRunning() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// ended is closed once the program that was started last has ended.
func (p *process) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// kill ends the program and everything in its process group without warning, as a crash would, and waits for the end.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // fails only if it has just ended, which is what is wanted
	<-p.done
}

// waitUntil polls check until it succeeds. It fails when ctx ends or the program does.
func (p *process) waitUntil(ctx context.Context, what string, check func(context.Context) error) error {
	ended := p.ended()
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		last := check(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended before %s; the end of its log %s:\n%s", p.name, what, p.logPath(), p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w (last answer: %w); the end of the log %s:\n%s",
				what, context.Cause(ctx), last, p.logPath(), p.logTail())
		case <-ticker.C:
		}
	}
}

// logTail is the end of the log, for error messages: the folder may be gone when someone reads them.
func (p *process) logTail() string {
	const lines = 15
	text, err := os.ReadFile(p.logPath())
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// A spawner starts processes from one operating system thread. "Kill me when my parent dies" means the parent's thread on
// Linux, and Go may end any thread but one that a goroutine holds.
type spawner struct {
	commands chan *exec.Cmd
	results  chan error
	mu       sync.Mutex
}

func newSpawner() *spawner {
	s := &spawner{commands: make(chan *exec.Cmd), results: make(chan error)}
	go serveCommands(s.commands, s.results) // ends with close
	return s
}

func serveCommands(commands <-chan *exec.Cmd, results chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for cmd := range commands {
		results <- cmd.Start()
	}
}

func (s *spawner) start(cmd *exec.Cmd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commands == nil {
		return errors.New("the cluster was stopped; start a new one")
	}
	s.commands <- cmd
	return <-s.results
}

// close ends the thread's loop. All processes must have ended: their thread may end now.
func (s *spawner) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commands != nil {
		close(s.commands)
		s.commands = nil
	}
}
