package host

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Watch implements target.Target.
func (h *Host) Watch(ctx context.Context, owner state.Owner, notify func(target.Event)) error {
	h.listen()
	w := h.audience.join(owner)
	defer h.audience.leave(w)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			if event, some := h.audience.take(w); some {
				notify(event)
			}
		}
	}
}

// follow has a driver watch until ctx ends. While its watch cannot work, everything is looked at again after each attempt, in the end
// once a minute.
func (h *Host) follow(ctx context.Context, part *part) {
	wait, said := h.retry[0], ""
	for {
		began := time.Now()
		err := part.driver.Watch(ctx, func(all bool, ids ...state.ID) { h.heard(all, ids) })
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = fault.New(fault.Internal, "watch", part.name, "the watch ended by itself")
		}
		if time.Since(began) > h.retry[1] { // it did work
			wait, said = h.retry[0], ""
		}
		if text := err.Error(); text != said {
			said = text
			h.log.Warn("the host cannot be watched for changes; it is tried again, and meanwhile everything is looked at now and then",
				"watch", part.name, "error", err, "hint", fault.HintOf(err))
		}
		h.heard(true, nil)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = min(2*wait, h.retry[1])
	}
}

// heard passes on what a driver has noticed. It never blocks for long.
func (h *Host) heard(all bool, ids []state.ID) {
	if all {
		h.audience.tellAll()
		return
	}
	owners := make(map[state.Owner][]state.ID, 1)
	for _, id := range ids {
		h.forwardApp(id)
		if record, known := h.journal.Get(id); known {
			owners[record.Owner] = append(owners[record.Owner], id)
		}
	}
	h.audience.tell(owners, ids)
}

// forwardApp begins or ends forwarding what an app writes: it is recorded for as long as it may write something.
func (h *Host) forwardApp(id state.ID) {
	if id.Kind != v1alpha1.KindApp {
		return
	}
	if _, known := h.journal.Get(id); known {
		h.forward.begin(id.Name)
	} else {
		h.forward.end(id.Name)
	}
}
