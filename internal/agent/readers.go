package agent

import (
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// readers knows which objects of one Sync are made of what others hold: apps of this host that take variables from ConfigMaps and Secrets
// of a cluster. Their targets know nothing of each other. Safe for concurrent use.
type readers struct {
	mu     sync.Mutex
	reads  map[state.ID][]state.ID // an app to what it reads
	wanted map[state.ID]bool       // what of that the same Sync declares
	notify func(target.Event)      // nil while nobody watches
}

// learn takes in the whole desired state.
func (r *readers) learn(want state.Set) {
	reads, wanted := map[state.ID][]state.ID{}, map[state.ID]bool{}
	for object := range want.All() {
		if id := object.ID(); isHost(id) && id.Kind == v1alpha1.KindApp {
			if sources := sourcesOf(object); len(sources) > 0 {
				reads[id] = sources
			}
		}
	}
	for _, sources := range reads {
		for _, source := range sources {
			wanted[source] = want.Has(source)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads, r.wanted = reads, wanted
}

// sourcesOf gives the objects of a cluster that an app takes variables from.
func sourcesOf(object *state.Object) []state.ID {
	app, err := v1alpha1.DecodeApp(object)
	if err != nil {
		return nil // its entry says so
	}
	var sources []state.ID
	for _, env := range app.Spec.EnvFrom {
		for kind, name := range map[string]*v1alpha1.ObjectName{"ConfigMap": env.ConfigMap, "Secret": env.Secret} {
			if name != nil {
				sources = append(sources, state.ID{Kind: kind, Namespace: name.Namespace, Name: name.Name})
			}
		}
	}
	return sources
}

// of gives the objects that read any of some others.
func (r *readers) of(ids []state.ID) []state.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []state.ID
	for id, sources := range r.reads {
		if slices.ContainsFunc(sources, func(source state.ID) bool { return slices.Contains(ids, source) }) {
			found = append(found, id)
		}
	}
	return found
}

// listen gives a notify that adds to each event the objects that read what it is about.
func (r *readers) listen(notify func(target.Event)) func(target.Event) {
	r.mu.Lock()
	r.notify = notify
	r.mu.Unlock()
	return func(event target.Event) {
		if more := r.of(event.IDs); len(more) > 0 {
			event.IDs = append(slices.Clone(event.IDs), more...)
		}
		notify(event)
	}
}

// tell has those look again that read what was just changed by ourselves, of which no watch tells.
func (r *readers) tell(steps []plan.Step) {
	ids := make([]state.ID, len(steps))
	for i, step := range steps {
		ids[i] = step.ID
	}
	touched := r.of(ids)
	r.mu.Lock()
	notify := r.notify
	r.mu.Unlock()
	if len(touched) > 0 && notify != nil {
		notify(target.Event{IDs: touched})
	}
}

// excuse takes back that something is missing which the same Sync is about to make: then it is a matter of order, and no error.
func (r *readers) excuse(entries []diff.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		entry := &entries[i]
		sources := r.reads[entry.ID]
		if entry.Op == diff.Create && fault.KindOf(entry.Err) == fault.NotFound &&
			slices.ContainsFunc(sources, func(source state.ID) bool { return r.wanted[source] }) {
			entry.Err = nil
		}
	}
}
