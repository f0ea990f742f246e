package kube

import (
	"context"
	"maps"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Owned implements target.Target: what carries the owner's label, put there by us, in any kind that the inventory names.
func (t *Target) Owned(ctx context.Context, who state.Owner) ([]state.ID, error) {
	o := t.cluster.owners.get(who)
	owned, watched, err := t.inUse(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	t.cluster.watches.use(who, watched)
	for gvr, err := range t.cluster.watches.sync(ctx, owned) {
		if fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		delete(watched, gvr) // the kind has gone, and all its objects with it
	}
	found := map[state.ID]bool{}
	for gvr := range watched {
		if s := t.cluster.watches.store(gvr); s != nil {
			for _, l := range s.owned(o.partOf) {
				found[o.declaredID(l.id)] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), state.ID.Compare), nil
}

// inUse gives the resources that an owner has objects of, by its inventory, or wants by a scope (nil for none), and those that are
// watched for it: the same, and what its other recent desired states want, so that comparing them by turns does not start
// and stop watches. A resource that only those want may fail to be watched without any harm.
func (t *Target) inUse(ctx context.Context, o *owner, s *scope) (used, watched needs, err error) {
	inventory, err := t.cluster.parents.get(ctx, o.parent)
	if err != nil {
		return nil, nil, err
	}
	used, watched = needs{}, needs{}
	if s != nil {
		used.addAll(s.needs)
	}
	if inventory != nil {
		t.inventoryNeeds(ctx, inventory, used)
	}
	watched.addAll(used)
	for _, other := range o.recent() {
		watched.addAll(other.needs)
	}
	return used, watched, nil
}

// places are where a call of Apply may make objects.
type places struct {
	kinds      map[state.GroupKind]bool
	namespaces map[string]bool
}

func placesOf(tasks []task) *places {
	p := &places{map[state.GroupKind]bool{}, map[string]bool{}}
	for _, one := range tasks {
		if w := one.wanted; w != nil && w.err == nil {
			p.kinds[w.id.GroupKind()] = true
			p.namespaces[w.id.Namespace] = true
		}
	}
	return p
}

// announce writes into the inventory what is about to be applied, before it is. Until done is called nobody tidies it away, although
// the objects are not there yet, and the desired state that was compared last may be another one.
func (t *Target) announce(ctx context.Context, o *owner, tasks []task) (done func(), err error) {
	p := placesOf(tasks)
	if len(p.kinds) == 0 {
		return func() {}, nil
	}
	o.inventory.Lock()
	defer o.inventory.Unlock()
	current, err := t.cluster.parents.get(ctx, o.parent)
	if err != nil {
		return nil, err
	}
	kinds, namespaces := maps.Clone(p.kinds), maps.Clone(p.namespaces)
	if current != nil {
		addAll(kinds, current.kinds)
		addAll(namespaces, current.namespaces)
	}
	if err := t.cluster.parents.write(ctx, o, sortedKinds(kinds), sortedNamespaces(namespaces)); err != nil {
		return nil, err
	}
	return o.applies(p), nil
}

// tidy makes the inventory list no more than it has to: what is owned, and what is wanted and listed already. When nothing is
// left, the parent object goes. It writes the parent again when somebody has deleted it. It is free unless members have gone.
func (t *Target) tidy(ctx context.Context, o *owner) error {
	s := o.currentScope()
	if s == nil || !o.takeUntidy() {
		return nil
	}
	err := t.rewrite(ctx, o, s)
	if err != nil {
		o.disturbed()
	}
	return err
}

func (t *Target) rewrite(ctx context.Context, o *owner, s *scope) error {
	o.inventory.Lock()
	defer o.inventory.Unlock()
	current, err := t.cluster.parents.get(ctx, o.parent)
	if err != nil {
		return err
	}
	kinds, namespaces := t.members(o, s, current)
	for _, p := range o.underWay() {
		maps.Copy(kinds, p.kinds)
		maps.Copy(namespaces, p.namespaces)
	}
	if current != nil {
		for _, gk := range current.kinds {
			if s.wants(gk) {
				kinds[gk] = true
			}
		}
		for _, namespace := range current.namespaces {
			if s.namespaces[namespace] {
				namespaces[namespace] = true
			}
		}
	}
	if len(kinds) == 0 {
		return t.cluster.parents.erase(ctx, o)
	}
	return t.cluster.parents.write(ctx, o, sortedKinds(kinds), sortedNamespaces(namespaces))
}

// members gives the kinds and namespaces of what is owned, as far as the watches show it; what they do not show stays listed.
func (t *Target) members(o *owner, s *scope, current *parent) (map[state.GroupKind]bool, map[string]bool) {
	kinds, namespaces := map[state.GroupKind]bool{}, map[string]bool{}
	listed := map[state.GroupKind]bool{}
	for gvr := range s.needs {
		listed[s.needs[gvr].resource.groupKind()] = true
	}
	if current != nil {
		addAll(listed, current.kinds)
	}
	blind := false
	for gk := range listed {
		members, seen := t.cluster.watches.members(gk, o.partOf)
		if !seen {
			if _, served := t.cluster.kinds.get(gk, ""); served {
				kinds[gk], blind = true, true
			}
			continue
		}
		for _, l := range members {
			kinds[gk] = true
			namespaces[l.id.Namespace] = true
		}
	}
	if blind && current != nil {
		addAll(namespaces, current.namespaces)
	}
	return kinds, namespaces
}

func addAll[K comparable](set map[K]bool, items []K) {
	for _, item := range items {
		set[item] = true
	}
}

func (s *scope) wants(gk state.GroupKind) bool {
	for _, n := range s.needs {
		if n.resource.groupKind() == gk {
			return true
		}
	}
	return false
}

func sortedKinds(set map[state.GroupKind]bool) []state.GroupKind {
	return slices.SortedFunc(maps.Keys(set), compareKinds)
}

// sortedNamespaces leaves out what the convention leaves out: the parent's own namespace, and none.
func sortedNamespaces(set map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(set)), func(namespace string) bool {
		return namespace == "" || namespace == parentNamespace
	})
}
