// Package loop is one closed loop: it gathers facts, decides on one action, carries it out, remembers, and asks again. The
// deciding is pure (decide.go, facts.go, backoff.go); the acting is in the other files.
package loop

import (
	"time"

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
	// New says that some of Plan.Next comes from a new desired state and is not the repair of a disturbance.
	New bool
	// Gated is the number of such differences that are left out of Plan because something in Needs is not healthy.
	Gated int
	// ChangedAt is when the last change was made or the last disturbance of health was seen; the health timeout counts from it.
	ChangedAt time.Time
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
}

// SourceFacts say what is known of the source.
type SourceFacts struct {
	Revision *state.Revision // the newest known, nil when none has ever been seen
	Err      error           // why the last look failed; the revision stays in force
}

// RenderFacts say what is known of the desired state.
type RenderFacts struct {
	Revision string // ID of the revision that was rendered last, with or without success
	Known    bool   // there is a desired state to hold the target to
	Err      error  // why Revision could not be rendered; the desired state is then the one before
	// Verdict of the guards on what was rendered; while it holds, the desired state is the one before.
	Verdict policy.Verdict
	RetryAt time.Time // set when Err is transient
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
