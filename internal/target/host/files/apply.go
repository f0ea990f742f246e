package files

import (
	"context"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// maxKept bounds the file whose content is kept before it is taken over, in bytes.
const maxKept = 64 << 20

// Apply carries out a step. The journal says what is going to be taken, and what was there, before anything is touched; an attempt
// that changed nothing leaves nothing in it.
func (d *Driver) Apply(ctx context.Context, owner state.Owner, step plan.Step) target.Result {
	result := target.Result{ID: step.ID, Op: step.Op}
	if result.Err = ctx.Err(); result.Err != nil {
		return result
	}
	if step.Op == diff.Delete {
		result.Changed, result.Err = d.withdraw(ctx, step.ID)
		return result
	}
	t := task{d: d, owner: owner, want: step.Want, ignore: step.Ignore}
	if result.Err = t.run(ctx); result.Err != nil {
		result.Health = state.Health{Status: state.Degraded, Reason: string(fault.KindOf(result.Err)), Message: result.Err.Error()}
		return result
	}
	result.Changed, result.Adopted, result.Health = t.changed, t.adopted, state.Health{Status: state.Healthy}
	return result
}

// task is a wanted object on its way to be there.
type task struct {
	d     *Driver
	owner state.Owner
	want  *state.Object
	// ignore are the fields that are left to others; othersBody says that the content, or a link's target, is one of them.
	ignore     []diff.Ignore
	othersBody bool

	c          declaration
	content    []byte
	attributes rootfs.Attributes
	have       actual
	differs    difference

	record journal.Record // as it was
	memory memory         // as it was
	next   memory         // as it will be
	from   journal.Record // of the object that had the path until now; zero for none

	changed, adopted bool
}

func (t *task) run(ctx context.Context) error {
	if err := t.prepare(); err != nil {
		return err
	}
	if err := t.intend(ctx); err != nil {
		return err
	}
	if t.differs.any() {
		if err := t.act(ctx); err != nil {
			t.undo(ctx)
			return err
		}
		t.changed = true
	}
	for _, left := range t.next.Left {
		did, err := t.d.giveBack(ctx, t.want.ID(), left, t.memory)
		if err != nil {
			return err
		}
		t.changed = t.changed || did
	}
	return t.finish(ctx)
}

// prepare finds out everything that can be known before anything is touched.
func (t *task) prepare() error {
	var err error
	if t.c, t.content, err = t.d.compose(t.want); err != nil {
		return err
	}
	if err = t.d.claims.announce(t.want.ID(), t.owner, t.c.path); err != nil {
		return err
	}
	if t.attributes, err = t.d.attributes(t.c); err != nil {
		return err
	}
	t.have, err = t.d.look(t.c)
	if rootfs.IsNoParent(err) && t.c.kind == rootfs.Directory {
		t.have, err = actual{}, nil
	}
	if err != nil {
		return err
	}
	if err = obstacle(t.c, t.have); err != nil {
		return err
	}
	t.differs = differ(t.c, t.attributes, t.have)
	t.leaveToOthers(t.ignore)
	t.record, _ = t.d.cfg.Journal.Get(t.want.ID())
	t.memory = recall(t.record)
	return nil
}

// intend writes ahead what will be owned, and what was there, unless the journal says it already.
func (t *task) intend(ctx context.Context) error {
	id := t.want.ID()
	from, err := t.d.claims.take(id, t.owner, t.c.path)
	if err != nil {
		return err
	}
	if from != (state.ID{}) {
		t.from, _ = t.d.cfg.Journal.Get(from)
	}
	if err = t.plan(); err == nil {
		err = t.announce(ctx)
	}
	if err != nil {
		t.release()
	}
	return err
}

// plan says what the journal has to know.
func (t *task) plan() error {
	var fresh bool
	var err error
	if t.next, fresh = t.memory.follow(t.c); fresh {
		taken, given := recall(t.from).at(t.c.path)
		switch {
		case given:
			t.next.place = taken
		case t.have.info.Type != rootfs.Nothing && !t.d.made(t.c):
			t.adopted = true
			if t.next.Before, err = t.keep(); err != nil {
				return err
			}
		}
	}
	if t.c.kind == rootfs.Directory && t.differs.missing {
		above, err := t.d.cfg.Root.Missing(t.c.path)
		if err != nil {
			return err
		}
		for _, dir := range above {
			if !slices.Contains(t.next.Made, dir) {
				t.next.Made = append(slices.Clone(t.next.Made), dir)
			}
		}
	}
	return nil
}

// announce writes the intent, and in the same breath that the path is nobody else's any more.
func (t *task) announce(ctx context.Context) error {
	intent := t.next.record(t.record)
	intent.ID, intent.Owner = t.want.ID(), t.owner
	records := []journal.Record{intent}
	if t.from.ID != (state.ID{}) {
		records = append(records, recall(t.from).without(t.c.path).record(t.from))
	} else if t.record.ID == t.want.ID() && t.next.samePlaces(t.memory) {
		return nil
	}
	return t.d.cfg.Journal.Put(ctx, records...)
}

// keep notes what is there, and stores the content of a file.
func (t *task) keep() (before, error) {
	info := t.have.info
	b := before{Type: info.Type, Mode: info.Mode, UID: info.UID, GID: info.GID, Target: info.Target}
	if info.Type != rootfs.File {
		return b, nil
	}
	if info.Size > maxKept {
		if t.c.deletion != v1alpha1.DeletionRestore {
			return b, nil
		}
		return b, fault.New(fault.Invalid, "keep", t.c.path, "what is there is too long to be restored later").
			WithHint("declare `deletion: remove`, or move the file elsewhere; at most 64 MiB are kept")
	}
	content, _, err := t.d.cfg.Root.Read(t.c.path, maxKept)
	if err != nil {
		return b, err
	}
	b.Blob, err = t.d.cfg.Journal.Keep(content)
	return b, err
}

// undo takes the intent back when what was to be changed is as it was.
func (t *task) undo(ctx context.Context) {
	if info, err := t.d.cfg.Root.Stat(t.c.path); err != nil && !rootfs.IsNoParent(err) || info != t.have.info {
		return
	}
	for _, dir := range t.next.Made {
		if info, err := t.d.cfg.Root.Stat(dir); err == nil && info.Type != rootfs.Nothing && !slices.Contains(t.memory.Made, dir) {
			return
		}
	}
	ctx = context.WithoutCancel(ctx) // a step that is called off leaves nothing behind either
	if err := t.takeBack(ctx); err != nil {
		t.d.cfg.Log.Warn("the journal goes on saying that a file is about to be changed", "object", t.want.ID(), "error", err)
		return
	}
	t.release()
}

// takeBack first gives the path to whom it belonged: two who claim it are sorted out again, nobody's is left lying.
func (t *task) takeBack(ctx context.Context) error {
	if t.from.ID != (state.ID{}) {
		if err := t.d.cfg.Journal.Put(ctx, t.from); err != nil {
			return err
		}
	}
	if t.record.ID == (state.ID{}) {
		return t.d.cfg.Journal.Delete(ctx, t.want.ID())
	}
	return t.d.cfg.Journal.Put(ctx, t.record) // which writes nothing where it is the same
}

// release gives the claim back, unless the journal says that it is the object's.
func (t *task) release() {
	if _, owned := t.memory.at(t.c.path); owned {
		return
	}
	if t.d.claims.release(t.want.ID(), t.c.path); t.from.ID != (state.ID{}) {
		t.d.claims.hold(t.from.ID, t.from.Owner, t.c.path)
	}
}

// finish remembers that the declaration is carried out.
func (t *task) finish(ctx context.Context) error {
	id, done := t.want.ID(), t.next
	done.Left = nil
	record := done.record(t.record)
	record.ID, record.Owner, record.Declared = id, t.owner, t.want.Digest()
	record.Wave, record.Keep = waveOf(t.want), keeps(t.want)
	if err := t.d.cfg.Journal.Put(ctx, record); err != nil {
		return err
	}
	for _, left := range t.next.Left {
		t.d.claims.release(id, left.Path)
		t.d.seen.forget(left.Path)
	}
	t.d.watch(id, done.watched())
	return nil
}

// made says whether a directory is there only because the driver made it for one below: then it was not there before us.
func (d *Driver) made(c declaration) bool {
	if c.kind != rootfs.Directory {
		return false
	}
	return slices.ContainsFunc(d.cfg.Journal.All(), func(record journal.Record) bool {
		return drives(record.ID) && slices.ContainsFunc(recall(record).places(), func(p place) bool {
			return slices.Contains(p.Made, c.path)
		})
	})
}
