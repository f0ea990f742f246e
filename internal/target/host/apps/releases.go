package apps

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

func (d *Driver) memoryOf(name string) (*memory, error) {
	record, owned := d.cfg.Journal.Get(idOf(name))
	if !owned {
		return nil, notOwned(name)
	}
	return recall(record)
}

// Releases gives the releases of an app, the newest first. An app that is not owned is NotFound.
func (d *Driver) Releases(name string) (v1alpha1.Releases, error) {
	m, err := d.memoryOf(name)
	if err != nil {
		return v1alpha1.Releases{}, err
	}
	return m.shown(name, present(d.place(name))), nil
}

func (m *memory) shown(name string, present map[int]bool) v1alpha1.Releases {
	all := v1alpha1.Releases{App: name, RolledBack: m.Rollback, Since: m.RolledBackAt}
	for _, r := range slices.Backward(m.Releases) {
		all.Releases = append(all.Releases, v1alpha1.Release{
			Number: r.Number, Build: r.Build, Config: r.Config, State: r.State, Reason: r.Reason, Message: r.Message,
			Created: r.Created, Revision: r.Revision, Available: !r.Gone && present[r.Number],
		})
	}
	return all
}

// Rollback goes back to a release, by its number; 0 is the one that was active before the present one. It holds until the App's
// declaration changes; going back to what the declaration asks for ends it. It does not wait for the release to take over.
//
// An app that is not owned, and a release that never was, are NotFound; one that has failed, or whose files are gone, is Invalid.
func (d *Driver) Rollback(ctx context.Context, name string, to int) (v1alpha1.Releases, error) {
	p := d.place(name)
	c := d.controllerOf(name)
	var shown v1alpha1.Releases
	err := c.update(ctx, func(_ *journal.Record, m *memory) error {
		there := present(p)
		if err := m.rollBack(name, to, there, d.cfg.Now()); err != nil {
			return err
		}
		shown = m.shown(name, there)
		return nil
	})
	if err != nil {
		return v1alpha1.Releases{}, err
	}
	d.observe()
	c.wake(true)
	return shown, nil
}

func (m *memory) rollBack(name string, to int, present map[int]bool, now time.Time) error {
	if to == 0 {
		to = m.Previous
	}
	item := fmt.Sprintf("App/%s to release %d", name, to)
	const see = "see the releases with `setpoint history`"
	r := m.release(to)
	switch {
	case m.Removing:
		return fault.New(fault.Invalid, "roll back", "App/"+name, "it is being removed")
	case to == 0:
		return fault.New(fault.Invalid, "roll back", "App/"+name, "no release was active before the present one").WithHint(see)
	case r == nil:
		return fault.New(fault.NotFound, "roll back", item, "there is no such release").WithHint(see)
	case r.State == v1alpha1.ReleaseFailed:
		return fault.New(fault.Invalid, "roll back", item, "that release has failed").WithHint(see)
	case r.Gone || !present[to]:
		return fault.New(fault.Invalid, "roll back", item, "its files are gone").
			WithHint("choose one that is available, or keep more of them with spec.release.keep")
	}
	m.Rollback, m.RolledBackAt = to, now
	if to == m.Wanted {
		m.Rollback, m.RolledBackAt = 0, time.Time{}
	}
	return nil
}
