package files

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Watch tells of every object that may have changed, until ctx ends; all, when something may have been missed. It begins with all. One
// call at a time.
func (d *Driver) Watch(ctx context.Context, changed func(all bool, ids ...state.ID)) error {
	if d.cfg.Watcher == nil {
		changed(true)
		<-ctx.Done()
		return nil
	}
	return d.cfg.Watcher.Follow(ctx, func(all bool, keys ...string) {
		if all {
			changed(true)
			return
		}
		if ids := ours(keys); len(ids) > 0 {
			changed(false, ids...)
		}
	})
}

// ours gives the objects among the keys: the watcher may be shared.
func ours(keys []string) []state.ID {
	ids := make([]state.ID, 0, len(keys))
	for _, key := range keys {
		if id, err := state.ParseKey(key); err == nil && drives(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// watch says which paths mean something to an object from now on.
func (d *Driver) watch(id state.ID, paths []string) {
	if d.cfg.Watcher == nil {
		return
	}
	if err := d.cfg.Watcher.Set(id.Key(), paths...); err != nil {
		d.unheard.Do(func() { d.cfg.Log.Warn("changes of some files are seen late", "object", id, "error", err) })
	}
}
