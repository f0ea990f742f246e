package apps

import (
	"context"
	"encoding/json"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// Apply takes on a step: it is written down, and the app's controller does it. It does not wait for that.
func (d *Driver) Apply(ctx context.Context, owner state.Owner, step plan.Step) target.Result {
	result := target.Result{ID: step.ID, Op: step.Op}
	if d.cfg.ReadOnly {
		result.Err = fault.New(fault.Internal, string(step.Op), step.ID.String(), "this process only looks")
		return result
	}
	if step.Op == diff.Delete {
		result.Changed, result.Err = d.remove(ctx, step.ID.Name)
	} else {
		result.Changed, result.Err = true, d.takeOn(ctx, owner, step)
	}
	result.Changed = result.Changed && result.Err == nil
	if result.Changed {
		d.observe()
		d.controllerOf(step.ID.Name).wake(true)
	}
	return result
}

func (d *Driver) remove(ctx context.Context, name string) (bool, error) {
	err := d.controllerOf(name).update(ctx, func(_ *journal.Record, m *memory) error {
		m.Removing = true
		return nil
	})
	if isNotOwned(err) {
		return false, nil
	}
	return true, err
}

// takeOn makes a declaration the one in force.
func (d *Driver) takeOn(ctx context.Context, owner state.Owner, step plan.Step) error {
	app, err := v1alpha1.DecodeApp(step.Want)
	if err != nil {
		return err
	}
	asked, err := d.draft(ctx, owner, app)
	if err != nil {
		return err
	}
	asked.secret = diff.SecretsOf(step.Want)
	declaration, err := json.Marshal(d.kept(step.Want))
	if err != nil {
		return fault.Wrap(fault.Invalid, "read", step.ID.String(), err)
	}
	c := d.controllerOf(step.ID.Name)
	if err := c.begin(ctx, owner); err != nil {
		return err
	}
	return c.update(ctx, func(record *journal.Record, m *memory) error {
		if m.Removing {
			return fault.New(fault.Transient, "apply", step.ID.String(), "it is still being removed")
		}
		if app.Spec.User == "" && m.UID == nil {
			if m.UID, err = d.chooseUID(step.ID.Name); err != nil {
				return err
			}
		}
		changed := record.Declared != step.Want.Digest()
		record.Owner, record.Declared = owner, step.Want.Digest()
		record.Wave = plan.WaveOf(step.Want.Annotation)
		record.Keep = step.Want.Annotation(v1alpha1.AnnotationPrune) == "disabled"
		m.Declaration = declaration
		m.takeOn(asked, changed, step.Revision, d.cfg.Now())
		return nil
	})
}

// begin makes the record of an app that has none.
func (c *controller) begin(ctx context.Context, owner state.Owner) error {
	c.memory.Lock()
	defer c.memory.Unlock()
	if _, owned := c.d.cfg.Journal.Get(idOf(c.name)); owned {
		return nil
	}
	return c.d.cfg.Journal.Put(ctx, journal.Record{ID: idOf(c.name), Owner: owner})
}

// takeOn makes what a declaration asks for the wanted release: one that is there already, or a new one. A release that has failed is
// asked for again only by another declaration, and then as a new one.
func (m *memory) takeOn(asked draft, changed bool, revision state.Revision, now time.Time) {
	m.Policy = asked.policy
	if changed {
		m.Rollback, m.RolledBackAt = 0, time.Time{}
	}
	if m.Rollback != 0 {
		return // it holds until the declaration changes
	}
	same := func(r *release) bool { return r.Build == asked.build && r.Config == asked.config }
	usable := func(r *release) bool { return same(r) && !r.Gone && r.State != v1alpha1.ReleaseFailed }
	wanted := m.release(m.Wanted)
	if wanted != nil && same(wanted) && (usable(wanted) || !changed) {
		wanted.Print.Archive, wanted.Secrets = asked.print.Archive, asked.secret // these may be others
		return
	}
	if active := m.release(m.Active); active != nil && usable(active) {
		m.Wanted = active.Number
		return
	}
	m.Wanted = m.add(release{
		Build: asked.build, Config: asked.config, Print: asked.print, Secrets: asked.secret, Created: now, Revision: revision,
	}).Number
}
