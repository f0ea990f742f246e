package host

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
	"github.com/setpoint-dev/setpoint/internal/target/host/watch"
)

// resync is how often everything is looked at while some paths cannot be watched.
const resync = time.Minute

// pathWatcher tells of keys whose paths may have changed; *watch.Watcher is one.
type pathWatcher interface {
	Set(key string, paths ...string) error
	Follow(ctx context.Context, changed func(all bool, keys ...string)) error
	// Directories gives the directories that paths are watched in.
	Directories() []string
	Close() error
}

// ears are the watcher that the drivers share. The kernel has a limit of what can be watched: for what is beyond it, everything is looked
// at again once a minute, and watching is tried again. Safe for concurrent use; nil has nothing to close.
type ears struct {
	open func() (pathWatcher, error)
	eyes *eyes // look where something is watched

	mu    sync.Mutex
	inner pathWatcher         // nil while there is none
	deaf  map[string][]string // key: its paths, of which some are not watched
	ended bool
}

func newEars(root *rootfs.Root, eyes *eyes, log *slog.Logger) *ears {
	e := &ears{eyes: eyes, deaf: map[string][]string{}, open: func() (pathWatcher, error) {
		w, err := watch.New(root, log)
		if err != nil {
			return nil, err // and not a *watch.Watcher that is nil
		}
		return w, nil
	}}
	if eyes != nil {
		eyes.watched = e.directories
	}
	return e
}

// Set says which paths a key watches from now on. An error says that some are not, yet.
func (e *ears) Set(key string, paths ...string) error {
	defer e.eyes.refresh() // which asks for what is watched, so e has to be unlocked by then
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.ready()
	if err == nil {
		err = e.inner.Set(key, paths...)
	}
	if err != nil && len(paths) > 0 {
		e.deaf[key] = slices.Clone(paths)
	} else {
		delete(e.deaf, key)
	}
	return err
}

// directories gives the directories that something is watched in, none while there is no watcher.
func (e *ears) directories() []string {
	e.mu.Lock()
	inner := e.inner
	e.mu.Unlock()
	if inner == nil {
		return nil
	}
	return inner.Directories()
}

// ready has a watcher opened, if that can be done.
func (e *ears) ready() (err error) {
	if e.ended {
		return fault.New(fault.Transient, "watch", "the host", "it is closed")
	}
	if e.inner == nil {
		e.inner, err = e.open()
	}
	return err
}

// Follow tells of every key whose paths may have changed, and of all when some may have been missed, until ctx ends. changed is never
// called twice at once.
func (e *ears) Follow(ctx context.Context, changed func(all bool, keys ...string)) error {
	e.mu.Lock()
	err := e.ready()
	inner := e.inner
	e.mu.Unlock()
	if err != nil {
		return err
	}
	e.again()
	var one sync.Mutex
	tell := func(all bool, keys ...string) {
		one.Lock()
		defer one.Unlock()
		e.eyes.refresh()
		changed(all, keys...)
	}
	ctx, stop := context.WithCancel(ctx)
	var slow sync.WaitGroup
	slow.Go(func() {
		ticker := time.NewTicker(resync)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if e.again() {
					tell(true)
				}
			}
		}
	})
	defer slow.Wait()
	defer stop()
	return inner.Follow(ctx, tell)
}

// again tries to watch what could not be watched, and says whether there was anything.
func (e *ears) again() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	some := len(e.deaf) > 0
	for key, paths := range e.deaf {
		if e.inner.Set(key, paths...) == nil {
			delete(e.deaf, key)
		}
	}
	return some
}

// Close ends watching. Whoever follows has to have ended.
func (e *ears) Close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	if e.inner == nil {
		return nil
	}
	return e.inner.Close()
}
