// Package self is the agent as a target: child Syncs, Sources and Policies are objects that are declared, compared, owned and pruned like
// any others. Their inventory is kept in the store, because the agent is their plant.
package self

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Declaration is a Sync, a Source or a Policy that the agent has been told to have.
type Declaration struct {
	Object *state.Object
	Parent string // the Sync that declared it
	// Deleting says that it is no longer declared and on its way out.
	Deleting bool
}

// record is a declaration as it is stored.
type record struct {
	Parent   string          `json:"parent"`
	Deleting bool            `json:"deleting,omitempty"`
	Origin   state.Origin    `json:"origin,omitzero"`
	Object   json.RawMessage `json:"object"`
}

// Registry holds all declarations of an agent. Safe for concurrent use.
type Registry struct {
	store store.Store
	agent string
	// changed is told the ID of each declaration that came, changed or went; it must not block.
	changed func(id state.ID)
	// health says how a Sync or Source is doing.
	health func(id state.ID) state.Health

	mu       sync.Mutex
	known    map[state.ID]Declaration
	watchers map[*watcher]struct{}
}

type watcher struct {
	parent string
	notify func(target.Event)
}

// Options wire a registry to the agent around it.
type Options struct {
	Store   store.Store
	Agent   string // the agent's name, which is part of owners
	Changed func(id state.ID)
	Health  func(id state.ID) state.Health
}

// Open reads the declarations that the store has kept.
func Open(ctx context.Context, options Options) (*Registry, error) {
	r := &Registry{
		store: options.Store, agent: options.Agent, changed: options.Changed, health: options.Health,
		known: map[state.ID]Declaration{}, watchers: map[*watcher]struct{}{},
	}
	kept, err := options.Store.List(ctx, store.Declared)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), "read", "the declarations", err)
	}
	for key, data := range kept {
		var stored record
		if err := json.Unmarshal(data, &stored); err != nil {
			return nil, fault.Wrap(fault.Internal, "read", "declaration "+key, err)
		}
		object, err := state.DecodeObject(stored.Object, stored.Origin)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "read", "declaration "+key, err)
		}
		r.known[object.ID()] = Declaration{Object: object, Parent: stored.Parent, Deleting: stored.Deleting}
	}
	return r, nil
}

// All gives every declaration by its ID.
func (r *Registry) All() map[state.ID]Declaration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.known)
}

// Get gives one declaration.
func (r *Registry) Get(id state.ID) (Declaration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	declaration, ok := r.known[id]
	return declaration, ok
}

// Gone removes a declaration for good: what it stood for owns nothing any more.
func (r *Registry) Gone(ctx context.Context, id state.ID) error {
	if err := r.store.Delete(ctx, store.Declared, id.Key()); err != nil {
		return fault.Wrap(fault.KindOf(err), "forget", id.String(), err)
	}
	r.mu.Lock()
	parent := r.known[id].Parent
	delete(r.known, id)
	r.mu.Unlock()
	r.changed(id)
	r.tell(parent, id)
	return nil
}

// Touched tells the Sync that declared an object that its health may have changed.
func (r *Registry) Touched(id state.ID) {
	r.mu.Lock()
	declaration, ok := r.known[id]
	r.mu.Unlock()
	if ok {
		r.tell(declaration.Parent, id)
	}
}

func (r *Registry) tell(parent string, id state.ID) {
	r.mu.Lock()
	var told []func(target.Event)
	for w := range r.watchers {
		if w.parent == parent {
			told = append(told, w.notify)
		}
	}
	r.mu.Unlock()
	for _, notify := range told {
		notify(target.Event{IDs: []state.ID{id}})
	}
}

// put stores a declaration, and then makes it known.
func (r *Registry) put(ctx context.Context, declaration Declaration) error {
	object, err := json.Marshal(declaration.Object)
	if err != nil {
		return fault.Wrap(fault.Internal, "write", declaration.Object.ID().String(), err)
	}
	data, err := json.Marshal(record{
		Parent: declaration.Parent, Deleting: declaration.Deleting, Origin: declaration.Object.Origin(), Object: object,
	})
	if err != nil {
		return fault.Wrap(fault.Internal, "write", declaration.Object.ID().String(), err)
	}
	id := declaration.Object.ID()
	if err := r.store.Put(ctx, store.Declared, id.Key(), data); err != nil {
		return fault.Wrap(fault.KindOf(err), "write", id.String(), err)
	}
	r.mu.Lock()
	r.known[id] = declaration
	r.mu.Unlock()
	r.changed(id)
	r.tell(declaration.Parent, id)
	return nil
}

// owned gives the IDs that a Sync has declared.
func (r *Registry) owned(parent string) []state.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []state.ID
	for id, declaration := range r.known {
		if declaration.Parent == parent {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, state.ID.Compare)
	return ids
}

// healthOf says how a declaration is doing. A Policy does nothing that could fail: there is no more to it than being declared.
func (r *Registry) healthOf(id state.ID) state.Health {
	if id != PolicyID(id.Name) {
		return r.health(id)
	}
	if _, declared := r.Get(id); !declared {
		return state.Health{Status: state.Missing}
	}
	return state.Health{Status: state.Healthy}
}

// SyncID is the ID of a Sync by its name.
func SyncID(name string) state.ID {
	return state.ID{Group: v1alpha1.Group, Kind: v1alpha1.KindSync, Name: name}
}

// SourceID is the ID of a Source by its name.
func SourceID(name string) state.ID {
	return state.ID{Group: v1alpha1.Group, Kind: v1alpha1.KindSource, Name: name}
}

// PolicyID is the ID of a Policy by its name.
func PolicyID(name string) state.ID {
	return state.ID{Group: v1alpha1.Group, Kind: v1alpha1.KindPolicy, Name: name}
}
