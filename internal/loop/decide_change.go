package loop

import (
	"fmt"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The rules of what has to be changed, and of what keeps it from being changed.

func difference(f Facts, _ time.Time) (Decision, bool) {
	if len(f.Plan.Next) == 0 {
		return Decision{}, false
	}
	if f.Frozen.Outcome == policy.Hold {
		return rest(f, Decision{State: Held, Reason: f.Frozen.Check, Hint: f.Frozen.Remedy, WakeAt: f.Frozen.Until,
			Message: f.Frozen.Message + "; not repaired: " + describeSteps(f.Plan.Next)}), true
	}
	if f.Hooks.Again {
		return Decision{State: Syncing, Reason: "Repairing", Message: "letting the hooks run that run on every repair", Action: Rerun}, true
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
		return rest(f, Decision{State: Pending, Reason: "DependencyNotReady", Message: "waiting for " + need.describe(),
			Cause: need.cause(), WakeAt: f.RetryAt}), true
	}
	return Decision{}, false
}

func (n Need) describe() string {
	return fmt.Sprintf("%s: %s", n.ID, orElse(n.Health.Message, strings.ToLower(string(n.Health.Status))))
}

func (n Need) cause() *v1alpha1.Cause {
	return &v1alpha1.Cause{ID: n.ID, Message: orElse(n.Health.Message, string(n.Health.Status))}
}

// refusal: what the target refuses is a failure at once, and for the revision when it lasts. What may pass by itself never condemns a
// revision.
func refusal(f Facts, now time.Time) (Decision, bool) {
	errs := append(errorsOf(f.Plan.Errors), f.Compare.Unknown...)
	if len(errs) == 0 {
		return Decision{}, false
	}
	decision := failure(orElse(string(commonKind(errs)), "ApplyFailed"), errs, f.RetryAt)
	lasting, final := false, false
	for _, entry := range f.Plan.Errors {
		lasting = lasting || fault.KindOf(entry.Err) != fault.Transient
		if entry.Health.Final {
			final, decision.Reason = true, orElse(entry.Health.Reason, decision.Reason)
		}
		if decision.Cause == nil {
			decision.Cause = &v1alpha1.Cause{ID: entry.ID, Message: entry.Err.Error()}
		}
	}
	deadline := f.BeganAt.Add(f.Spec.Timeout)
	if final || lasting && !f.BeganAt.IsZero() && !now.Before(deadline) {
		return fails(f, decision), true
	}
	if lasting && !f.BeganAt.IsZero() && !f.Proven {
		decision.WakeAt = earliest(decision.WakeAt, deadline)
	}
	return rest(f, decision), true
}

// contention: another writer changes back what is declared, again and again. Answering each time would be a fight without an end.
func contention(f Facts, _ time.Time) (Decision, bool) {
	if len(f.Contended) == 0 {
		return Decision{}, false
	}
	first := f.Contended[0]
	message := describeContention(first)
	if more := len(f.Contended) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return rest(f, Decision{State: Drifted, Reason: ReasonContended, Message: message, Hint: remedyOf(first), WakeAt: f.ContendedUntil,
		Cause: &v1alpha1.Cause{ID: first.ID, Message: storyOf(first)}}), true
}

// ReasonContended is the reason of objects, and of Syncs with objects, that another writer changes back again and again.
const ReasonContended = "Contended"

func describeContention(c v1alpha1.Contention) string {
	if c.Path == "" {
		return c.ID.String() + ": " + storyOf(c)
	}
	return c.ID.String() + " " + storyOf(c)
}

// storyOf tells of a contention beside the object's name.
func storyOf(c v1alpha1.Contention) string {
	if c.Path == "" {
		return orElse(c.By, "somebody who is not known") + " undoes it again and again; it is left alone for a growing while"
	}
	becomes := "it becomes "
	if c.By != "" {
		becomes = c.By + " sets "
	}
	return fmt.Sprintf("%s: %s%s again and again, and %s is declared; the field is left alone for a growing while",
		c.Path, becomes, orElse(c.Theirs, "nothing"), orElse(c.Ours, "nothing"))
}

func remedied(c v1alpha1.Contention) v1alpha1.Contention {
	c.Remedy = remedyOf(c)
	return c
}

func remedyOf(c v1alpha1.Contention) string {
	if c.ID.Group == v1alpha1.GroupHost && c.ID.Kind == v1alpha1.KindApp {
		return "see why with `setpoint logs app/" + c.ID.Name + "`, and mend it in the source; `setpoint sync` tries again at once"
	}
	if c.Path == "" {
		return "find out who deletes or ends it, and why; `setpoint sync` tries again at once"
	}
	return "declare the other value, leave the field to the other writer with spec.ignore (fields: [" + c.Path +
		"]), or stop that writer; `setpoint sync` tries again at once"
}

func contendedHealth(c v1alpha1.Contention) state.Health {
	return state.Health{Status: state.Degraded, Reason: ReasonContended, Message: storyOf(c)}
}
