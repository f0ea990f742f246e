package kube

import (
	"maps"
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// owners are all that this process has heard of, by name and by ApplySet. Safe for concurrent use.
type owners struct {
	mu       sync.RWMutex
	byOwner  map[state.Owner]*owner
	byPartOf map[string]*owner
}

// owner is what is known of one Sync on this cluster. Everything in it can be found out again from the cluster; it only makes
// the next comparison cheap. Safe for concurrent use.
type owner struct {
	who    state.Owner
	parent string // the name of the ApplySet's parent object
	partOf string // the ApplySet's ID: the value of the label

	inventory sync.Mutex // one writer of the parent object at a time

	mu       sync.Mutex
	scope    *scope                // the last desired state, resolved
	declared map[state.ID]state.ID // real ID → declared ID, where they differ
	lost     map[state.ID]*live    // wanted objects that were ours and disappeared, as they were last seen
	deleting map[state.ID]bool     // wanted objects that we delete ourselves, to create them anew
	watchers map[*watcher]bool
	untidy   bool // members have gone: the parent object may list too much
}

func newOwners() *owners {
	return &owners{byOwner: map[state.Owner]*owner{}, byPartOf: map[string]*owner{}}
}

// get gives the owner, made when it is not known yet.
func (os *owners) get(who state.Owner) *owner {
	os.mu.RLock()
	o := os.byOwner[who]
	os.mu.RUnlock()
	if o != nil {
		return o
	}
	os.mu.Lock()
	defer os.mu.Unlock()
	return os.make(who)
}

// make gives the owner, made when it is not known yet; the caller holds the lock.
func (os *owners) make(who state.Owner) *owner {
	if o := os.byOwner[who]; o != nil {
		return o
	}
	name := parentName(who)
	o := &owner{
		who: who, parent: name, partOf: applySetID(name),
		declared: map[state.ID]state.ID{}, lost: map[state.ID]*live{}, deleting: map[state.ID]bool{},
		watchers: map[*watcher]bool{},
	}
	os.byOwner[who], os.byPartOf[o.partOf] = o, o
	return o
}

// join gives the owner with one more watcher.
func (os *owners) join(who state.Owner, w *watcher) *owner {
	os.mu.Lock()
	defer os.mu.Unlock()
	o := os.make(who)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watchers[w] = true
	return o
}

// leave takes a watcher away. With the last one goes all that is remembered of the owner, and leave says true.
func (os *owners) leave(o *owner, w *watcher) (last bool) {
	os.mu.Lock()
	defer os.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.watchers, w)
	if len(o.watchers) > 0 {
		return false
	}
	if os.byOwner[o.who] == o {
		delete(os.byOwner, o.who)
		delete(os.byPartOf, o.partOf)
	}
	return true
}

func (os *owners) member(partOf string) *owner {
	os.mu.RLock()
	defer os.mu.RUnlock()
	return os.byPartOf[partOf]
}

func (os *owners) all() []*owner {
	os.mu.RLock()
	defer os.mu.RUnlock()
	return slices.Collect(maps.Values(os.byOwner))
}

// changed wakes whoever watches a member of an ApplySet.
func (os *owners) changed(partOf string, id state.ID) {
	if o := os.member(partOf); o != nil {
		o.wake(id)
	}
}

// lost remembers that a member has disappeared, or is a member no longer, although nobody asked us for it.
func (os *owners) lost(old *live) {
	o := os.member(old.partOf)
	if o == nil || old.labelled != labelledByUs {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.untidy = true
	if o.scope != nil && o.scope.byReal[old.id] != nil && !o.deleting[old.id] {
		o.lost[old.id] = old
	}
}

// found says that an object is (again) as it should be.
func (o *owner) found(id state.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.lost, id)
	delete(o.deleting, id)
}

func (o *owner) lostObject(id state.ID) *live {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost[id]
}

// disturbed says that members have gone, so that the inventory may list too much.
func (o *owner) disturbed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.untidy = true
}

// replacing says that we delete a wanted object ourselves.
func (o *owner) replacing(id state.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deleting[id] = true
}

// declaredID gives the ID that the declaration uses for a real one.
func (o *owner) declaredID(id state.ID) state.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	if declared, ok := o.declared[id]; ok {
		return declared
	}
	return id
}

// adopt makes a resolved desired state the current one.
func (o *owner) adopt(s *scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scope = s
	for _, w := range s.list {
		if w.id != w.declared {
			o.declared[w.id] = w.declared
		}
	}
	maps.DeleteFunc(o.lost, func(id state.ID, _ *live) bool { return s.byReal[id] == nil })
}

func (o *owner) currentScope() *scope {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.scope
}
