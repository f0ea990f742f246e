package files

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// Compare gives the entry of a wanted object. The record is the zero value when nothing was ever done about it. What has not changed
// since it was compared last costs three system calls.
func (d *Driver) Compare(ctx context.Context, owner state.Owner, want *state.Object, record journal.Record) diff.Entry {
	entry := diff.Entry{ID: want.ID(), Op: diff.None, Want: want, Drift: want.Annotation(v1alpha1.AnnotationDrift)}
	if err := ctx.Err(); err != nil {
		return refuse(entry, actual{}, fault.Wrap(fault.Transient, "compare", entry.ID.String(), err))
	}
	c, attributes, err := d.read(owner, want)
	if err != nil {
		var have actual
		if c.path != "" {
			have.info, _ = d.cfg.Root.Stat(c.path) // only to say whether something is there
		}
		return refuse(entry, have, err)
	}
	have, err := d.lookFor(c)
	if err == nil {
		err = obstacle(c, have)
	}
	if err != nil {
		return refuse(entry, have, err)
	}
	entry = d.judge(entry, c, differ(c, attributes, have), comparison{record, recall(record), have})
	if entry.Op != diff.None && record.Declared == want.Digest() {
		d.blame(&entry, c.path)
	}
	return entry
}

// blame names who has changed what was in order before.
func (d *Driver) blame(entry *diff.Entry, path string) {
	if d.cfg.Witness == nil {
		return
	}
	who, when, ok := d.cfg.Witness.Who(path)
	if !ok {
		return
	}
	if entry.Lost && len(entry.Fields) == 0 {
		_, present := diff.Show("", "there")
		entry.Fields = []diff.Field{{Path: "/type", New: present}}
	}
	for i := range entry.Fields {
		entry.Fields[i].By, entry.Fields[i].When = who, when
	}
}

// read reads a declaration, claims its path, and finds its owners. On an error the declaration has the path, where that is known.
func (d *Driver) read(owner state.Owner, want *state.Object) (declaration, rootfs.Attributes, error) {
	c, err := d.declare(want)
	if c.path != "" {
		err = cmp.Or(d.claims.announce(want.ID(), owner, c.path), err)
	}
	if err != nil {
		return c, rootfs.Attributes{}, err
	}
	attributes, err := d.attributes(c)
	return c, attributes, err
}

// lookFor is look, to which a directory that is missing above is no error where it, or a link to it, is going to be made.
func (d *Driver) lookFor(c declaration) (actual, error) {
	have, err := d.look(c)
	dir := path.Dir(c.path)
	declared := d.claims.declares(v1alpha1.KindDirectory, dir) || d.claims.declares(v1alpha1.KindLink, dir)
	if rootfs.IsNoParent(err) && (c.kind == rootfs.Directory || declared) {
		return actual{}, nil
	}
	return have, err
}

// refuse is the entry of an object that cannot be applied as it is declared.
func refuse(entry diff.Entry, have actual, err error) diff.Entry {
	entry.Err = err
	if entry.Op = diff.Update; have.info.Type == rootfs.Nothing {
		entry.Op = diff.Create
	}
	entry.Health = state.Health{Status: state.Degraded, Reason: string(fault.KindOf(err)), Message: err.Error()}
	return entry
}

// comparison is what an entry is judged by, beside the declaration.
type comparison struct {
	record journal.Record
	memory memory
	have   actual
}

func (d *Driver) judge(entry diff.Entry, c declaration, differs difference, by comparison) diff.Entry {
	owned := by.record.Declared != ""
	switch {
	case differs.missing:
		entry.Op, entry.Health = diff.Create, state.Health{Status: state.Missing}
		entry.Lost = owned && by.memory.Path == c.path
	case differs.any():
		entry.Op = diff.Update
		entry.Health = state.Health{Status: state.Progressing, Reason: "Differs", Message: "it is not as it is declared"}
		entry.Fields = d.fields(entry.Want, c, by.have, differs)
	default:
		entry.Health = state.Health{Status: state.Healthy}
	}
	if !owned || by.memory.current(by.record, entry.Want, c) {
		if !owned && entry.Op == diff.None { // it is as declared, but nobody's yet
			entry.Op = diff.Update
		}
		return entry
	}
	if entry.Op == diff.None {
		entry.Op = diff.Update
	}
	entry.Fields = append(entry.Fields, remembered(entry.Want, c, by)...)
	slices.SortStableFunc(entry.Fields, func(a, b diff.Field) int { return strings.Compare(a.Path, b.Path) })
	return entry
}

// remembered names what the journal has to learn of a declaration though nothing on the disk shows it.
func remembered(want *state.Object, c declaration, by comparison) []diff.Field {
	var fields []diff.Field
	add := func(path string, before, after any) {
		if before != after {
			field := diff.Field{Path: path}
			field.Old, field.New = diff.Show(before, after)
			fields = append(fields, field)
		}
	}
	annotation := func(name string) string { return "/metadata/annotations/" + strings.ReplaceAll(name, "/", "~1") }
	words := map[bool]string{true: "disabled", false: "enabled"}
	add("/spec/path", by.memory.Path, c.path)
	add("/spec/deletion", by.memory.Deletion, c.deletion)
	add("/spec/purge", by.memory.Purge, c.purge)
	add(annotation(v1alpha1.AnnotationWave), strconv.Itoa(by.record.Wave), strconv.Itoa(waveOf(want)))
	add(annotation(v1alpha1.AnnotationPrune), words[by.record.Keep], words[keeps(want)])
	return fields
}

// Owned gives the entry of an object that is owned and not wanted any more: Delete, with its health. From then on its paths are free for
// other objects of the same owner.
func (d *Driver) Owned(ctx context.Context, record journal.Record) diff.Entry {
	entry := diff.Entry{ID: record.ID, Op: diff.Delete, Keep: record.Keep, Wave: record.Wave}
	if !record.Keep {
		d.claims.leave(record.ID)
	}
	entry.Health = state.Health{Status: state.Healthy}
	name := recall(record).Path
	if name == "" {
		return entry // another declaration has its path already
	}
	info, err := d.lookNow(ctx, name)
	switch {
	case err != nil:
		entry.Health = state.Health{Status: state.Unknown, Reason: string(fault.KindOf(err)), Message: err.Error()}
	case info.Type == rootfs.Nothing:
		entry.Health = state.Health{Status: state.Missing}
	}
	return entry
}
