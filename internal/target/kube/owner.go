package kube

import (
	"maps"
	"slices"
	"sync"
	"time"

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
	scopes   []*scope              // the desired states compared lately, resolved, the last one first
	declared map[state.ID]state.ID // real ID → declared ID, where they differ
	lost     map[state.ID]*live    // wanted objects that were ours and disappeared, as they were last seen
	deleting map[state.ID]bool     // objects that we delete ourselves, so that nobody misses them
	watchers map[*watcher]bool
	applying map[*places]bool // what calls of Apply are about to make
	release  helmRelease      // of Helm's, that it goes on with
	untidy   bool             // members have gone: the parent object may list too much
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
		watchers: map[*watcher]bool{}, applying: map[*places]bool{},
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
	if o.wants(old.id) && !o.deleting[old.id] {
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

// takeUntidy says whether disturbed was called since the last time.
func (o *owner) takeUntidy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	untidy := o.untidy
	o.untidy = false
	return untidy
}

// applies says that objects are about to be made in these places, until done is called.
func (o *owner) applies(p *places) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.applying[p] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.applying, p)
	}
}

// underWay gives the places of every call of Apply that has not ended.
func (o *owner) underWay() []*places {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.applying))
}

// deletes says that we delete an object ourselves.
func (o *owner) deletes(id state.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deleting[id] = true
}

// spares takes deletes back: the deletion was refused.
func (o *owner) spares(id state.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.deleting, id)
}

// declaredID gives the ID that the declaration uses for a real one.
func (o *owner) declaredID(id state.ID) state.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.declaredAs(id)
}

// declaredAs is declaredID for callers that hold the lock.
func (o *owner) declaredAs(id state.ID) state.ID {
	for _, s := range o.scopes {
		if w := s.byReal[id]; w != nil {
			return w.declared
		}
	}
	if declared, ok := o.declared[id]; ok {
		return declared
	}
	return id
}

// How many desired states of an owner are kept, and for how long when they are not compared: the one in force, one that is not
// in force yet, and one more for whoever goes back.
const (
	recentScopes = 3
	recentFor    = 10 * time.Minute
)

// recall gives the desired states that were compared lately, the last one first, and among them the one with a digest and
// a namespace, nil when it is not there. What has not been compared for long is forgotten.
func (o *owner) recall(want state.Digest, namespace string, now time.Time) (recent []*scope, same *scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, s := range o.scopes {
		if s.want == want && s.namespace == namespace {
			s.used, same = now, s
		}
		if i == 0 || now.Sub(s.used) < recentFor {
			recent = append(recent, s)
		}
	}
	o.scopes = recent
	return recent, same
}

// adopt makes a resolved desired state the last one that was compared. Others stay for a while: a state that is not in force yet is
// compared beside the one that is, and neither may make the other forget what it knows and has lost.
func (o *owner) adopt(s *scope) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.scopes) > 0 && o.scopes[0] == s {
		return
	}
	scopes := []*scope{s}
	for _, other := range o.scopes {
		same := other.want == s.want && other.namespace == s.namespace
		if !same && len(scopes) < recentScopes {
			scopes = append(scopes, other)
		}
	}
	o.scopes = scopes
	for _, w := range s.list {
		if w.id != w.declared {
			o.declared[w.id] = w.declared
		}
	}
	maps.DeleteFunc(o.lost, func(id state.ID, _ *live) bool { return !o.wants(id) })
	maps.DeleteFunc(o.deleting, func(id state.ID, _ bool) bool { return !o.wants(id) })
}

// wants says whether one of the recent desired states has an object; the caller holds the lock.
func (o *owner) wants(id state.ID) bool {
	return slices.ContainsFunc(o.scopes, func(s *scope) bool { return s.byReal[id] != nil })
}

// currentScope gives the desired state that was compared last, nil when none was.
func (o *owner) currentScope() *scope {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.scopes) == 0 {
		return nil
	}
	return o.scopes[0]
}

// recent gives the desired states that were compared lately; the slice must not be changed.
func (o *owner) recent() []*scope {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.scopes
}
