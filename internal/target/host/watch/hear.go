package watch

import (
	"errors"
	"iter"
	"path"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"

	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// maxHeard bounds the entries that are kept until somebody has time for them; beyond it, it is as if the kernel had dropped some.
const maxHeard = 10_000

// heard is what the kernel has told and nobody has looked at yet. Taking it in never waits for anything: the kernel's queue is short,
// and fsnotify sends some errors while it holds a lock that adding a watch needs.
type heard struct {
	wake   chan struct{} // holds one; closed after the last
	mu     sync.Mutex
	events map[string]fsnotify.Op
	missed error
}

// hear takes in the kernel's events until the watcher is closed.
func (h *heard) hear(kernel *fsnotify.Watcher) {
	defer close(h.wake)
	events, errs := kernel.Events, kernel.Errors
	for events != nil || errs != nil {
		select {
		case event, open := <-events:
			if !open {
				events = nil
				continue
			}
			h.add(event)
		case err, open := <-errs:
			if !open {
				errs = nil
				continue
			}
			h.miss(err)
		}
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
}

func (h *heard) add(event fsnotify.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) >= maxHeard {
		h.events, h.missed = map[string]fsnotify.Op{}, fsnotify.ErrEventOverflow
	}
	h.events[event.Name] |= event.Op
}

func (h *heard) miss(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed = err
}

func (h *heard) take() (events map[string]fsnotify.Op, missed error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	events, missed = h.events, h.missed
	h.events, h.missed = map[string]fsnotify.Op{}, nil
	return events, missed
}

// understand makes keys of what was heard, until the watcher is closed.
func (w *Watcher) understand() {
	defer close(w.ended)
	for range w.heard.wake {
		events, missed := w.heard.take()
		w.mu.Lock()
		keys := map[string]bool{}
		for name, op := range events {
			w.event(fsnotify.Event{Name: name, Op: op}, keys)
		}
		w.tell(false, keys)
		if missed != nil {
			w.missed(missed)
		}
		w.mu.Unlock()
	}
}

// event finds the keys that an event means something to, and follows the ways anew that it may have turned.
func (w *Watcher) event(event fsnotify.Event, keys map[string]bool) {
	name, inside := w.root.Inside(event.Name)
	if !inside || rootfs.IsTemporary(path.Base(name)) {
		return
	}
	for this := range w.ends[path.Dir(name)] {
		collect(keys, slices.Values(this.names[path.Base(name)]))
		collect(keys, slices.Values(this.names[""]))
	}
	if event.Op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) != 0 {
		w.turned(name, keys)
	}
}

// turned follows the ways through an entry anew: whatever they led to may be something else now.
func (w *Watcher) turned(name string, keys map[string]bool) {
	turned := make([]*way, 0, len(w.steps[name]))
	for this := range w.steps[name] { // leading a way changes the index
		turned = append(turned, this)
	}
	for _, this := range turned {
		w.renew(this, name)
		for _, some := range this.names {
			collect(keys, slices.Values(some))
		}
	}
}

func (w *Watcher) renew(this *way, renewed string) {
	if w.lead(this, renewed); this.err != nil {
		w.log.Warn("changes are seen late here", "path", this.dir, "error", this.err)
	}
}

// missed is told of events that the kernel dropped: every way may have turned, and every key may have changed.
func (w *Watcher) missed(err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.log.Warn("watching files failed for a moment, so everything is looked at", "error", err)
	}
	for _, this := range w.ways {
		w.renew(this, "/")
	}
	w.tell(true, nil)
}

func collect(into map[string]bool, keys iter.Seq[string]) {
	for key := range keys {
		into[key] = true
	}
}
