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
	all, err := t.inUse(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	t.cluster.watches.use(who, all)
	for gvr, err := range t.cluster.watches.sync(ctx, who, all) {
		if fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		delete(all, gvr) // the kind has gone, and all its objects with it
	}
	found := map[state.ID]bool{}
	for gvr := range all {
		if s := t.cluster.watches.store(gvr); s != nil {
			for _, l := range s.owned(o.partOf) {
				found[o.declaredID(l.id)] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), state.ID.Compare), nil
}

// inUse gives the resources that an owner has objects of, by its inventory and by its last comparison, or would have by another
// scope (nil for none).
func (t *Target) inUse(ctx context.Context, o *owner, other *scope) (needs, error) {
	inventory, err := t.cluster.parents.get(ctx, o.parent)
	if err != nil {
		return nil, err
	}
	all := needs{}
	all.addAll(o.currentScope())
	if other != o.currentScope() {
		all.addAll(other)
	}
	if inventory != nil {
		t.inventoryNeeds(ctx, inventory, all)
	}
	return all, nil
}

// announce writes into the inventory what is about to be applied, before it is.
func (t *Target) announce(ctx context.Context, o *owner, tasks []task) error {
	kinds, namespaces := map[state.GroupKind]bool{}, map[string]bool{}
	for _, one := range tasks {
		if w := one.wanted; w != nil && w.err == nil {
			kinds[w.id.GroupKind()] = true
			namespaces[w.id.Namespace] = true
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	o.inventory.Lock()
	defer o.inventory.Unlock()
	current, err := t.cluster.parents.get(ctx, o.parent)
	if err != nil {
		return err
	}
	if current != nil {
		addAll(kinds, current.kinds)
		addAll(namespaces, current.namespaces)
	}
	return t.cluster.parents.write(ctx, o, sortedKinds(kinds), sortedNamespaces(namespaces))
}

// tidy makes the inventory list no more than it has to: what is owned, and what is wanted and listed already. When nothing is
// left, the parent object goes. It writes the parent again when somebody has deleted it. It is free unless members have gone.
func (t *Target) tidy(ctx context.Context, o *owner) error {
	o.mu.Lock()
	s, untidy := o.scope, o.untidy
	if s != nil {
		o.untidy = false
	}
	o.mu.Unlock()
	if s == nil || !untidy {
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
