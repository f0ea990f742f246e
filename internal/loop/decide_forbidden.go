package loop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
)

// The rules of what forbids to act: a Sync on its way out, a person's word, a declaration that cannot be used.

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
	case f.Candidate.Known && !f.Candidate.Judged:
		return deleting(Syncing, "Judging", "the declaration is gone; asking the guards whether what it owns may go", Judge), true
	case f.Candidate.Known && len(f.Candidate.Verdicts) > 0:
		return objection(f, Decision{}), true
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
	} else if sick := ailing(f); len(sick) > 0 {
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
	for _, need := range slices.Concat(f.Needs, f.Checks) {
		if len(need.Cycle) > 0 {
			err := fault.New(fault.Invalid, "resolve dependsOn of", need.Cycle[0],
				"it depends on itself: "+strings.Join(need.Cycle, " → ")).
				WithHint("remove one of these dependsOn entries, or objects of spec.health")
			return failure(DependencyCycle, []error{err}, time.Time{}), true
		}
	}
	return Decision{}, false
}

// goingBack: that an earlier desired state is to be in force has been decided before. It needs neither the source nor the guards: it was
// in force, and healthy.
func goingBack(f Facts, _ time.Time) (Decision, bool) {
	if !f.GoBack {
		return Decision{}, false
	}
	return Decision{State: Syncing, Reason: "RollingBack", Message: "going back to an earlier revision", Action: GoBack}, true
}

// objection completes a decision by what the guards have against a newer desired state. What denies is a failure, what holds is not.
func objection(f Facts, decision Decision) Decision {
	verdicts := f.Candidate.Verdicts
	first := verdicts[0]
	meanwhile := ""
	if decision.State == Failed {
		meanwhile, decision.Errs = "; meanwhile, of what is in force: "+decision.Message, nil
	}
	decision.State, decision.Reason, decision.Message, decision.Hint = Held, first.Check, first.Message, first.Remedy
	if first.Outcome == policy.Deny {
		decision.State = Failed
	}
	for _, verdict := range verdicts[1:] {
		decision.Message += "; " + verdict.Message
	}
	decision.Message += meanwhile
	for _, verdict := range verdicts {
		decision.WakeAt = earliest(decision.WakeAt, verdict.Until)
	}
	return decision
}

// Unverified is the reason of a Sync whose newest revision is not signed as it has to be.
const Unverified = "Unverified"

// unsigned completes a decision about the desired state in force by a newer revision that is not signed as it has to be.
func (f Facts) unsigned(decision Decision) Decision {
	if decision.State == InSync && f.Away != nil {
		decision = f.away(decision)
	}
	decision = unverified(decision, f.Source.Err)
	decision.Errs = append(decision.Errs, fault.Flatten(f.Render.Err)...)
	return decision
}

// unverified completes a decision by what is not signed as it has to be. It is not applied; what is in force stays so, and is kept.
func unverified(decision Decision, err error) Decision {
	var unsigned []error
	for _, part := range fault.Flatten(err) {
		if errors.Is(part, fault.ErrUnverified) {
			unsigned = append(unsigned, part)
		}
	}
	message := "not applied: " + unsigned[0].Error()
	if len(unsigned) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(unsigned)-1)
	}
	if decision.Message != "" && decision.State != InSync && decision.Reason != nothingDesired {
		message += "; meanwhile, of what is in force: " + decision.Message
	}
	decision.State, decision.Reason, decision.Message, decision.Hint = Held, Unverified, message, fault.HintOf(unsigned[0])
	decision.Errs = fault.Flatten(err)
	return decision
}

// allUnverified says whether there is nothing else to an error.
func allUnverified(err error) bool {
	parts := fault.Flatten(err)
	return len(parts) > 0 && !slices.ContainsFunc(parts, func(part error) bool { return !errors.Is(part, fault.ErrUnverified) })
}
