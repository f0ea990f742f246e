package confined

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The exit codes by which a process says why it ends without an answer.
const (
	exitOutOfTime = 91
	exitBroken    = 93
)

// Main serves one evaluation when this process was started for one, and says so; then the caller returns at once, with success. Any
// other process goes on as if nothing had been asked. A program that renders Jsonnet or CUE calls it before anything else, and so does
// the TestMain of a test that does.
func Main(evaluators map[string]Evaluator) bool {
	if !isEvaluation() {
		return false
	}
	if err := serve(evaluators, os.Stdin, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(exitBroken)
	}
	return true
}

// isEvaluation says whether this process was started by Run.
func isEvaluation() bool { return len(os.Args) == 1 && os.Args[0] == name }

// serve reads an order, takes away from this process what it does not need, and carries the order out.
func serve(evaluators map[string]Evaluator, in io.Reader, out io.Writer) error {
	in = bufio.NewReader(in)
	kind, payload, err := receive(in)
	if err != nil {
		return err
	}
	var work order
	if kind != toEvaluate || json.Unmarshal(payload, &work) != nil {
		return errFrame
	}
	if err := confine(work.Limits); err != nil {
		return err
	}
	evaluate := evaluators[work.Kind]
	if evaluate == nil {
		return fmt.Errorf("there is no evaluator for %q", work.Kind)
	}
	files := &Files{in: in, out: out, seen: map[question]*answer{}}
	objects, err := safely(evaluate, files, work.Request)
	if err != nil {
		return sendJSON(out, isFailure, problems(err))
	}
	for _, object := range objects {
		if err := sendJSON(out, isObject, object); err != nil {
			return err
		}
	}
	return send(out, isEnd, nil)
}

// confine bounds this process, by the kernel where that is possible. It can open nothing any more afterwards: no file, no connection.
func confine(limits Limits) error {
	time.AfterFunc(limits.Time, func() { os.Exit(exitBroken) }) // also has the runtime open what its timers want
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGXCPU)
	go func() { // it ends with the process
		<-over
		os.Exit(exitOutOfTime)
	}()
	runtime.GOMAXPROCS(threads)
	debug.SetMaxStack(int(limits.Memory / stackShare)) // it is copied when it grows
	debug.SetMemoryLimit(limits.Memory / 8 * 7)        // tries harder before the kernel says no
	memory := already() + uint64(limits.Memory)
	seconds := uint64(max(1, limits.CPU.Seconds()))
	for _, one := range []struct {
		resource int
		limit    syscall.Rlimit
	}{
		{syscall.RLIMIT_CORE, syscall.Rlimit{}},
		{syscall.RLIMIT_FSIZE, syscall.Rlimit{}},
		{syscall.RLIMIT_NOFILE, syscall.Rlimit{}},
		{syscall.RLIMIT_DATA, syscall.Rlimit{Cur: memory, Max: memory}},
		{syscall.RLIMIT_CPU, syscall.Rlimit{Cur: seconds, Max: seconds + uint64(grace.Seconds())}},
	} {
		if err := syscall.Setrlimit(one.resource, &one.limit); err != nil {
			return fmt.Errorf("limit %d: %w", one.resource, err)
		}
	}
	return nil
}

// already gives the bytes of private memory that this process has without having evaluated anything: most of them are room that the runtime
// has reserved.
func already() uint64 {
	var pages [6]uint64
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	_, _ = fmt.Sscan(string(text), &pages[0], &pages[1], &pages[2], &pages[3], &pages[4], &pages[5])
	return pages[5] * uint64(os.Getpagesize())
}

// safely evaluates; a panic of a library is an error of the program that it evaluates.
func safely(evaluate Evaluator, files *Files, request []byte) (objects []Object, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fault.New(fault.Invalid, "evaluate", "", "the library gives up on this program")
		}
	}()
	return evaluate(files, request)
}

// problems takes errors apart for the way to the parent.
func problems(err error) []problem {
	var all []problem
	for _, one := range fault.Flatten(err) {
		if len(all) == maxErrors {
			break
		}
		told := problem{Op: "evaluate", Cause: one.Error()}
		var known *fault.Error
		if errors.As(one, &known) && known.Err != nil {
			told = problem{Op: known.Op, Item: known.Item, Cause: known.Err.Error(), Hint: known.Hint}
		}
		told.Item, told.Cause = shortened(told.Item, maxPath), shortened(told.Cause, maxText)
		all = append(all, told)
	}
	return all
}
