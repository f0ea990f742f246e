package confined

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// end is how a process ended that did not say all.
type end struct {
	state  *os.ProcessState
	said   string // beside its answers
	broken error  // of the talk with it
}

// explain says what has happened to a process that broke off: which bound it has come to.
func (h *host) explain(ctx, limited context.Context, e end) error {
	status, _ := e.state.Sys().(syscall.WaitStatus)
	used := e.state.UserTime() + e.state.SystemTime()
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Transient, "render", h.job.At, ctx.Err())
	case strings.Contains(e.said, "stack exceeds") || strings.Contains(e.said, "stack overflow"):
		return h.passed("it calls itself without end", "look for a function or a field that refers to itself without an end")
	case outOfMemory.MatchString(e.said):
		return h.passed(fmt.Sprintf("it needs more than %d MiB of memory", h.limits.Memory>>20), hintSmaller)
	case e.state.ExitCode() == exitOutOfTime, status.Signaled() && status.Signal() == syscall.SIGXCPU,
		used >= h.limits.CPU:
		return h.passed(fmt.Sprintf("it needs more than %d s of processor time", h.limits.CPU/time.Second), hintSmaller)
	case limited.Err() != nil:
		return h.passed(fmt.Sprintf("it takes longer than %d s", h.limits.Time/time.Second), hintSmaller)
	case errors.Is(e.broken, errFrame):
		return h.bug("the process that evaluates it answers what nobody understands")
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		// Neither we nor its own bounds have ended it: the machine's memory may be short.
		return fault.New(fault.Transient, "render", h.job.At, "the process that evaluates it was killed").
			WithHint("the machine may be out of memory")
	case e.state.ExitCode() == exitCrashed, status.Signaled():
		return h.passed("it breaks the process that evaluates it",
			fmt.Sprintf("it may need more than %d MiB of memory at once: make it smaller, or split it over several Syncs",
				h.limits.Memory>>20))
	}
	return h.bug("the process that evaluates it ended early")
}

func (h *host) bug(cause string) error {
	return fault.New(fault.Internal, "render", h.job.At, cause).WithHint("please report it, with the files that were rendered")
}

// outOfMemory is what the runtime, the C library below it and the race detector say when the kernel gives them no more memory.
var outOfMemory = regexp.MustCompile(`out of memory|cannot allocate|pthread_create failed|ThreadSanitizer failed to allocate`)

// exitCrashed is the exit code of a program whose runtime gives up.
const exitCrashed = 2

const hintSmaller = "make it smaller, or split it over several Syncs; a loop without an end looks the same"

func (h *host) passed(cause, hint string) error {
	return fault.New(fault.Invalid, "render", h.job.At, cause).WithHint(hint)
}

// shortened bounds a text from its end.
func shortened(text string, most int) string {
	if len(text) > most {
		text = text[:most] + " …"
	}
	return strings.ToValidUTF8(text, "")
}
