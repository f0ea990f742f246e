package host

import (
	"maps"
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// audience are those who watch. What they have to be told gathers until they listen, so that nobody waits for anybody. The zero value is
// ready.
type audience struct {
	mu       sync.Mutex
	watchers map[state.Owner]map[*watcher]struct{}
	// cares are, by owner, the objects that it wants and does not have, or has and is about to lose: no record says whose they are then.
	cares map[state.Owner]map[state.ID]struct{}
}

// watcher is one who watches, with what it has not been told yet.
type watcher struct {
	owner state.Owner
	all   bool
	ids   map[state.ID]struct{}
	wake  chan struct{} // has a value when there is something to tell
}

// join begins telling, with an event that says so.
func (a *audience) join(owner state.Owner) *watcher {
	w := &watcher{owner: owner, wake: make(chan struct{}, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watchers == nil {
		a.watchers = map[state.Owner]map[*watcher]struct{}{}
	}
	if a.watchers[owner] == nil {
		a.watchers[owner] = map[*watcher]struct{}{}
	}
	a.watchers[owner][w] = struct{}{}
	w.add(true)
	return w
}

func (a *audience) leave(w *watcher) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.watchers[w.owner], w)
	if len(a.watchers[w.owner]) == 0 {
		delete(a.watchers, w.owner)
		delete(a.cares, w.owner)
	}
}

// care remembers what an owner that watches wants and does not have. only are the objects that this is about; nil for all.
func (a *audience) care(owner state.Owner, ids map[state.ID]struct{}, only []state.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watchers[owner] == nil {
		return // the first event has it compare everything
	}
	if a.cares == nil {
		a.cares = map[state.Owner]map[state.ID]struct{}{}
	}
	mine := a.cares[owner]
	if only != nil && mine != nil {
		for _, id := range only {
			delete(mine, id)
		}
		maps.Copy(mine, ids)
		ids = mine
	}
	a.cares[owner] = ids
	if len(ids) == 0 {
		delete(a.cares, owner)
	}
}

func (a *audience) tellAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, watchers := range a.watchers {
		for w := range watchers {
			w.add(true)
		}
	}
}

// tell tells owners of their objects, and those who care of ids.
func (a *audience) tell(owners map[state.Owner][]state.ID, ids []state.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for owner, own := range owners {
		a.tellOne(owner, own...)
	}
	a.tellCaring(ids, state.Owner{})
}

// tellOthers tells those who care of an object that its owner, or who was that, has changed.
func (a *audience) tellOthers(id state.ID, but state.Owner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tellCaring([]state.ID{id}, but)
}

func (a *audience) tellCaring(ids []state.ID, but state.Owner) {
	for owner, cares := range a.cares {
		if owner == but {
			continue
		}
		for _, id := range ids {
			if _, does := cares[id]; does {
				a.tellOne(owner, id)
			}
		}
	}
}

func (a *audience) tellOne(owner state.Owner, ids ...state.ID) {
	for w := range a.watchers[owner] {
		w.add(false, ids...)
	}
}

// add is called while the audience is locked.
func (w *watcher) add(all bool, ids ...state.ID) {
	w.all = w.all || all
	if w.all {
		w.ids = nil // it is told of them with everything else
	} else {
		if w.ids == nil {
			w.ids = make(map[state.ID]struct{}, len(ids))
		}
		for _, id := range ids {
			w.ids[id] = struct{}{}
		}
	}
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// take gives what has gathered, as one event; false when that is nothing.
func (a *audience) take(w *watcher) (target.Event, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	event, some := target.Event{IDs: slices.SortedFunc(maps.Keys(w.ids), state.ID.Compare)}, w.all || len(w.ids) > 0
	w.all, w.ids = false, nil
	return event, some
}
