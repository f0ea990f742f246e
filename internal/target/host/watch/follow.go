package watch

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// pause is how long a follower waits after an event for those that belong to it: an editor writes, renames and sets modes in one go.
const pause = 3 * time.Millisecond

// follower gathers what one listener has not been told yet. Its mutex is taken after the watcher's.
type follower struct {
	wake chan struct{} // holds one
	mu   sync.Mutex
	keys map[string]bool
	all  bool
}

// Follow tells of every key whose paths may have changed, and of all when some may have been missed, until ctx ends; then it gives nil.
// It begins with all. Several may follow; each hears of every key, also of those that others set. changed is never called twice at
// once, and may take its time.
func (w *Watcher) Follow(ctx context.Context, changed func(all bool, keys ...string)) error {
	f := &follower{wake: make(chan struct{}, 1), keys: map[string]bool{}}
	w.mu.Lock()
	w.followers[f] = struct{}{}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.followers, f)
		w.mu.Unlock()
	}()
	changed(true)
	for f.wait(ctx) {
		switch all, keys := f.take(); {
		case all:
			changed(true)
		case len(keys) > 0:
			changed(false, keys...)
		}
	}
	return nil
}

// wait gives false when ctx has ended.
func (f *follower) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-f.wake:
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (f *follower) take() (all bool, keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, keys = f.all, slices.Sorted(maps.Keys(f.keys))
	f.all, f.keys = false, map[string]bool{}
	return all, keys
}

// tell hands keys to all followers. The watcher is locked.
func (w *Watcher) tell(all bool, keys map[string]bool) {
	if !all && len(keys) == 0 {
		return
	}
	for f := range w.followers {
		f.mu.Lock()
		f.all = f.all || all
		collect(f.keys, maps.Keys(keys))
		f.mu.Unlock()
		select {
		case f.wake <- struct{}{}:
		default: // it is awake, and finds them
		}
	}
}
