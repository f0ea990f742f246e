package confined

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// places bounds how many evaluations run at a time, as each may take Limits.Memory.
var places = make(chan struct{}, threads)

// Run evaluates in a process of its own, which has ended when it returns. Errors are of kind Invalid for what is wrong with the
// program, limits passed included, and Transient when ctx ends or the artifact cannot be read.
func Run(ctx context.Context, job Job) ([]render.Found, error) {
	h := &host{job: job, limits: job.Limits}
	if h.limits == (Limits{}) {
		h.limits = DefaultLimits
	}
	request, err := json.Marshal(job.Request)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, "render", job.At, err)
	case len(request) > maxRequest:
		return nil, fault.New(fault.Invalid, "render", job.At, "its variables and arguments are too long")
	case isEvaluation():
		return nil, fault.New(fault.Internal, "render", job.At, "this program does not call confined.Main")
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Transient, "render", job.At, ctx.Err())
	}
	err = onOneThread(func() error {
		return h.evaluate(ctx, order{Kind: job.Kind, Limits: h.limits, Request: request})
	})
	if err != nil {
		return nil, err
	}
	return h.found, nil
}

// onOneThread keeps the thread that starts a process until the process has ended: the kernel ends it with that thread, and not with the
// parent.
func onOneThread(do func() error) error {
	ended := make(chan error, 1)
	go func() { // it ends with do, for which the caller waits
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ended <- do()
	}()
	return <-ended
}

// evaluate starts the process, talks to it, and sees it end.
func (h *host) evaluate(ctx context.Context, work order) error {
	limited, cancel := context.WithTimeout(ctx, h.limits.Time)
	defer cancel()
	said := &head{}
	command := process(limited, said)
	to, toErr := command.StdinPipe()
	from, fromErr := command.StdoutPipe()
	if err := errors.Join(toErr, fromErr); err != nil {
		return fault.Wrap(fault.Transient, "render", h.job.At, err)
	}
	if err := command.Start(); err != nil {
		return &fault.Error{
			Op: "render", Item: h.job.At, Kind: fault.Transient, Err: err,
			Hint: "an evaluation is a process of this same program: the machine has to let it start one",
		}
	}
	err := sendJSON(to, toEvaluate, work)
	if err == nil {
		err = h.talk(bufio.NewReader(from), to)
	}
	complete := err == nil
	_ = to.Close()
	if !complete {
		_ = command.Process.Kill() // it may be in the middle of anything
	}
	ended := command.Wait()
	if complete && ended == nil || isTold(err) {
		return err
	}
	return h.explain(ctx, limited, end{state: command.ProcessState, said: said.String(), broken: err})
}

// isTold says whether an error explains itself, and the end of the process need not.
func isTold(err error) bool {
	var known *fault.Error
	return errors.As(err, &known)
}

// itself is this same binary, even when its file has been replaced by another version or is gone.
const itself = "/proc/self/exe"

// process is this same binary, with nothing but three pipes. It is ended with ctx, and with this process.
func process(ctx context.Context, said io.Writer) *exec.Cmd {
	command := exec.CommandContext(ctx, itself)
	command.Args = []string{name}
	command.Env = []string{"GOTRACEBACK=none"}
	command.Dir = "/"
	command.Stderr = said
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return command
}

// maxSaid is how much of what a process writes beside its answers is kept: the first lines say why the runtime gives up.
const maxSaid = 4096

// head keeps the beginning of what is written to it.
type head struct{ kept []byte }

// Write implements io.Writer.
func (h *head) Write(data []byte) (int, error) {
	h.kept = append(h.kept, data[:min(len(data), maxSaid-len(h.kept))]...)
	return len(data), nil
}

// String gives what was kept.
func (h *head) String() string { return string(h.kept) }
