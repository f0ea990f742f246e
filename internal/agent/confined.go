package agent

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// confined is this host for a Sync that may not reach it.
type confined struct{ account string }

var _ target.Target = confined{}

// Compare implements target.Target.
func (c confined) Compare(_ context.Context, query target.Query) (diff.Report, error) {
	var report diff.Report
	for want := range query.Want.All() {
		report.Entries = append(report.Entries, diff.Entry{
			ID: want.ID(), Op: diff.Create, Want: want, Health: state.Health{Status: state.Missing}, Err: c.refusal(want.ID()),
		})
	}
	return report, nil
}

func (c confined) refusal(id state.ID) error {
	return fault.New(fault.Denied, "drive", id.String(),
		"its Sync is confined to service account "+c.account+", and objects on the host have the agent's rights").
		WithHint("declare it higher up, in a Sync that is not confined")
}

// Apply implements target.Target.
func (c confined) Apply(_ context.Context, _ state.Owner, steps []plan.Step, report func(target.Result)) error {
	for _, step := range steps {
		report(target.Result{ID: step.ID, Op: step.Op, Err: c.refusal(step.ID)})
	}
	return nil
}

// Watch implements target.Target.
func (confined) Watch(ctx context.Context, _ state.Owner, notify func(target.Event)) error {
	notify(target.Event{})
	<-ctx.Done()
	return nil
}

// Owned implements target.Target.
func (confined) Owned(context.Context, state.Owner) ([]state.ID, error) { return nil, nil }
