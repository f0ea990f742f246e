package loop

import (
	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// quarantineOf tells of the newest desired state that failed.
func quarantineOf(facts Facts, inForce *Quarantined) *v1alpha1.Quarantine {
	q := facts.Away
	if q == nil && facts.GivenUp {
		q = inForce
	}
	if q == nil {
		return nil
	}
	return &v1alpha1.Quarantine{Revision: q.Revision, Reason: q.Reason, Message: q.Message, Since: q.Since, By: q.By, Until: q.Until}
}

// deviationOf measures how far the target is from what is in force.
func deviationOf(entries []diff.Entry, checks []Need) v1alpha1.Deviation {
	var d v1alpha1.Deviation
	for _, check := range checks {
		if !check.Health.Ready() && check.Health.Status != state.Suspended {
			d.Objects++
			d.Unhealthy++
		}
	}
	for i := range entries {
		entry := &entries[i]
		ill := entry.Op != diff.Delete && !entry.Health.Ready() && entry.Health.Status != state.Suspended
		if entry.Op == diff.None && entry.Err == nil && !ill {
			continue
		}
		d.Objects++
		if ill {
			d.Unhealthy++
		}
		if entry.Op != diff.None {
			d.Fields += max(1, len(entry.Fields))
		}
	}
	return d
}

// movedHealth says whether any object is doing otherwise than before: somebody may wait for just that one.
func movedHealth(before, now []diff.Entry) bool {
	if len(before) != len(now) {
		return true
	}
	if len(now) == 0 || &before[0] == &now[0] {
		return false
	}
	for i := range now {
		if before[i].Health != now[i].Health || before[i].ID != now[i].ID {
			return true
		}
	}
	return false
}
