package host

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Apply implements target.Target. What others of the same stage stand on is done first, see order.go.
func (h *Host) Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	if h.readOnly {
		return fault.New(fault.Denied, "apply", owner.String(), "the host was opened to be read only")
	}
	var reporting sync.Mutex
	var left atomic.Bool
	for _, rank := range h.inOrder(steps) {
		inParallel(len(rank), writers, func(i int) {
			if ctx.Err() != nil {
				left.Store(true)
				return
			}
			result := h.carryOut(ctx, owner, rank[i])
			reporting.Lock()
			defer reporting.Unlock()
			report(result)
		})
	}
	if left.Load() {
		return fault.Wrap(fault.Transient, "apply", owner.String(), ctx.Err())
	}
	return nil
}

// carryOut does one step, while nothing else is done about its object.
func (h *Host) carryOut(ctx context.Context, owner state.Owner, step plan.Step) target.Result {
	release, err := h.locks.take(ctx, step.ID)
	if err != nil {
		return target.Result{ID: step.ID, Op: step.Op, Err: err}
	}
	started := time.Now()
	result := h.step(ctx, owner, step)
	release()
	result.ID, result.Op, result.Duration = step.ID, step.Op, time.Since(started)
	result.Health.Message, result.Err = diff.Hide(step.Want, result.Health.Message, result.Err)
	h.forwardApp(step.ID)
	if result.Changed {
		h.audience.tellOthers(step.ID, owner)
	}
	return result
}

func (h *Host) step(ctx context.Context, owner state.Owner, step plan.Step) target.Result {
	record, known := h.journal.Get(step.ID)
	driver, err := h.driverOf(step.ID)
	switch {
	case step.Op == diff.Delete && !known:
		return target.Result{} // it is gone
	case isOthers(record, owner):
		return target.Result{Err: belongsTo(record, owner)}
	case err != nil:
		return target.Result{Err: err}
	case step.Op != diff.Delete && step.Want == nil:
		return target.Result{Err: fault.New(fault.Internal, "apply", step.ID.String(), "the step does not say what is wanted")}
	}
	return driver.Apply(ctx, owner, step)
}
