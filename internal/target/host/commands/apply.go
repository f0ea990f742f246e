package commands

import (
	"context"
	"encoding/json"
	"os"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// Apply takes on a step: it is written down, and then done. It does not wait for the command to end.
func (d *Driver) Apply(ctx context.Context, owner state.Owner, step plan.Step) target.Result {
	result := target.Result{ID: step.ID, Op: step.Op}
	switch {
	case d.cfg.ReadOnly:
		result.Err = fault.New(fault.Internal, string(step.Op), step.ID.String(), "this process only looks")
	case step.Op == diff.Delete:
		result.Changed, result.Err = d.remove(ctx, step.ID.Name)
	default:
		result.Changed, result.Err = d.takeOn(ctx, owner, step)
	}
	return result
}

// takeOn makes a declaration the one in force: a run of its own, unless it is in force already.
func (d *Driver) takeOn(ctx context.Context, owner state.Owner, step plan.Step) (changed bool, err error) {
	if err := d.check(step.Want); err != nil {
		return false, err
	}
	declaration, err := json.Marshal(step.Want)
	if err != nil {
		return false, fault.Wrap(fault.Invalid, "read", step.ID.String(), err)
	}
	d.memory.Lock()
	defer d.memory.Unlock()
	record, _ := d.cfg.Journal.Get(step.ID)
	m, err := recall(record)
	switch {
	case err != nil:
		return false, err
	case m.Removing:
		return false, fault.New(fault.Transient, "apply", step.ID.String(), "it is still being removed")
	case record.Declared == step.Want.Digest() && record.Owner == owner:
		return false, nil
	}
	next := memory{Declaration: declaration, Secret: len(step.Want.Secrets()) > 0, Run: m.Run + 1, Launch: 1, Asked: d.cfg.Now()}
	record = journal.Record{
		ID: step.ID, Owner: owner, Declared: step.Want.Digest(), Wave: plan.WaveOf(step.Want.Annotation),
		Keep: step.Want.Annotation(v1alpha1.AnnotationPrune) == "disabled", Data: next.encode(),
	}
	if err := d.cfg.Journal.Put(ctx, record); err != nil {
		return false, err
	}
	d.wake(step.ID.Name)
	return true, nil
}

// remove forgets a command that has ended, and has one that runs stopped first.
func (d *Driver) remove(ctx context.Context, name string) (changed bool, err error) {
	settled := false
	owned, err := d.update(ctx, name, func(_ *journal.Record, m *memory) error {
		settled = m.Settled
		m.Removing = !settled
		return nil
	})
	switch {
	case !owned || err != nil:
		return false, err
	case settled:
		return true, d.finish(ctx, name)
	}
	d.wake(name)
	return true, nil
}

// finish removes what is kept of a command, and last its record.
func (d *Driver) finish(ctx context.Context, name string) error {
	if err := os.RemoveAll(d.place(name)); err != nil {
		return fault.Wrap(fault.Transient, "delete", "the output of "+idOf(name).String(), err)
	}
	if err := d.cfg.Journal.Delete(ctx, idOf(name)); err != nil {
		return err
	}
	d.changed(name)
	return nil
}
