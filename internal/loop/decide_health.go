package loop

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The rules of what is still missing when nothing is left to change: health, of the objects and of what they stand on.

func waitingStage(f Facts, now time.Time) (Decision, bool) {
	if len(f.Plan.Waiting)+f.Plan.Behind == 0 {
		return Decision{}, false
	}
	return settling(f, now, f.Plan.Waiting, "WaitingForOrder"), true
}

func illHealth(f Facts, now time.Time) (Decision, bool) {
	sick := ailing(f)
	for _, check := range f.Checks {
		if !check.Health.Ready() && check.Health.Status != state.Suspended {
			sick = append(sick, diff.Entry{ID: check.ID, Health: check.Health})
		}
	}
	if len(sick) == 0 {
		return Decision{}, false
	}
	return settling(f, now, sick, ""), true
}

// ailing are the objects that are not healthy. One that is only not as declared because others change it back is not waited for: it would
// not come by itself. See contention.
func ailing(f Facts) []diff.Entry {
	var found []diff.Entry
	for _, entry := range f.Objects {
		if entry.Op == diff.Delete || entry.Health.Ready() || entry.Health.Status == state.Suspended {
			continue
		}
		contended := slices.ContainsFunc(f.Contended, func(c v1alpha1.Contention) bool { return c.ID == entry.ID })
		if !contended || entry.Health.Status == state.Degraded {
			found = append(found, entry)
		}
	}
	return found
}

// settling waits for health until the timeout, then says that it failed; health that comes later is welcome all the same.
func settling(f Facts, now time.Time, unhealthy []diff.Entry, reason string) Decision {
	worst := worstOf(unhealthy)
	if reason == "" {
		reason = orElse(worst.Health.Reason, string(orElse(worst.Health.Status, state.Progressing)))
	}
	var cause *v1alpha1.Cause
	if worst.ID != (state.ID{}) {
		cause = &v1alpha1.Cause{ID: worst.ID, Message: orElse(worst.Health.Message, string(worst.Health.Status))}
	}
	notHeld := func(entry diff.Entry) bool { return entry.Health.Reason != string(Held) }
	if len(unhealthy) > 0 && !slices.ContainsFunc(unhealthy, notHeld) { // a person takes the time that it takes
		return rest(f, Decision{State: Settling, Reason: reason, Cause: cause, WakeAt: f.RetryAt,
			Message: "waiting for " + describe(unhealthy)})
	}
	deadline := f.ChangedAt.Add(f.Spec.Timeout)
	if !f.Hooks.Deadline.IsZero() && f.Hooks.Deadline.After(deadline) {
		deadline = f.Hooks.Deadline // a hook has its own time
	}
	final := slices.ContainsFunc(unhealthy, func(entry diff.Entry) bool { return entry.Health.Final })
	switch {
	case final:
		return fails(f, Decision{State: Failed, Reason: "Unhealthy", WakeAt: f.RetryAt, Message: describe(unhealthy), Cause: cause,
			Hint: "mend it in the source: it is not tried again before something changes"})
	case now.Before(deadline) && !f.GivenUp: // its time is over, whatever its fail hooks have changed since
		return rest(f, Decision{State: Settling, Reason: reason, Message: "waiting for " + describe(unhealthy), Cause: cause,
			WakeAt: earliest(earliest(deadline, f.Hooks.Next), f.RetryAt)})
	}
	return fails(f, Decision{State: Failed, Reason: "Unhealthy", WakeAt: f.RetryAt, Cause: cause,
		Message: fmt.Sprintf("not healthy within %s: %s", f.Spec.Timeout, describe(unhealthy)),
		Hint:    "see each object with `setpoint tree`; mend it in the source, or allow more time with spec.timeout"})
}

// fails is the end of a revision that does not work: it is given up once, its fail hooks run, and what was healthy before is put back
// in force where the declaration wants that. A revision that was healthy before has not failed: something else has, and going back
// would not help.
func fails(f Facts, decision Decision) Decision {
	switch {
	case f.Proven:
		return rest(f, decision)
	case !f.GivenUp:
		decision.State, decision.Action = Syncing, GiveUp
		return decision
	case len(f.Hooks.Running) > 0:
		return rest(f, Decision{State: Settling, Reason: "FailHooks", WakeAt: earliest(earliest(f.Hooks.Next, f.Hooks.Deadline), f.RetryAt),
			Message: decision.Message + "; waiting for its hooks: " + describe(f.Hooks.Running)})
	case f.Back != nil:
		return Decision{State: Syncing, Reason: "RollingBack", Action: GoBack,
			Message: "going back to " + f.Back.Revision.Short() + ": " + decision.Message}
	}
	return rest(f, decision)
}

