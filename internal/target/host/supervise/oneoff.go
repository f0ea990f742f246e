package supervise

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// oneOffGrace is how long a command of a person may take to end once its context has.
const oneOffGrace = 10 * time.Second

// Stdio are the standard streams of a command of a person. Files are handed to it as they are, so that it sees a terminal.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// RunOneOff runs a command in an app's environment, as a child of this process and in its terminal, and gives its exit code: 128 and the
// signal's number when one ended it, as shells do. The command is taken as it is, without expansion: the person's shell has done that.
// Its memory is limited by process, its share of processors not at all. While it runs, this process leaves SIGINT and SIGQUIT to it, which
// a terminal sends to both, and passes SIGTERM and SIGHUP on. When ctx ends, it is ended. That it cannot be started is a fault.
func RunOneOff(ctx context.Context, launch Launch, words []string, stdio Stdio) (int, error) {
	refuse := func(err error) (int, error) {
		return 0, &fault.Error{Op: "run", Item: "a command", Kind: fault.Invalid, Err: err}
	}
	if len(words) == 0 {
		return refuse(errors.New("no command is given"))
	}
	launch.Command = words[:1]
	if terminal := os.Getenv("TERM"); terminal != "" && !defined(launch.Env, "TERM") {
		launch.Env = append(slices.Clip(launch.Env), "TERM="+terminal)
	}
	path, err := find(words[0], launch, launch.Env)
	if err == nil {
		err = checkUser(launch)
	}
	if err != nil {
		return refuse(err)
	}
	command := exec.CommandContext(ctx, path)
	command.Args, command.Dir, command.Env = words, launch.Dir, launch.Env
	command.Stdin, command.Stdout, command.Stderr = stdio.In, stdio.Out, stdio.Err
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credentialOf(launch)}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = oneOffGrace
	if err := command.Start(); err != nil {
		return refuse(explain(err, launch, program{path: path, argv: words}))
	}
	release := relay(command.Process)
	defer release()
	if err := limit(command.Process.Pid, launch, false); err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		return refuse(reason(err))
	}
	return codeOf(ctx, command.Wait())
}

func codeOf(ctx context.Context, err error) (int, error) {
	ended, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return 0, nil
	case ctx.Err() != nil:
		return 0, fault.Wrap(fault.Transient, "run", "a command", ctx.Err())
	case !ok:
		return 0, fault.Wrap(fault.Internal, "run", "a command", reason(err))
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return ended.ExitCode(), nil
}

// relay takes the signals of this process until release is called.
func relay(process *os.Process) (release func()) {
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case s := <-caught:
				if s == syscall.SIGTERM || s == syscall.SIGHUP {
					_ = process.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(caught)
		close(done)
		<-ended
	}
}
