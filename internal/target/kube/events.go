package kube

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// maxPending bounds what is remembered for a slow watcher; beyond it, it is told to look at everything.
const maxPending = 1000

// watcher gathers what has changed until its owner has time for it: a burst of changes becomes one event, and a slow receiver
// never holds up the caches.
type watcher struct {
	mu      sync.Mutex
	pending map[state.ID]bool
	all     bool
	signal  chan struct{} // holds one
}

// Watch implements target.Target. Events come as fast as the server tells; those that change nothing worth comparing (a
// heartbeat in a status that leaves the health as it is) are left out.
func (t *Target) Watch(ctx context.Context, who state.Owner, notify func(target.Event)) error {
	w := &watcher{pending: map[state.ID]bool{}, signal: make(chan struct{}, 1)}
	o := t.cluster.owners.join(who, w)
	defer func() {
		if t.cluster.owners.leave(o, w) { // nobody watches: a later comparison starts its caches anew
			t.cluster.watches.use(who, nil)
		}
	}()
	w.addAll() // what changed before cannot be told
	if o.currentScope() == nil {
		// Not compared yet: what it owns already is worth watching. If that fails, Compare will say why.
		if err := t.watchInventory(ctx, o); err != nil {
			t.cluster.cfg.Log.DebugContext(ctx, "watch what is owned", "owner", who.String(), "error", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.signal:
		}
		if err := t.tidy(ctx, o); err != nil {
			t.cluster.cfg.Log.WarnContext(ctx, "tidy the inventory", "owner", who.String(), "error", err)
		}
		if event, some := w.take(); some {
			notify(event)
		}
	}
}

// watchInventory starts the watches of the kinds that an owner has according to its inventory.
func (t *Target) watchInventory(ctx context.Context, o *owner) error {
	parent, err := t.cluster.parents.get(ctx, o.parent)
	if err != nil || parent == nil {
		return err
	}
	found := needs{}
	t.inventoryNeeds(ctx, parent, found)
	if o.currentScope() == nil {
		t.cluster.watches.use(o.who, found)
	}
	return nil
}

// wake tells the owner's watchers of an object, by its declared ID.
func (o *owner) wake(id state.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id = o.declaredAs(id)
	for w := range o.watchers {
		w.add(id)
	}
}

// wakeAll tells the owner's watchers to look at everything.
func (o *owner) wakeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for w := range o.watchers {
		w.addAll()
	}
}

// ring lets the owner's watchers tidy, without telling them of anything.
func (o *owner) ring() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for w := range o.watchers {
		w.ring()
	}
}

func (w *watcher) add(id state.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) < maxPending {
		w.pending[id] = true
	} else {
		w.all = true
	}
	w.ring()
}

func (w *watcher) addAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = true
	w.ring()
}

func (w *watcher) ring() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// take gives what has gathered, as one event; false when nothing has.
func (w *watcher) take() (target.Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.all && len(w.pending) == 0 {
		return target.Event{}, false
	}
	event := target.Event{}
	if !w.all {
		event.IDs = slices.SortedFunc(maps.Keys(w.pending), state.ID.Compare)
	}
	w.all = false
	clear(w.pending)
	return event, true
}

// observe draws conclusions from an object that concern the cluster as a whole: a definition that is established makes new
// kinds known.
func (c *Cluster) observe(r resource, old, now *live) {
	switch {
	case r.gvr.Group == "apiextensions.k8s.io" && r.kind == "CustomResourceDefinition":
	case r.gvr.Group == "apiregistration.k8s.io" && r.kind == "APIService":
	default:
		return
	}
	if old != nil && old.hash == now.hash && old.health == now.health {
		return
	}
	c.kinds.expire()
	if now.health.Status != state.Healthy {
		return
	}
	if r.kind == "CustomResourceDefinition" {
		definition := now.object()
		c.kinds.learn(definition)
		for _, gv := range definedVersions(definition) {
			c.schemas.forget(gv)
		}
	}
	for _, o := range c.owners.all() {
		if slices.ContainsFunc(o.recent(), func(s *scope) bool { return s.unresolved }) {
			o.wakeAll()
		}
	}
}