func reportedDrift(f Facts, _ time.Time) (Decision, bool) {
	if len(f.Plan.Skipped) == 0 {
		return Decision{}, false
	}
	return rest(f, Decision{State: Drifted, Reason: "DriftReported", WakeAt: f.RetryAt,
		Message: "differs from what is declared, and is left so: " + describe(f.Plan.Skipped),
		Hint:    "see the fields and who set them with `setpoint diff`; to have it corrected remove `drift: report`"}), true
}

// DependencyUnhealthy is the reason of a Sync that is as declared while something that it depends on is not healthy.
const DependencyUnhealthy = "DependencyUnhealthy"

// dependencyHealth: the health of a Sync includes that of what it depends on. What is only on its way disturbs nobody.
func dependencyHealth(f Facts, _ time.Time) (Decision, bool) {
	for _, need := range f.Needs {
		if need.Health.Ready() || need.Health.Status == state.Progressing || need.Health.Status == state.Suspended {
			continue
		}
		return rest(f, Decision{State: Settling, Reason: DependencyUnhealthy, Cause: need.cause(), WakeAt: f.RetryAt,
			Message: "as declared, but what it depends on is not healthy: " + need.describe()}), true
	}
	return Decision{}, false
}

// rest completes a decision about the desired state in force by what is wrong with a newer one: a revision that cannot be read
// or is held leaves the target as it is, and kept so, but the Sync says it. A source that does not answer now is only remarked;
// one that needs a person (its branch is gone, its token has expired, what it has is beyond the limits) is a failure. What is not signed as
// it has to be is held, whatever else there is to say: nothing has failed, and nothing is applied that nobody answers for.
func rest(f Facts, decision Decision) Decision {
	decision.WakeAt = earliest(earliest(decision.WakeAt, f.RetryAt), f.ContendedUntil)
	switch {
	case !f.held() && errors.Is(f.Source.Err, fault.ErrUnverified):
		return f.unsigned(decision)
	case decision.State == Failed && !f.held():
	case allUnverified(f.Render.Err):
		decision = unverified(decision, f.Render.Err)
		decision.WakeAt = earliest(f.Render.RetryAt, decision.WakeAt)
	case f.Render.Err != nil:
		return failure("RenderFailed", fault.Flatten(f.Render.Err), earliest(f.Render.RetryAt, decision.WakeAt))
	case f.held():
		decision = objection(f, decision)
	case f.Spec.Refused != nil:
		decision.State, decision.Reason, decision.Errs = Held, declarationRefused, fault.Flatten(f.Spec.Refused)
		decision.Message, decision.Hint = describeRefused(f.Spec.Refused), fault.HintOf(f.Spec.Refused)
	case decision.State == InSync && f.Away != nil:
		decision = f.away(decision)
	case decision.State == InSync && f.Source.Err != nil && fault.KindOf(f.Source.Err) != fault.Transient:
		return failure(SourceFailed, fault.Flatten(f.Source.Err), decision.WakeAt)
	case decision.State == InSync && f.Source.Err != nil:
		decision.Reason, decision.Hint = SourceFailed, fault.HintOf(f.Source.Err)
		decision.Message = "as declared by the last revision that is known; no newer one can be had: " + f.Source.Err.Error()
	}
	if f.Source.Err != nil {
		decision.Errs = append(decision.Errs, f.Source.Err)
	}
	return decision
}

// held says whether guards object to a newer desired state.
func (f Facts) held() bool {
	return f.Candidate.Known && !f.Candidate.Quarantined && len(f.Candidate.Verdicts) > 0
}

// declarationRefused is the reason of a Sync whose newest declaration cannot be used.
const declarationRefused = "DeclarationRefused"

func describeRefused(err error) string {
	return "a newer declaration of it cannot be used, and the one before is in force: " + err.Error()
}

// away says that an earlier revision is in force and is as it should be.
func (f Facts) away(decision Decision) Decision {
	decision.State, decision.Reason = RolledBack, f.Away.Reason
	decision.Message = f.Away.left() + "; the last healthy revision is in force"
	decision.Hint = "mend it with a new commit, which is tried by itself; `setpoint sync` tries this one again"
	if f.Away.By != "" {
		decision.Message = f.Away.left() + "; an earlier revision is in force"
		decision.Hint = "the next revision that changes this Sync is tried by itself; `setpoint sync` ends the rollback"
	}
	return decision
}

// left says in a clause why a revision was left.
func (q Quarantined) left() string {
	if q.By != "" {
		return q.By + " went back from " + q.Revision.Short()
	}
	return q.Revision.Short() + " failed: " + q.Message
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
