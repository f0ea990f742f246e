package loop

import (
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
)

// State is the name of what a Sync is going through.
type State string

// The states.
const (
	Pending    State = "Pending"    // waits for a source, a dependency
	Rendering  State = "Rendering"  // desired state is being read
	Syncing    State = "Syncing"    // the target is being compared or changed
	Settling   State = "Settling"   // applied; objects are on their way to health
	InSync     State = "InSync"     // equal and healthy
	Drifted    State = "Drifted"    // differs, and is only to be reported
	Held       State = "Held"       // policy keeps the change back until a person or the declaration says otherwise
	Failed     State = "Failed"     // something has to change before it can go on
	RolledBack State = "RolledBack" // an earlier revision is in force
	Suspended  State = "Suspended"  // told to do nothing
)

// Action is the one thing to do next.
type Action string

// The actions.
const (
	Nothing Action = ""        // wait for an event, or until Decision.WakeAt
	Render  Action = "render"  // read the desired state of Facts.Source.Revision
	Compare Action = "compare" // compare the target with it
	Judge   Action = "judge"   // ask the guards about Facts.Candidate, and put it in force when they allow it
	Probe   Action = "probe"   // see whether the target would still refuse a quarantined candidate
	Apply   Action = "apply"   // carry out Facts.Plan.Next
	Rerun   Action = "rerun"   // let the hooks that run on every repair run again
	GiveUp  Action = "giveup"  // take note that the desired state in force has failed: it is quarantined
	GoBack  Action = "goback"  // put Facts.Back, or what a person chose, in force
	Forget  Action = "forget"  // everything is gone or left: the Sync itself goes
)

// Decision is what Decide says.
type Decision struct {
	State   State
	Reason  string  // CamelCase
	Message string  // one sentence, stable while the problem is the same
	Hint    string  // what to do next, for states that need a person
	Errs    []error // every problem behind the state, or beside it
	Action  Action
	// Cause is the object behind the state: what is waited for, or what is worst; nil when there is none.
	Cause *v1alpha1.Cause
	// WakeAt is when to look again without an event; zero for never.
	WakeAt time.Time
}

// DependencyCycle is the reason of a Sync that depends on itself. It ends by the declaration of any Sync on the way.
const DependencyCycle = "DependencyCycle"

// byPerson is the word of Spec.SuspendedBy for what somebody asked for, as opposed to what is declared.
const byPerson = "person"

// rule is one line of the control law: it decides, or leaves it to the next.
type rule func(f Facts, now time.Time) (Decision, bool)

// law is the control law, in order: first what forbids to act, then what has to be known, then what has to be changed, then
// what is still missing. Reading the list is reading the law.
var law = []rule{
	deletion,
	suspension,
	misconfiguration,
	dependencyCycle,
	goingBack,
	missingRevision,
	unreadRevision,
	unjudgedCandidate,
	missingDesire,
	staleComparison,
	difference,
	dependency,
	refusal,
	waitingStage,
	illHealth,
	contention,
	reportedDrift,
	dependencyHealth,
}

// Decide applies the control law: a pure function from what is known to a state and one action. Called again with the same
// facts it decides the same, so a wake-up too many changes nothing.
func Decide(f Facts, now time.Time) Decision {
	for _, decide := range law {
		if decision, ok := decide(f, now); ok {
			return decision
		}
	}
	if overridden := overrides(f.Objects); len(overridden) > 0 {
		return rest(f, Decision{State: InSync, Reason: RolledBackByPerson,
			Message: "healthy, but a person has decided otherwise than is declared: " + describe(overridden),
			Hint:    "go forward again with `setpoint rollback`, or change the declaration"})
	}
	return rest(f, Decision{State: InSync, Reason: "Equal", Message: "everything is as declared, and healthy"})
}

// RolledBackByPerson is the reason of objects that are healthy, and not as declared, because a person has gone back to what was before.
const RolledBackByPerson = "RolledBack"

func overrides(objects []diff.Entry) []diff.Entry {
	var found []diff.Entry
	for _, entry := range objects {
		if entry.Health.Ready() && entry.Health.Reason == RolledBackByPerson {
			found = append(found, entry)
		}
	}
	return found
}
