package loop

import (
	"fmt"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
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
	Apply   Action = "apply"   // carry out Facts.Plan.Next
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
	missingRevision,
	unreadRevision,
	missingDesire,
	staleComparison,
	difference,
	dependency,
	refusal,
	waitingStage,
	illHealth,
	reportedDrift,
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

func deletion(f Facts, now time.Time) (Decision, bool) {
	switch {
	case !f.Deleting:
		return Decision{}, false
	case f.Spec.SuspendedBy == byPerson:
		return Decision{State: Suspended, Reason: "Suspended",
			Message: "the declaration is gone, and it is suspended by a person: what it owns stays until it goes on",
			Hint:    "let it go with `setpoint resume`"}, true
	case f.Spec.Orphan:
		return deleting(Syncing, "Orphaning", "the declaration is gone; what it owned is left in place", Forget), true
	case f.Compare.Err != nil && now.Before(f.Compare.RetryAt):
		return failure("CompareFailed", []error{f.Compare.Err}, f.Compare.RetryAt), true
	case !f.Compare.Known || !f.Compare.Fresh:
		return deleting(Syncing, "Deleting", "the declaration is gone; looking for what it owns", Compare), true
	case len(f.Plan.Next) > 0:
		return deleting(Syncing, "Deleting", "the declaration is gone; removing "+describeSteps(f.Plan.Next), Apply), true
	case len(f.Plan.Errors)+len(f.Compare.Unknown) > 0:
		return failure("DeletionFailed", append(errorsOf(f.Plan.Errors), f.Compare.Unknown...), f.RetryAt), true
	case len(f.Plan.Waiting)+f.Plan.Behind > 0:
		decision := deleting(Settling, "Deleting", "waiting until it is gone: "+describe(f.Plan.Waiting), Nothing)
		decision.WakeAt = f.RetryAt
		return decision, true
	}
	return deleting(Syncing, "Deleted", "nothing is owned any more", Forget), true
}

func deleting(state State, reason, message string, action Action) Decision {
	return Decision{State: state, Reason: reason, Message: message, Action: action}
}

func suspension(f Facts, _ time.Time) (Decision, bool) {
	if !f.Spec.Suspend {
		return Decision{}, false
	}
	message, hint := "suspended by its declaration", "set spec.suspend to false in its declaration"
	if f.Spec.SuspendedBy == byPerson {
		message, hint = "suspended by a person", "let it go on with `setpoint resume`"
	}
	decision := Decision{State: Suspended, Reason: "Suspended", Message: message, Hint: hint}
	if f.Compare.Known && !f.Compare.Fresh && f.Compare.Err == nil {
		decision.Action = Compare // looking changes nothing, and how it is doing has to be true all the same
	} else if sick := ailing(f.Objects); len(sick) > 0 {
		decision.Message += "; meanwhile not healthy: " + describe(sick)
	}
	return decision, true
}

func misconfiguration(f Facts, _ time.Time) (Decision, bool) {
	if f.Spec.Err == nil {
		return Decision{}, false
	}
	return failure("Misconfigured", fault.Flatten(f.Spec.Err), time.Time{}), true
}

func dependencyCycle(f Facts, _ time.Time) (Decision, bool) {
	for _, need := range f.Needs {
		if len(need.Cycle) > 0 {
			err := fault.New(fault.Invalid, "resolve dependsOn of", need.Cycle[0],
				"it depends on itself: "+strings.Join(need.Cycle, " → ")).WithHint("remove one of these dependsOn entries")
			return failure(DependencyCycle, []error{err}, time.Time{}), true
		}
	}
	return Decision{}, false
}

func missingRevision(f Facts, _ time.Time) (Decision, bool) {
	switch {
	case f.Source.Revision != nil:
		return Decision{}, false
	case f.Source.Err != nil:
		return failure("SourceFailed", fault.Flatten(f.Source.Err), time.Time{}), true
	}
	return Decision{State: Pending, Reason: "Fetching", Message: "waiting for the first revision of its source"}, true
}

func unreadRevision(f Facts, now time.Time) (Decision, bool) {
	again := f.Render.Err != nil && !f.Render.RetryAt.IsZero() && !now.Before(f.Render.RetryAt)
	if f.Render.Revision == f.Source.Revision.ID && !again {
		return Decision{}, false
	}
	return Decision{State: Rendering, Reason: "NewRevision", Message: "reading " + f.Source.Revision.Short(), Action: Render}, true
}

// missingDesire: there is nothing to hold the target to, because no revision seen so far could be used.
func missingDesire(f Facts, _ time.Time) (Decision, bool) {
	if f.Render.Known {
		return Decision{}, false
	}
	return rest(f, Decision{State: Pending, Reason: "NothingDesired", Message: "no revision could be read yet"}), true
}

func staleComparison(f Facts, now time.Time) (Decision, bool) {
	if f.Compare.Err != nil && now.Before(f.Compare.RetryAt) {
		return failure("CompareFailed", fault.Flatten(f.Compare.Err), f.Compare.RetryAt), true
	}
	if f.Compare.Known && f.Compare.Fresh && f.Compare.Err == nil {
		return Decision{}, false
	}
	return Decision{State: Syncing, Reason: "Comparing", Message: "comparing the target with what is declared", Action: Compare}, true
}

func difference(f Facts, _ time.Time) (Decision, bool) {
	if len(f.Plan.Next) == 0 {
		return Decision{}, false
	}
	reason, message := "Repairing", "changing "+describeSteps(f.Plan.Next)
	if f.New {
		reason = "Applying"
	}
	if f.Plan.Behind > 0 {
		message += fmt.Sprintf("; %d more after that", f.Plan.Behind)
	}
	return Decision{State: Syncing, Reason: reason, Message: message, Action: Apply}, true
}

// dependency: changes that are not repairs wait until what the Sync depends on is healthy.
func dependency(f Facts, _ time.Time) (Decision, bool) {
	if f.Gated == 0 {
		return Decision{}, false
	}
	for _, need := range f.Needs {
		if need.Health.Ready() {
			continue
		}
		message := fmt.Sprintf("waiting for %s: %s", need.ID, orElse(need.Health.Message, strings.ToLower(string(need.Health.Status))))
		return rest(f, Decision{State: Pending, Reason: "DependencyNotReady", Message: message, WakeAt: f.RetryAt}), true
	}
	return Decision{}, false
}

func refusal(f Facts, _ time.Time) (Decision, bool) {
	errs := append(errorsOf(f.Plan.Errors), f.Compare.Unknown...)
	if len(errs) == 0 {
		return Decision{}, false
	}
	return rest(f, failure(orElse(string(commonKind(errs)), "ApplyFailed"), errs, f.RetryAt)), true
}

func waitingStage(f Facts, now time.Time) (Decision, bool) {
	if len(f.Plan.Waiting)+f.Plan.Behind == 0 {
		return Decision{}, false
	}
	return settling(f, now, f.Plan.Waiting, "WaitingForOrder"), true
}

func illHealth(f Facts, now time.Time) (Decision, bool) {
	sick := ailing(f.Objects)
	if len(sick) == 0 {
		return Decision{}, false
	}
	return settling(f, now, sick, ""), true
}

func ailing(objects []diff.Entry) []diff.Entry {
	var found []diff.Entry
	for _, entry := range objects {
		if entry.Op != diff.Delete && !entry.Health.Ready() && entry.Health.Status != state.Suspended {
			found = append(found, entry)
		}
	}
	return found
}

// settling waits for health until the timeout, then says that it failed; health that comes later is welcome all the same.
func settling(f Facts, now time.Time, unhealthy []diff.Entry, reason string) Decision {
	worst := worstOf(unhealthy)
	if reason == "" {
		reason = orElse(worst.Reason, string(orElse(worst.Status, state.Progressing)))
	}
	deadline := f.ChangedAt.Add(f.Spec.Timeout)
	if worst.Final {
		return rest(f, Decision{State: Failed, Reason: "Unhealthy", WakeAt: f.RetryAt, Message: describe(unhealthy),
			Hint: "mend it in the source: it is not tried again before something changes"})
	}
	if now.Before(deadline) {
		message := "waiting for " + describe(unhealthy)
		return rest(f, Decision{State: Settling, Reason: reason, Message: message, WakeAt: earliest(deadline, f.RetryAt)})
	}
	return rest(f, Decision{State: Failed, Reason: "Unhealthy", WakeAt: f.RetryAt,
		Message: fmt.Sprintf("not healthy within %s: %s", f.Spec.Timeout, describe(unhealthy)),
		Hint:    "see each object with `setpoint tree`; mend it in the source, or allow more time with spec.timeout"})
}

func reportedDrift(f Facts, _ time.Time) (Decision, bool) {
	if len(f.Plan.Skipped) == 0 {
		return Decision{}, false
	}
	return rest(f, Decision{State: Drifted, Reason: "DriftReported", WakeAt: f.RetryAt,
		Message: "differs from what is declared, and is left so: " + describe(f.Plan.Skipped),
		Hint:    "see the fields and who set them with `setpoint diff`; to have it corrected remove `drift: report`"}), true
}

// rest completes a decision about the desired state in force by what is wrong with a newer one: a revision that cannot be read
// or is held leaves the target as it is, and kept so, but the Sync says it. A source that does not answer now is only remarked;
// one that needs a person (its branch is gone, its token has expired, what it has is beyond the limits) is a failure.
func rest(f Facts, decision Decision) Decision {
	decision.WakeAt = earliest(decision.WakeAt, f.RetryAt)
	switch {
	case decision.State == Failed:
	case f.Render.Err != nil:
		return failure("RenderFailed", fault.Flatten(f.Render.Err), earliest(f.Render.RetryAt, decision.WakeAt))
	case f.Render.Verdict.Outcome == policy.Hold:
		verdict := f.Render.Verdict
		decision.State, decision.Reason, decision.Message, decision.Hint = Held, verdict.Check, verdict.Message, verdict.Remedy
	case decision.State == InSync && f.Source.Err != nil && fault.KindOf(f.Source.Err) != fault.Transient:
		return failure("SourceFailed", fault.Flatten(f.Source.Err), decision.WakeAt)
	case decision.State == InSync && f.Source.Err != nil:
		decision.Reason, decision.Hint = "SourceFailed", fault.HintOf(f.Source.Err)
		decision.Message = "as declared by the last revision that is known; no newer one can be had: " + f.Source.Err.Error()
	}
	if f.Source.Err != nil {
		decision.Errs = append(decision.Errs, f.Source.Err)
	}
	return decision
}

// failure says what failed: the first error in a line for people, all of them for programs.
func failure(reason string, errs []error, wake time.Time) Decision {
	decision := Decision{State: Failed, Reason: reason, Errs: errs, WakeAt: wake}
	if len(errs) == 0 {
		return decision
	}
	decision.Message = errs[0].Error()
	if len(errs) > 1 {
		decision.Message += fmt.Sprintf(" (and %d more)", len(errs)-1)
	}
	for _, err := range errs {
		if decision.Hint = fault.HintOf(err); decision.Hint != "" {
			break
		}
	}
	return decision
}
