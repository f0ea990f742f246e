package commands

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// startPause is how long an attempt to start waits after one that could not be made.
const startPause = 5 * time.Second

// facts are what a decision looks at beside the memory.
type facts struct {
	Name      string
	Processes []supervise.Status // of all runs of this command
	Timeout   time.Duration
	Now       time.Time
	Secrets   diff.Scrubber // knows the variables of the app that it runs in
	Hide      bool          // nobody knows them, so that no output is quoted
}

// verdict is what decide says. Memory is to be safe on disk before anything else is done: after a crash the same facts with that memory
// say what is left. Doing anything twice is the same as once.
type verdict struct {
	Memory memory
	Stop   []supervise.ProcessID
	Forget []supervise.ProcessID
	Start  bool
	Finish bool      // nothing runs any more: remove what is kept, and the record
	Wake   time.Time // when to look again without an event; zero for never
}

// decide says what to remember and what to do about one command: a pure function. These hold whatever happens:
//
//   - a process is started only when none of this command runs, and never again once it was seen or has ended;
//   - what the supervisor knows of an end is forgotten only when the memory has it.
func decide(m memory, f facts) verdict {
	v := verdict{Memory: m}
	mine, others := v.sift(f)
	switch {
	case m.Removing:
		v.remove(mine, others)
	case m.Outcome != nil:
		v.settle(mine, others)
	case others: // an earlier run is on its way out
	case mine == nil:
		v.start(f)
	case mine.Phase == supervise.Exited:
		v.ended(*mine, f)
	default:
		v.running(*mine, f)
	}
	return v
}

// sift gives the process of the present run, nil when there is none, and says whether others are there, which are cleared away.
func (v *verdict) sift(f facts) (mine *supervise.Status, others bool) {
	current := v.Memory.process(f.Name)
	for i, status := range f.Processes {
		switch {
		case status.ID == current:
			mine = &f.Processes[i]
		case status.Phase == supervise.Exited:
			v.Forget, others = append(v.Forget, status.ID), true
		default:
			v.Stop, others = append(v.Stop, status.ID), true
		}
	}
	return mine, others
}

func (v *verdict) remove(mine *supervise.Status, others bool) {
	switch {
	case mine == nil:
		v.Finish = !others
	case mine.Phase == supervise.Exited:
		v.Forget = append(v.Forget, mine.ID)
	default:
		v.Stop = append(v.Stop, mine.ID)
	}
}

// settle clears away what the supervisor still knows of a run whose end is remembered.
func (v *verdict) settle(mine *supervise.Status, others bool) {
	if mine != nil {
		v.Forget = append(v.Forget, mine.ID)
		return
	}
	v.Memory.Settled = !others
}

func (v *verdict) start(f facts) {
	switch m := &v.Memory; {
	case m.Started:
		m.Outcome = &outcome{Reason: reasonLost, Message: "it was started, and what became of it is not known"}
	case f.Now.Before(m.NotBefore):
		v.Wake = m.NotBefore
	default:
		v.Start = true
	}
}

func (v *verdict) running(status supervise.Status, f facts) {
	m, deadline := &v.Memory, status.Started.Add(f.Timeout)
	m.Started = true
	if m.Late || !f.Now.Before(deadline) {
		m.Late = true
		v.Stop = append(v.Stop, status.ID)
		return
	}
	v.Wake = deadline
}

// ended remembers an end. A process that could not be started, for a reason that may pass, is tried again while there is time.
func (v *verdict) ended(status supervise.Status, f facts) {
	m, exit := &v.Memory, status.Exit
	if exit == nil {
		exit = &supervise.Exit{Code: -1, Unknown: true}
	}
	if exit.Error != "" && !exit.Permanent && !m.Started && f.Now.Before(m.Asked.Add(f.Timeout)) {
		m.Launch++
		m.NotBefore = f.Now.Add(startPause)
		v.Forget = append(v.Forget, status.ID)
		return
	}
	hide := m.Secret || f.Hide
	if hide { // which part of what it was given is the secret one, nobody knows here
		hidden := *exit
		hidden.Output = nil
		exit = &hidden
	}
	m.Outcome = outcomeOf(exit, m.Late, f.Timeout)
	m.Outcome.Message = f.Secrets.Text(m.Outcome.Message)
	if hide && !m.Outcome.Succeeded {
		m.Outcome.Message += "; what it wrote is in its log alone, as there may be secrets in it"
	}
}
