// Package loop is one closed loop: it gathers facts, decides on one action, carries it out, remembers, and asks again. The
// deciding is pure (decide*.go, facts.go, backoff.go, damping.go); the acting is in the other files.
package loop

import (
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Facts are all that Decide looks at: what is known of one Sync at one instant.
type Facts struct {
	Spec Spec
	// Deleting: the declaration is gone, what the Sync owns has to go too (or is left, by Spec.Orphan).
	Deleting bool
	Source   SourceFacts
	Needs    []Need
	Render   RenderFacts
	Compare  CompareFacts
	Plan     plan.Plan
	Objects  []diff.Entry // of the last comparison
	// Candidate is a newer desired state that is not in force.
	Candidate CandidateFacts
	// Checks are what has to be healthy beside the objects: probes, objects of others.
	Checks []Need
	// Proven says that the desired state in force has been healthy before: what goes wrong with it is no fault of the revision.
	Proven bool
	// GivenUp is set when the desired state in force has failed for good: what is left to do is to run its fail hooks and go back.
	GivenUp bool
	// Back is what to go back to; nil when there is nothing, or the declaration does not want it.
	Back *Good
	// GoBack says that going back has been decided, by a person or before a restart, and is not done.
	GoBack bool
	// Away is the revision that was left for the one in force, and why; nil when the newest allowed one is in force.
	Away *Quarantined
	// Contended are differences that others make again and again; they are left out of Plan until ContendedUntil.
	Contended      []v1alpha1.Contention
	ContendedUntil time.Time
	// Frozen is the verdict of windows that hold back repairs too.
	Frozen policy.Verdict
	// Hooks say how the hooks of this revision are doing.
	Hooks HookFacts
	// New says that some of Plan.Next comes from a new desired state and is not the repair of a disturbance.
	New bool
	// Gated is the number of such differences that are left out of Plan because something in Needs is not healthy.
	Gated int
	// ChangedAt is when the last change was made or the last disturbance of health was seen; the health timeout counts from it.
	ChangedAt time.Time
	// BeganAt is when the desired state in force was first acted on; what is refused counts its timeout from it. Zero: not yet.
	BeganAt time.Time
	// RetryAt is the earliest instant at which something that failed is tried again; zero when nothing waits.
	RetryAt time.Time
}

// Spec is the part of a Sync's declaration that decisions depend on.
type Spec struct {
	Suspend     bool
	SuspendedBy string // "declaration" or "person"
	Report      bool   // drift: report
	Orphan      bool
	Timeout     time.Duration
	// Err says why the declaration cannot be used at all; nil when it can.
	Err error
	// Refused says why a newer declaration of the Sync is not in force; nil when there is none.
	Refused error
}

// SourceFacts say what is known of the source.
type SourceFacts struct {
	Revision *state.Revision // the newest known, nil when none has ever been seen
	Err      error           // why the last look failed; the revision stays in force
}

// RenderFacts say what is known of the desired state.
type RenderFacts struct {
	Revision string    // ID of the revision that was rendered last, with or without success
	Stale    bool      // something that the render depends on beside the revision is another since
	Known    bool      // there is a desired state to hold the target to
	Err      error     // why Revision could not be rendered; the desired state is then the one before
	RetryAt  time.Time // set when Err is transient
}

// CandidateFacts say what is known of a desired state that was rendered and is not in force.
type CandidateFacts struct {
	Known    bool
	Revision state.Revision
	// Judged says that the guards have looked at it as things are now, and Verdicts what they object to.
	Judged   bool
	Verdicts []policy.Verdict
	// Quarantined says that it failed before, and nothing has changed that could make it succeed; Probe that it is time to see whether
	// the target would still refuse it.
	Quarantined, Probe bool
}

// HookFacts say how the hooks of the desired state in force are doing.
type HookFacts struct {
	Running []diff.Entry
	// Again says that hooks which run on every repair have to run before the next one.
	Again bool
	// Next and Deadline are the first and the last deadline of the running ones; zero when none runs.
	Next, Deadline time.Time
}

// CompareFacts say what is known of the target.
type CompareFacts struct {
	Known bool  // there has been a comparison with the present desired state
	Fresh bool  // and nothing has happened since that could change it
	Err   error // why the last comparison failed
	// Unknown are the targets that could not be compared when others could.
	Unknown []error
	RetryAt time.Time
}

// Need is an object that has to be healthy first.
type Need struct {
	ID     state.ID
	Health state.Health
	// Cycle is the chain of names that leads back to this Sync, when it does.
	Cycle []string
}
