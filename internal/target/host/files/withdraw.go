package files

import (
	"context"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// withdraw takes away what an object put on the host, or puts back what was there before, and forgets the object. It says whether it
// changed something.
func (d *Driver) withdraw(ctx context.Context, id state.ID) (changed bool, err error) {
	record, owned := d.cfg.Journal.Get(id)
	if !owned {
		return false, nil
	}
	m := recall(record)
	for _, p := range m.places() {
		if record.Declared == "" && d.untouched(p) {
			continue
		}
		did, err := d.giveBack(ctx, id, p, m)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	if err := d.cfg.Journal.Delete(ctx, id); err != nil {
		return changed, err
	}
	for _, p := range m.places() {
		d.claims.release(id, p.Path)
		d.seen.forget(p.Path)
	}
	d.claims.forget(id)
	d.declared.forget(id)
	d.watch(id, nil)
	return changed, nil
}

// untouched says whether an object that was never finished has left its path as it was: then it has nothing to take away.
func (d *Driver) untouched(p place) bool {
	info, err := d.cfg.Root.Stat(p.Path)
	was := p.Before
	if err != nil || was.Type == rootfs.Nothing || info.Type != was.Type || info.Target != was.Target {
		return err == nil && was.Type == info.Type && was.Type == rootfs.Nothing
	}
	if was.Type != rootfs.Link && info.Mode != was.Mode || info.UID != was.UID || info.GID != was.GID {
		return false
	}
	if was.Type != rootfs.File {
		return true
	}
	kept, err := d.cfg.Journal.Kept(was.Blob)
	if err != nil || int64(len(kept)) != info.Size {
		return false
	}
	content, _, err := d.cfg.Root.Read(p.Path, info.Size)
	return err == nil && slices.Equal(content, kept)
}

// giveBack leaves a path as if the object had never been there, as far as its policy says so.
func (d *Driver) giveBack(ctx context.Context, id state.ID, p place, m memory) (changed bool, err error) {
	info, err := d.lookNow(ctx, p.Path)
	if err != nil {
		return false, err
	}
	switch {
	case p.Before.Type != rootfs.Nothing && m.Deletion == v1alpha1.DeletionRestore:
		changed, err = d.restore(p, info)
	case id.Kind == v1alpha1.KindDirectory && p.Before.Type == rootfs.Directory:
		return false, nil // it is older than its declaration, and others count on it
	default:
		changed, err = d.remove(id, p, info)
	}
	if err != nil {
		return changed, err
	}
	for _, dir := range slices.Backward(p.Made) {
		if !d.claims.declares(v1alpha1.KindDirectory, dir) {
			_, err = d.cfg.Root.Remove(dir) // one that holds something is in use, and stays with those above it
		}
		if err != nil {
			break
		}
	}
	return changed, nil
}

// remove removes what an object put at a path. What is something quite else by now, and not empty, is somebody else's.
func (d *Driver) remove(id state.ID, p place, info rootfs.Info) (bool, error) {
	switch info.Type {
	case rootfs.Nothing, rootfs.Socket, rootfs.Pipe, rootfs.Device:
		return false, nil
	case rootfs.File, rootfs.Link:
		if id.Kind == v1alpha1.KindDirectory {
			return false, nil
		}
		return d.cfg.Root.Remove(p.Path)
	}
	removed, err := d.cfg.Root.Remove(p.Path)
	if fault.KindOf(err) != fault.Conflict {
		return removed, err
	}
	if d.claims.leavingBelow(p.Path) {
		return false, fault.New(fault.Transient, "remove", p.Path, "what is declared in it has to go first")
	}
	d.cfg.Log.Info("a directory stays because there is something in it", "path", p.Path)
	return false, nil
}

// restore puts back what was at a path before.
func (d *Driver) restore(p place, info rootfs.Info) (bool, error) {
	attributes := d.possible(p.Before.attributes())
	var err error
	switch p.Before.Type {
	case rootfs.Directory:
		if info.Type == rootfs.Directory {
			err = d.redress(p.Path, attributes)
		} else {
			_, err = d.cfg.Root.Mkdir(p.Path, attributes)
		}
	case rootfs.Link:
		err = d.cfg.Root.Symlink(p.Path, p.Before.Target, attributes)
	case rootfs.File:
		if p.Before.Blob == "" {
			return false, fault.New(fault.Conflict, "restore", p.Path, "what was there was too long to be kept").
				WithHint("put it back by hand, and declare `deletion: remove` before the declaration goes")
		}
		var content []byte
		if content, err = d.cfg.Journal.Kept(p.Before.Blob); err == nil {
			_, err = d.cfg.Root.WriteAtomic(p.Path, content, attributes, nil)
		}
	}
	if rootfs.IsNoParent(err) {
		d.cfg.Log.Warn("what was there before cannot be put back, because its directory is gone", "path", p.Path)
		return false, nil
	}
	return err == nil, err
}

func (d *Driver) redress(name string, a rootfs.Attributes) error {
	if err := d.cfg.Root.Chown(name, a.UID, a.GID); err != nil {
		return err
	}
	return d.cfg.Root.Chmod(name, a.Mode)
}

// possible leaves out owners that only root can give.
func (d *Driver) possible(a rootfs.Attributes) rootfs.Attributes {
	if d.uid == 0 {
		return a
	}
	if a.UID != d.uid {
		a.UID = -1
	}
	if a.GID != d.gid {
		a.GID = -1
	}
	return a
}
