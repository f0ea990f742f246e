package kube

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// scope is a desired state with every object's place in the cluster found. It is made once per desired state and kept, with
// what was found out about each object, as long as it is among the owner's recent ones.
type scope struct {
	want       state.Digest
	namespace  string
	generation uint64 // of the kinds that it was made with
	unresolved bool   // some kind is not known
	list       []*wanted
	byDeclared map[state.ID]*wanted
	byReal     map[state.ID]*wanted
	needs      needs // of the wanted objects
	namespaces map[string]bool
	used       time.Time // when it was last compared; guarded by the owner
}

// wanted is one desired object.
type wanted struct {
	object   *state.Object
	declared state.ID
	id       state.ID // the real one: with the namespace where the object lives
	resource resource
	pending  bool  // its kind is defined by another desired object, and not served yet
	err      error // why it has no place: unknown kind, wrong scope

	*known
}

// known is what was found out about a desired object. Each part says of which content it speaks, and is not used for another.
// Scopes that want the same object with the same content share it, so that a desired state which is compared beside the one in
// force makes neither of them forget.
type known struct {
	verdict atomic.Pointer[verdict] // of the last comparison
	checked atomic.Pointer[checked] // of the last validation
	ailment atomic.Pointer[ailment] // why it is not healthy
}

// scopeOf gives the owner's scope for a query: the one that is there, when it is still right.
func (t *Target) scopeOf(ctx context.Context, o *owner, query target.Query) (*scope, error) {
	recent, same := o.recall(query.Want.Digest(), t.namespace, time.Now())
	if same != nil && !same.unresolved && same.generation == t.cluster.kinds.changes() {
		if !query.Exact {
			o.adopt(same)
		}
		return same, nil
	}
	s := &scope{
		want: query.Want.Digest(), namespace: t.namespace, needs: needs{}, namespaces: map[string]bool{},
		byDeclared: make(map[state.ID]*wanted, query.Want.Len()), byReal: make(map[state.ID]*wanted, query.Want.Len()),
		used: time.Now(),
	}
	defined := definedKinds(query.Want)
	for object := range query.Want.All() {
		w := &wanted{object: object, declared: object.ID(), known: &known{}}
		if err := t.place(ctx, w, defined); err != nil {
			return nil, err
		}
		s.add(w, recent)
	}
	s.generation = t.cluster.kinds.changes()
	if len(recent) == 0 || !query.Exact { // a preview is not what the owner wants from now on
		o.adopt(s)
	}
	return s, nil
}

func (s *scope) add(w *wanted, recent []*scope) {
	s.list = append(s.list, w)
	s.byDeclared[w.declared] = w
	s.unresolved = s.unresolved || w.pending || fault.KindOf(w.err) == fault.NotFound || fault.KindOf(w.err) == fault.Transient
	if w.err != nil || w.pending {
		return
	}
	if twin := s.byReal[w.id]; twin != nil {
		w.err = fault.New(fault.Invalid, "place", w.declared.String(), "it is the same object as "+place(twin.object)).
			WithHint("keep one of them")
		return
	}
	s.byReal[w.id] = w
	s.needs.add(w.resource, w.id.Namespace)
	s.namespaces[w.id.Namespace] = true
	w.learn(recent)
}

// learn takes over what recent scopes know of the object, the latest first.
func (w *wanted) learn(recent []*scope) {
	var nearest *known
	for _, s := range recent {
		before := s.byReal[w.id]
		if before == nil || before.resource != w.resource {
			continue
		}
		if before.object.Digest() == w.object.Digest() {
			w.known = before.known
			return
		}
		if nearest == nil {
			nearest = before.known
		}
	}
	if nearest != nil {
		w.verdict.Store(nearest.verdict.Load())
		w.checked.Store(nearest.checked.Load())
		w.ailment.Store(nearest.ailment.Load())
	}
}

func place(object *state.Object) string {
	if at := object.Origin().String(); at != "" {
		return "the one declared in " + at
	}
	return object.ID().String()
}

// place finds an object's resource and real ID. The error is one that concerns the whole cluster.
func (t *Target) place(ctx context.Context, w *wanted, defined map[state.GroupKind]bool) error {
	w.id = w.declared
	item := w.declared.String()
	if err := w.object.Check(); err != nil {
		w.err = fault.Wrap(fault.Invalid, "place", item, err)
		return nil
	}
	found, err := t.cluster.kinds.find(ctx, w.declared.GroupKind(), w.object.Version())
	switch {
	case err == nil:
	case fault.KindOf(err) == fault.NotFound && defined[w.declared.GroupKind()]:
		w.pending = true
		return nil
	case ctx.Err() != nil:
		return err
	default:
		w.err = err
		return nil
	}
	w.resource = found
	switch {
	case found.namespaced && w.id.Namespace == "":
		w.id.Namespace = t.namespace
	case !found.namespaced && w.id.Namespace != "":
		w.err = fault.New(fault.Invalid, "place", item, "objects of this kind belong to no namespace").
			WithHint("remove metadata.namespace")
	}
	return nil
}

// definedKinds gives the kinds that the CRDs among the desired objects define.
func definedKinds(want state.Set) map[state.GroupKind]bool {
	defined := map[state.GroupKind]bool{}
	for object := range want.All() {
		if object.Kind() != "CustomResourceDefinition" {
			continue
		}
		spec, _ := object.Content()["spec"].(map[string]any)
		names, _ := spec["names"].(map[string]any)
		defined[state.GroupKind{Group: textOf(spec["group"]), Kind: textOf(names["kind"])}] = true
	}
	return defined
}

// inventoryNeeds adds the resources of an inventory, in the version that is watched already where one is. Kinds that the cluster
// does not serve any more are left out: their objects went with them.
func (t *Target) inventoryNeeds(ctx context.Context, p *parent, to needs) {
	for _, gk := range p.kinds {
		known := false
		for _, n := range to {
			known = known || n.resource.groupKind() == gk
		}
		if known {
			// The watch of the wanted version shows every object of the kind; where watches are per namespace, it needs them all.
			for _, n := range to {
				if n.resource.groupKind() == gk && n.resource.namespaced {
					addNamespaces(n, p)
				}
			}
			continue
		}
		r, ok := t.cluster.watches.versionOf(gk)
		if !ok {
			var err error
			if r, err = t.cluster.kinds.find(ctx, gk, ""); err != nil {
				continue
			}
		}
		to.add(r, "")
		addNamespaces(to[r.gvr], p)
	}
}

func addNamespaces(n *need, p *parent) {
	for _, namespace := range p.namespaces {
		n.namespaces[namespace] = true
	}
}

// asked gives the desired objects that a query wants to hear about, in the order of their IDs.
func (s *scope) asked(only []state.ID) []*wanted {
	if only == nil {
		return s.list
	}
	var list []*wanted
	for _, id := range only {
		if w := s.find(id); w != nil {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b *wanted) int { return a.declared.Compare(b.declared) })
	return slices.Compact(list)
}

// find gives the desired object with an ID, also where another desired state of the owner, from which the ID comes, names its
// namespace and this one does not, or the other way round.
func (s *scope) find(id state.ID) *wanted {
	if w := s.byDeclared[id]; w != nil {
		return w
	}
	if w := s.byReal[id]; w != nil || id.Namespace != "" {
		return w
	}
	id.Namespace = s.namespace
	return s.byReal[id]
}
