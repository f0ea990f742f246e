// Package supervise runs processes beside the agent: one small process of its own for each data directory, which outlives the agent's
// restarts and crashes. It starts and stops processes, keeps their output, checks their health, and balances the addresses of apps over
// the healthy ones. It decides nothing: what should run is the agent's business.
//
// The files in the order of the story. What both sides speak of: api.go, identity.go, wire.go. The agent's side: client.go, connect.go
// finds or starts a supervisor, call.go asks it, oneoff.go runs a command of a person. The supervisor: main.go; home.go has its directory,
// serve.go answers, board.go is what it knows, record.go what its successor will. A process: start.go begins it, with launch.go,
// refused.go, limits.go, group.go and ports.go; process.go lives its life; reaper.go waits for it, strays.go clears up after it; lines.go,
// output.go and logbook.go keep what it writes; watch.go looks after its health, with health.go, check.go and listening.go; balance.go
// gives it traffic. Going on: adopt.go after a crash, upgrade.go in the same process; proc.go reads /proc for both.
package supervise

import (
	"time"
)

// ProcessID names one process for good: it is never used again for another. Starting what was started is no error and no second process.
type ProcessID struct {
	App     string `json:"app"`
	Release int    `json:"release"`
	Type    string `json:"type"`   // "web"; "pre" of a release's command before the switch
	Index   int    `json:"index"`  // of the replica, from 1
	Launch  int    `json:"launch"` // grows by one with every start of that replica
}

// Launch is everything that is needed to run something in an app's environment.
type Launch struct {
	Dir     string   `json:"dir"`     // working directory, absolute
	Command []string `json:"command"` // $NAME, ${NAME} and $$ are expanded with Env
	Env     []string `json:"env"`     // NAME=value; the whole environment but for PORT and what marks the process
	// UID and GID to run as; nil for the supervisor's own.
	UID *uint32 `json:"uid,omitempty"`
	GID *uint32 `json:"gid,omitempty"`
	// Memory in bytes, CPU in thousandths of a processor, Files open at once; 0 for no limit.
	Memory int64 `json:"memory,omitempty"`
	CPU    int64 `json:"cpu,omitempty"`
	Files  int64 `json:"files,omitempty"`
}

// Process asks for a process.
type Process struct {
	ID     ProcessID `json:"id"`
	Launch Launch    `json:"launch"`
	// Port that the process is to bind on a loopback address: 0 for a free one, which the supervisor chooses; -1 for none.
	Port  int           `json:"port"`
	Check Check         `json:"check"`
	Grace time.Duration `json:"grace"` // between SIGTERM and SIGKILL
	// LogDir is the directory of the process type's output, LogSize the bytes of one file, LogFiles how many are kept beside it.
	LogDir   string `json:"logDir"`
	LogSize  int64  `json:"logSize"`
	LogFiles int    `json:"logFiles"`
	// Once: it is expected to end by itself (a command before a switch).
	Once bool `json:"once,omitempty"`
}

// Check says when a process is healthy. The zero value: when it has run for a second.
type Check struct {
	HTTP      string        `json:"http,omitempty"` // path
	TCP       bool          `json:"tcp,omitempty"`
	Command   []string      `json:"command,omitempty"`
	Interval  time.Duration `json:"interval,omitempty"`
	Timeout   time.Duration `json:"timeout,omitempty"`
	Healthy   int           `json:"healthy,omitempty"`   // successes in a row
	Unhealthy int           `json:"unhealthy,omitempty"` // failures in a row
}

// Phase is where a process is in its life.
type Phase string

// The phases, in their order.
const (
	Running  Phase = "Running"
	Draining Phase = "Draining" // gets no new traffic, and is stopped when what is under way is done
	Stopping Phase = "Stopping" // was sent SIGTERM
	Exited   Phase = "Exited"   // and everything of its process group is gone; the record stays until it is forgotten
)

// Status is how a process is doing.
type Status struct {
	ID      ProcessID `json:"id"`
	Phase   Phase     `json:"phase"`
	PID     int       `json:"pid,omitempty"`
	Port    int       `json:"port,omitempty"`
	Started time.Time `json:"started"`
	// Healthy by its check; Failing says what the last failed check said ("GET /healthz: 503"), "" when it succeeded or there was none.
	// Ever: it has been healthy once.
	Healthy bool   `json:"healthy"`
	Failing string `json:"failing,omitempty"`
	Ever    bool   `json:"ever"`
	Exit    *Exit  `json:"exit,omitempty"`
	// Asked: it was told to stop, so that its end is no surprise.
	Asked bool `json:"asked,omitempty"`
}

// Exit is how a process ended.
type Exit struct {
	Time   time.Time `json:"time"`
	Code   int       `json:"code"`             // -1 when a signal ended it, or nobody knows
	Signal string    `json:"signal,omitempty"` // "SIGKILL"
	// Error says why it could not be started at all ("./serve: permission denied: the file is not executable"); Permanent that trying
	// again is of no use.
	Error     string `json:"error,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
	// Unknown: it ended while no supervisor was its parent.
	Unknown bool `json:"unknown,omitempty"`
	// Output are the last lines that it wrote, at most 20 and 4 KiB.
	Output []string `json:"output,omitempty"`
}

// App is what the supervisor has to know of an app beside its processes.
type App struct {
	Name    string `json:"name"`
	Release int    `json:"release"`
	// Listen is the app's stable address, "127.0.0.1:8080"; "" for none. Protocol is "http" or "tcp".
	Listen   string `json:"listen,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	// Backends get the traffic while they are healthy.
	Backends []ProcessID `json:"backends,omitempty"`
	// OneOff is what commands of people run with (setpoint exec); its Command is empty.
	OneOff Launch `json:"oneOff"`
}

// AppStatus is how an app's address is doing.
type AppStatus struct {
	App `json:",inline"`
	// Error says why the address cannot be listened on; "" when it is.
	Error string `json:"error,omitempty"`
	// Requests (of tcp: connections) that were answered, and that failed because no backend could be reached.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
}

// State is everything that a supervisor knows. Secrets are left out of it: Launch.Env of every app and process is nil.
type State struct {
	// Version grows with every change, also from one supervisor to the next; see Supervisor.State.
	Version   uint64      `json:"version"`
	Binary    string      `json:"binary"`    // version of the program that the supervisor runs
	PID       int         `json:"pid"`       // of the supervisor: another one has adopted what runs when it changes without an upgrade
	Processes []Status    `json:"processes"` // in the order of their IDs
	Apps      []AppStatus `json:"apps"`      // in the order of their names
}
