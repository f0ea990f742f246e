package commands

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// world is a supervisor in a few lines, with an agent that may die between any two things that it does.
type world struct {
	memory    memory // as it is on the disk
	processes map[supervise.ProcessID]supervise.Status
	started   map[int]int // how often the process of each run has been started
	finished  bool
	now       time.Time
}

func (w *world) facts() facts {
	f := facts{Name: "x", Timeout: time.Minute, Now: w.now}
	for _, status := range w.processes {
		f.Processes = append(f.Processes, status)
	}
	return f
}

// turn is one of the runner; the agent dies after so many of its actions, the first of which is to remember.
func (w *world) turn(t *rapid.T, actions int) {
	v := decide(w.memory, w.facts())
	done := 0
	may := func() bool { done++; return done <= actions }
	if !may() {
		return
	}
	w.memory = v.Memory
	for _, id := range v.Stop {
		if status, there := w.processes[id]; there && may() && status.Phase == supervise.Running {
			status.Phase = supervise.Stopping
			w.processes[id] = status
		}
	}
	for _, id := range v.Forget {
		if w.processes[id].Phase == supervise.Exited && may() {
			delete(w.processes, id)
		}
	}
	if v.Start && may() {
		w.start(t)
	}
	if v.Finish && may() {
		if len(w.processes) > 0 {
			t.Fatalf("everything is removed while something is left: %v", w.processes)
		}
		w.finished = true
	}
}

func (w *world) start(t *rapid.T) {
	id := w.memory.process("x")
	if _, known := w.processes[id]; known {
		return
	}
	for other, status := range w.processes {
		if status.Phase != supervise.Exited {
			t.Fatalf("%v is started while %v runs", id, other)
		}
	}
	w.processes[id] = supervise.Status{ID: id, Phase: supervise.Running, Started: w.now}
	if rapid.IntRange(0, 3).Draw(t, "refused") == 0 {
		w.processes[id] = supervise.Status{ID: id, Phase: supervise.Exited, Exit: &supervise.Exit{Code: -1, Error: "not now"}}
		return
	}
	w.started[id.Release]++
}

// pass lets the world go on by itself.
func (w *world) pass(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
	for id, status := range w.processes {
		if status.Phase == supervise.Stopping || status.Phase == supervise.Running && rapid.Bool().Draw(t, "ends") {
			status.Phase, status.Exit = supervise.Exited, &supervise.Exit{Code: rapid.IntRange(0, 1).Draw(t, "code")}
			w.processes[id] = status
		}
	}
}

// However the agent dies and whatever is declared meanwhile: no run is started twice, no two at once, and in the end the last of them has
// an outcome, or nothing is left.
func TestNothingRunsTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			memory:    memory{Run: 1, Launch: 1, Asked: noon},
			processes: map[supervise.ProcessID]supervise.Status{}, started: map[int]int{}, now: noon,
		}
		for range rapid.IntRange(0, 20).Draw(t, "rounds") {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				if !w.memory.Removing {
					w.memory = memory{Run: w.memory.Run + 1, Launch: 1, Asked: w.now}
				}
			case 1:
				w.memory.Removing = true
			case 2, 3:
				w.pass(t)
			default:
				w.turn(t, rapid.IntRange(0, 4).Draw(t, "actions"))
			}
		}
		for range 200 {
			if w.finished || w.memory.Settled && !w.memory.Removing {
				break
			}
			w.turn(t, 100)
			w.pass(t)
		}
		if !w.finished && (!w.memory.Settled || w.memory.Outcome == nil || len(w.processes) > 0) {
			t.Fatalf("it does not end: %+v, %v", w.memory, w.processes)
		}
		for run, times := range w.started {
			if times > 1 {
				t.Fatalf("run %d was started %d times", run, times)
			}
		}
	})
}

func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name    string
		exit    supervise.Exit
		late    bool
		reason  string
		message string
	}{
		{"success", supervise.Exit{Output: []string{"done"}}, false, "Succeeded", ""},
		{"failure", supervise.Exit{Code: 3}, false, "CommandFailed", "it exited with code 3"},
		{"output", supervise.Exit{Code: 1, Output: []string{"a", "", "\x1b[1mb\tc\x07"}}, false, "CommandFailed",
			"it exited with code 1; it last wrote: a | [1mb c"},
		{"signal", supervise.Exit{Code: -1, Signal: "SIGKILL"}, false, "CommandFailed", "it was killed by SIGKILL"},
		{"late", supervise.Exit{Output: []string{"x"}}, true, "TimedOut", "it was ended: it was not done after 1m0s; it last wrote: x"},
		{"unseen", supervise.Exit{Code: -1, Unknown: true}, false, "OutcomeUnknown",
			"it ended while nobody watched it, so that its exit code is not known"},
		{"not started", supervise.Exit{Code: -1, Error: "x: command not found"}, false, "CannotStart",
			"it could not be started: x: command not found"},
	} {
		got := outcomeOf(&test.exit, test.late, time.Minute)
		if got.Reason != test.reason || got.Message != test.message || got.Succeeded != (test.reason == "Succeeded") {
			t.Errorf("%s: %+v, want %s: %s", test.name, got, test.reason, test.message)
		}
	}
}

// Whatever a command writes: the message is one line of valid text, with its end, and not too long.
func TestOutputIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		output := rapid.SliceOf(rapid.String()).Draw(t, "output")
		if rapid.Bool().Draw(t, "long") {
			output = append(output, strings.Repeat("é", rapid.IntRange(0, 5000).Draw(t, "length"))+"END")
		}
		message := outcomeOf(&supervise.Exit{Code: 1, Output: output}, false, time.Minute).Message
		if len(message) > maxMessage || strings.ContainsAny(message, "\n\r\x1b") || !utf8.ValidString(message) {
			t.Fatalf("%d bytes: %q", len(message), message)
		}
		if len(output) > 0 && strings.HasSuffix(output[len(output)-1], "END") && !strings.HasSuffix(message, "END") {
			t.Fatalf("the end is missing: %q", message)
		}
	})
}

// What a command that was given secrets has written is quoted without them, or not at all.
func TestSecretsAreNotQuoted(t *testing.T) {
	status := supervise.Status{Exit: &supervise.Exit{Code: 3, Output: []string{"no hunter22 here"}}}
	for name, test := range map[string]struct {
		memory memory
		facts  facts
		want   string
	}{
		"none":             {memory{}, facts{}, "it exited with code 3; it last wrote: no hunter22 here"},
		"its app's":        {memory{}, facts{Secrets: diff.NewScrubber([]string{"hunter22"})}, "it exited with code 3; it last wrote: no (secret) here"},
		"its own":          {memory{Secret: true}, facts{}, "it exited with code 3; what it wrote is in its log alone, as there may be secrets in it"},
		"an app's unknown": {memory{}, facts{Hide: true}, "it exited with code 3; what it wrote is in its log alone, as there may be secrets in it"},
	} {
		v := verdict{Memory: test.memory}
		v.ended(status, test.facts)
		if got := v.Memory.Outcome.Message; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
