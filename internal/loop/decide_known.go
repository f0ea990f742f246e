package loop

import (
	"errors"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The rules of what has to be known before anything is changed: the revision, what it says, whether it may be put in force, and how the
// target differs from what is in force.

func missingRevision(f Facts, _ time.Time) (Decision, bool) {
	switch {
	case f.Source.Revision != nil || f.Render.Known:
		return Decision{}, false
	case errors.Is(f.Source.Err, fault.ErrUnverified):
		return unverified(Decision{}, f.Source.Err), true
	case f.Source.Err != nil:
		return failure(SourceFailed, fault.Flatten(f.Source.Err), time.Time{}), true
	}
	return Decision{State: Pending, Reason: "Fetching", Message: "waiting for the first revision of its source"}, true
}

func unreadRevision(f Facts, now time.Time) (Decision, bool) {
	again := f.Render.Err != nil && !f.Render.RetryAt.IsZero() && !now.Before(f.Render.RetryAt)
	if f.Source.Revision == nil || f.Render.Revision == f.Source.Revision.ID && !again && !f.Render.Stale {
		return Decision{}, false
	}
	return Decision{State: Rendering, Reason: "NewRevision", Message: "reading " + f.Source.Revision.Short(), Action: Render}, true
}

// unjudgedCandidate: a newer desired state is put in force when the guards allow it, and one that failed when what made it fail has
// gone.
func unjudgedCandidate(f Facts, now time.Time) (Decision, bool) {
	c := f.Candidate
	switch {
	case !c.Known:
		return Decision{}, false
	case c.Quarantined && !c.Probe, !c.Quarantined && c.Judged:
		return Decision{}, false
	case f.Compare.Err != nil && now.Before(f.Compare.RetryAt):
		return failure("CompareFailed", fault.Flatten(f.Compare.Err), f.Compare.RetryAt), true
	case c.Quarantined:
		return Decision{State: RolledBack, Reason: f.reasonAway(), Action: Probe,
			Message: "looking whether " + c.Revision.Short() + " would be accepted now"}, true
	}
	return Decision{State: Syncing, Reason: "Judging", Message: "comparing the target with " + c.Revision.Short(), Action: Judge}, true
}

func (f Facts) reasonAway() string {
	if f.Away == nil {
		return ""
	}
	return f.Away.Reason
}

// SourceFailed is the reason of a Sync whose source gives no revision, or no newer one than the one in force.
const SourceFailed = "SourceFailed"

// nothingDesired is the reason of a Sync that has nothing in force.
const nothingDesired = "NothingDesired"

// NothingToGoBackTo is the reason of a Sync whose newest revision has failed before, when the healthy one that was in force for it is lost.
const NothingToGoBackTo = "NothingToGoBackTo"

// missingDesire: there is nothing to hold the target to, because no revision seen so far could be used, or what was gone back to is lost.
func missingDesire(f Facts, _ time.Time) (Decision, bool) {
	switch {
	case f.Render.Known:
		return Decision{}, false
	case f.Candidate.Quarantined && f.Away != nil: // what runs is what was gone back to
		return rest(f, nothingToGoBackTo(*f.Away)), true
	}
	return rest(f, Decision{State: Pending, Reason: nothingDesired, Message: "no revision could be put in force yet"}), true
}

// nothingToGoBackTo: what failed is not tried again, and what took its place is not known any more; so nothing is changed.
func nothingToGoBackTo(away Quarantined) Decision {
	return Decision{State: Held, Reason: NothingToGoBackTo,
		Message: away.left() + "; the revision that was gone back to is not kept any more, so nothing is changed",
		Hint:    "a new commit is tried by itself; `setpoint sync` tries this revision again"}
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
