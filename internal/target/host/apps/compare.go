package apps

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// patience is how long a comparison waits for a controller that is at work: most turns take a few milliseconds.
const patience = 250 * time.Millisecond

// maxDamages bounds the files that a comparison names.
const maxDamages = 20

// Compare gives the entry of a wanted app. The record is the zero value when nothing was ever done about it.
func (d *Driver) Compare(ctx context.Context, owner state.Owner, want *state.Object, record journal.Record) diff.Entry {
	entry := diff.Entry{
		ID: want.ID(), Op: diff.None, Want: want, Drift: want.Annotation(v1alpha1.AnnotationDrift),
		Health: state.Health{Status: state.Missing},
	}
	app, err := v1alpha1.DecodeApp(want)
	var asked draft
	if err == nil {
		asked, err = d.draft(ctx, owner, app)
	}
	entry.Err = err
	m, err := recall(record)
	switch {
	case err != nil:
		entry.Err = err
		return entry
	case record.ID.Name == "" || len(record.Data) == 0:
		entry.Op = diff.Create
		return entry
	case m.Removing:
		entry.Op, entry.Terminating, entry.Health = diff.Create, true, d.observed(ctx, want.ID().Name, m).health
		return entry
	}
	seen := d.observed(ctx, want.ID().Name, m)
	entry.Health = seen.health
	switch {
	case record.Declared != want.Digest():
		entry.Op, entry.Fields = diff.Update, d.changes(m.Declaration, want)
	case entry.Err != nil:
		entry.Op = diff.Update
	default:
		entry.Fields = append(moved(m, asked), seen.fields...)
		if len(entry.Fields) > 0 {
			entry.Op, entry.Lost = diff.Update, true
		}
	}
	return entry
}

// Owned gives the entry of an app that is owned and not wanted any more.
func (d *Driver) Owned(ctx context.Context, record journal.Record) diff.Entry {
	entry := diff.Entry{ID: record.ID, Op: diff.Delete, Keep: record.Keep, Wave: record.Wave}
	m, err := recall(record)
	if err != nil {
		entry.Err = err
		return entry
	}
	entry.Terminating = m.Removing
	entry.Health = d.observed(ctx, record.ID.Name, m).health
	return entry
}

// moved gives the difference when the configuration on the host has changed under the same declaration.
func moved(m *memory, asked draft) []diff.Field {
	wanted := m.release(m.Wanted)
	if wanted == nil || m.Rollback != 0 || wanted.Build == asked.build && wanted.Config == asked.config {
		return nil
	}
	old := "configuration " + state.Digest(wanted.Config).Short()
	return []diff.Field{field("/release", old, "configuration "+state.Digest(asked.config).Short())}
}

// observation is how an app is doing, and what of it is to be repaired.
type observation struct {
	health state.Health
	fields []diff.Field
}

// observed looks at an app as it runs now. While its controller is at work, or a release takes over, nothing is to be repaired by others.
func (d *Driver) observed(ctx context.Context, name string, m *memory) observation {
	c := d.controllerOf(name)
	busy := !c.settle(ctx, patience)
	record, owned := d.cfg.Journal.Get(idOf(name))
	if owned {
		if newer, err := recall(record); err == nil {
			m = newer
		}
	}
	_, seen, err := d.ask(ctx)
	if err != nil && !d.cfg.ReadOnly {
		return observation{health: state.Health{Status: state.Unknown, Reason: "SupervisorUnreachable", Message: err.Error()}}
	}
	look := look(name, d.gather(ctx, ground{app: name, owner: record.Owner, memory: m}, seen), d.cfg.Now())
	look.blind = err != nil
	seenAs := observation{health: healthOf(look, c.ailing())}
	switch {
	case busy && seenAs.health.Ready():
		seenAs.health = progressing(reasonStarting, "its controller is at work")
	case !busy && m.Take == nil && !m.Removing:
		seenAs.fields = append(look.repairs(), d.damaged(name, m)...)
	}
	return seenAs
}

// repairs gives what a process lacks that should be there and cannot come back by itself.
func (d *decision) repairs() []diff.Field {
	if d.blind {
		return nil
	}
	var fields []diff.Field
	for _, s := range d.seats(d.m.release(d.m.Active)) {
		if old, now := d.lack(s); old != "" {
			fields = append(fields, field("/processes/"+s.name(), old, now))
		}
	}
	return fields
}

// lack says what is wrong with a seat, and what should be; "" when nothing is, or it is too early to do something about it.
func (d *decision) lack(s seat) (old, now string) {
	status, there := d.holder(s)
	slot := s.slot()
	switch {
	case !there:
		return "not there", "running"
	case status.Phase == supervise.Exited:
		if status.Asked || slot.Crashed == slot.Launch && d.now.Before(slot.notBefore()) {
			return "", ""
		}
		return how(status.Exit), "running"
	}
	if stuck, _ := d.stuck(status); stuck && slot.Crashed != slot.Launch {
		return "not healthy" + colon(status.Failing), "healthy"
	}
	return "", ""
}

// damaged gives the files of the active release that are not what was unpacked.
func (d *Driver) damaged(name string, m *memory) []diff.Field {
	var fields []diff.Field
	for _, one := range d.damages(name, m) {
		path := diff.Path{{Name: "files"}, {Name: one.Name}}
		fields = append(fields, field(path.String(), one.How, "as unpacked"))
	}
	return fields
}

// damages looks at the files of the active release. What cannot be read is damaged too.
func (d *Driver) damages(name string, m *memory) []damage {
	if m.Active == 0 {
		return nil
	}
	p := d.place(name)
	if !present(p)[m.Active] {
		return []damage{{".", "missing"}}
	}
	want, err := readManifest(p.manifestOf(m.Active))
	if err != nil {
		return []damage{{".", "not readable"}}
	}
	found, err := want.compare(p.release(m.Active), maxDamages)
	if err != nil {
		return []damage{{".", "not readable"}}
	}
	return found
}
