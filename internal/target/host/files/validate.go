package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Bounds of what a command says.
const (
	maxSaid  = 4 << 10 // bytes, the last
	maxLines = 5       // of those, the last
)

// lingering is how long a command's output is waited for after it has ended: a child of it may hold it open.
const lingering = time.Second

// validate runs the user's command on the new file. It has a process group of its own, which ends with it; no input, and nothing of the
// agent's environment, in which secrets are.
func (t *task) validate(ctx context.Context, hostPath string) error {
	ctx, cancel := context.WithTimeout(ctx, t.c.timeout)
	defer cancel()
	arguments := make([]string, len(t.c.command))
	for i, argument := range t.c.command {
		arguments[i] = strings.ReplaceAll(argument, "{}", hostPath)
	}
	said := &tail{}
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C", "HOME=/"}
	command.Dir = "/"
	command.Stdout, command.Stderr = said, said
	command.WaitDelay = lingering
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return killGroup(command.Process.Pid) }
	err := command.Run()
	if command.Process != nil {
		_ = killGroup(command.Process.Pid) // what it left running; mostly there is nothing
	}
	if err == nil {
		return nil
	}
	shown := strings.NewReplacer(hostPath, t.d.cfg.Root.HostPath(t.c.path), path.Base(hostPath), path.Base(t.c.path))
	return t.refusal(err, ctx.Err(), shown.Replace(said.lines()))
}

// killGroup ends a process with all of its children that stayed in its group.
func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// refusal says why the new file does not take the place of the old one. What a command says of a sensitive file may quote it.
func (t *task) refusal(err, ended error, said string) error {
	const op = "validate"
	exit := new(exec.ExitError)
	program := t.c.command[0]
	switch {
	case errors.Is(ended, context.DeadlineExceeded):
		return fault.New(fault.Transient, op, t.c.path, fmt.Sprintf("%s did not end within %v", program, t.c.timeout)).
			WithHint("raise validate.timeout, or find out what the command waits for")
	case ended != nil:
		return fault.Wrap(fault.Transient, op, t.c.path, ended)
	case errors.As(err, &exit):
		text := program + " refuses the new content (" + exit.String() + ")"
		if t.c.sensitive {
			return fault.New(fault.Invalid, op, t.c.path, text).
				WithHint("run the command on the content by hand; what it says is not shown because the file is sensitive")
		}
		if said != "" {
			text += ": " + said
		}
		return fault.New(fault.Invalid, op, t.c.path, text).WithHint("correct the content; the old file is in place")
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, op, t.c.path, "there is no command "+program).
			WithHint("install it, or correct validate.command; the old file is in place")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, op, t.c.path, program+" cannot be executed by the agent").
			WithHint("make it executable (chmod +x), or correct validate.command; the old file is in place")
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it succeeded, and something that it started had its output still open
	}
	return fault.New(fault.Invalid, op, t.c.path, program+" could not be run: "+reason(err)).
		WithHint("correct validate.command; the old file is in place")
}

// reason leaves out paths, which differ each time.
func reason(err error) string {
	if refused, ok := errors.AsType[syscall.Errno](err); ok {
		return refused.Error()
	}
	return err.Error()
}

// tail keeps the end of what is written.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - maxSaid; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}

// lines gives the last lines, in one.
func (t *tail) lines() string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(t.String(), "?")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-maxLines):], "; ")
}
