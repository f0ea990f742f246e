// Package confined evaluates programs that nobody vouches for in a process of their own, which the kernel stops when it takes too much
// time or memory: neither Jsonnet nor CUE has a bound that holds by itself. The process is this same binary (see Main). It has no
// environment, and can open neither file nor connection: what it reads, it asks its parent for, who reads it through the artifact's
// recorder and counts.
//
// In the order of the story: run.go starts such a process, wire.go is what both sides say to each other, serve.go is the process's own
// side and files.go what it sees of the artifact, answer.go is the parent's side, end.go tells how a process ended, and gather.go finds
// the objects in the value that a program has.
package confined

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// name is the first argument of a process that evaluates, by which Main knows that it is one. It has no other arguments.
const name = "setpoint-evaluation"

// Limits bound one evaluation.
type Limits struct {
	// CPU is the processor time that it may take, in whole seconds.
	CPU time.Duration
	// Time is how long it may take altogether, at most.
	Time time.Duration
	// Memory is how many bytes of private memory the process may have, beside those that it begins with (some 100 MiB, of which it uses
	// some 20). It is ended a little earlier.
	Memory int64
	// Reads and ReadBytes are how often it may read, and how much.
	Reads     int
	ReadBytes int64
	// Objects and ObjectBytes are how many objects it may give, and how long they may be together, as JSON.
	Objects     int
	ObjectBytes int64
}

// DefaultLimits are those of every evaluation that asks for none of its own. The parent's own memory is bounded by ReadBytes (one file
// after the other) and ObjectBytes.
var DefaultLimits = Limits{
	CPU: 20 * time.Second, Time: time.Minute, Memory: 1 << 30,
	Reads: 20_000, ReadBytes: 256 << 20,
	Objects: 50_000, ObjectBytes: 64 << 20,
}

// The bounds of what both sides say to each other, and of what they speak of.
const (
	maxPath    = 4096              // bytes of a path
	maxRequest = 16 << 20          // bytes of what is to be evaluated: variables and arguments
	maxFrame   = 32<<20 + maxPath  // bytes of one message: a file of an artifact is not longer
	maxObject  = document.MaxBytes // bytes of one object
	maxDepth   = document.MaxDepth // nesting of an object
	maxErrors  = 20                // errors of one evaluation that are told
	maxText    = 2000              // bytes of the text of one error
	maxValues  = 2_000_000         // values in all that a program gives
	maxEntries = 100_000           // entries of a directory
	stackShare = 8                 // of its memory that a recursion may take
	threads    = 2                 // that run Go code in the process
	grace      = 2 * time.Second   // of processor time, to say that it is used up
)

// Job is one evaluation.
type Job struct {
	// Kind names the evaluator: "jsonnet", "cue".
	Kind string
	// At is the path of what is evaluated, for errors.
	At string
	// Request is what the evaluator gets, as JSON.
	Request any
	// Files are what it may read.
	Files *render.Recorder
	// Limits of the evaluation. The zero value stands for DefaultLimits.
	Limits Limits
}

// Evaluator evaluates in the process that is confined. Its errors are faults; they arrive as Invalid, joined.
type Evaluator func(files *Files, request []byte) ([]Object, error)

// Object is one that a program gives.
type Object struct {
	File string `json:"file,omitempty"` // that declares it
	Line int    `json:"line,omitempty"` // of the declaration, from 1; 0 when not known
	// JSON is its content.
	JSON []byte `json:"json"`
}
