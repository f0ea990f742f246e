package kube

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// ailment is what the Pods of an object say about why it is not healthy. It is immutable.
type ailment struct {
	uid    string    // of the object: one that is created anew under its name may be well
	since  time.Time // when the object was first seen unwell
	asked  time.Time
	health state.Health // zero when not asked yet
	failed bool         // it had failed for good when they were asked
	final  bool         // and they said why: there is no more to be found out
}

// When a workload's pods are asked why it is not healthy: not while it may simply be starting, and not again and again.
const (
	askAfter = 3 * time.Second
	askEvery = 5 * time.Second
)

func unwell(h state.Health) bool { return h.Status == state.Progressing || h.Status == state.Degraded }

// healthOf says how an object is doing that is not being deleted: as the query's own rules say, which is then final (ruled), or
// else as its content says. Rules are asked anew in every comparison, because they change without the object.
func (c *comparison) healthOf(l *live) (health state.Health, ruled bool) {
	if c.query.Assess != nil {
		if health, ruled = c.query.Assess(l.id, l.object); ruled {
			return health, true
		}
	}
	return l.health, false
}

// diagnose is healthOf with the reason that the object's Pods give, which are asked when it is time to.
func (c *comparison) diagnose(ctx context.Context, w *wanted, l *live) state.Health {
	health, ruled := c.healthOf(l)
	if ruled {
		return health
	}
	if c.needsReason(w, l) {
		reason, found := c.client.workloadReason(ctx, l.object(), c.owner.partOf)
		if !found {
			reason = l.health
		}
		if reason.Final = l.health.Final; reason.Final {
			reason.Status = l.health.Status
		}
		if before := w.ailment.Load(); before != nil {
			w.ailment.Store(&ailment{
				uid: l.uid, since: before.since, asked: time.Now(), health: reason,
				failed: l.health.Final, final: found && l.health.Final,
			})
		}
	}
	return w.ailing(l)
}

// ailing gives the reason that is known for the ill health of an object, or its own health.
func (k *known) ailing(l *live) state.Health {
	a := k.ailment.Load()
	if a != nil && a.uid == l.uid && a.failed == l.health.Final && a.health.Status != "" && unwell(l.health) {
		return a.health
	}
	return l.health
}

// needsReason says whether it is time to ask the pods of an object: its own status tells that it is not healthy, but seldom why.
func (c *comparison) needsReason(w *wanted, l *live) bool {
	if !unwell(l.health) {
		if w.ailment.Load() != nil {
			w.ailment.Store(nil)
		}
		return false
	}
	now := time.Now()
	if a := w.ailment.Load(); a == nil || a.uid != l.uid {
		w.ailment.CompareAndSwap(a, &ailment{uid: l.uid, since: now})
	}
	a := w.ailment.Load()
	switch {
	case a == nil, a.uid != l.uid, a.final:
		return false
	case l.health.Final && !a.failed: // this is the end, whenever they were asked before
		return true
	}
	return (l.health.Status == state.Degraded || now.Sub(a.since) > askAfter) && now.Sub(a.asked) > askEvery
}
