package kube

import (
	"strconv"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// objectKey tells the objects of one resource apart.
type objectKey struct{ namespace, name string }

func keyOf(id state.ID) objectKey { return objectKey{id.Namespace, id.Name} }

// store caches the labelled objects of one resource, from its watch and from the answers to our own writes, whichever is
// newer. It tells the owners what has changed. Safe for concurrent use.
type store struct {
	cluster  *Cluster
	resource resource

	mu      sync.RWMutex
	objects map[objectKey]*live
	members map[string]map[objectKey]*live // the same by the ApplySet that the label names
	gone    map[objectKey]uint64           // versions at which objects that we deleted were last seen; emptied by a replace
}

func newStore(cluster *Cluster, r resource) *store {
	return &store{
		cluster: cluster, resource: r,
		objects: map[objectKey]*live{}, members: map[string]map[objectKey]*live{}, gone: map[objectKey]uint64{},
	}
}

// get gives the cached object, or nil.
func (s *store) get(key objectKey) *live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.objects[key]
}

// owned gives the objects that belong to an ApplySet of ours.
func (s *store) owned(partOf string) []*live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make([]*live, 0, len(s.members[partOf]))
	for _, l := range s.members[partOf] {
		if l.belongs(partOf) {
			found = append(found, l)
		}
	}
	return found
}

// decode implements sink. What is cached already in the same version is not parsed again.
func (s *store) decode(h head, raw []byte) (any, error) {
	version, err := strconv.ParseUint(h.Metadata.ResourceVersion, 10, 64)
	if err == nil {
		known := s.get(objectKey{h.Metadata.Namespace, h.Metadata.Name})
		if known != nil && known.version == version && known.uid == h.Metadata.UID {
			return known, nil
		}
	}
	return parseLive(raw, s.resource, s.cluster.cfg.FieldManager)
}

// put implements sink.
func (s *store) put(object *wireObject) {
	if l, ok := object.value.(*live); ok {
		s.add(l, false)
	}
}

// drop implements sink. The object has been deleted, or has lost its label.
func (s *store) drop(object *wireObject) {
	if l, ok := object.value.(*live); ok {
		s.remove(keyOf(l.id), l.version)
	}
}

// replace implements sink: objects of the namespace that are not in the list are gone, unless they were seen later than it.
func (s *store) replace(namespace string, objects []*wireObject, version uint64) {
	present := make(map[objectKey]bool, len(objects))
	for _, object := range objects {
		present[objectKey{object.Namespace, object.Name}] = true
		s.put(object)
	}
	s.mu.RLock()
	var missing []objectKey
	for key := range s.objects {
		if (namespace == "" || key.namespace == namespace) && !present[key] {
			missing = append(missing, key)
		}
	}
	s.mu.RUnlock()
	for _, key := range missing {
		s.remove(key, version)
	}
	s.mu.Lock()
	clear(s.gone)
	s.mu.Unlock()
}

// add takes an object in, unless a newer one is there. Quietly: it is our own write, whose caller knows; whoever the object
// belonged to until then is told nevertheless.
func (s *store) add(l *live, quietly bool) {
	key := keyOf(l.id)
	s.mu.Lock()
	old := s.objects[key]
	if old == l || old != nil && old.version >= l.version || s.gone[key] >= l.version {
		s.mu.Unlock()
		if quietly && old != nil && old.partOf != l.partOf {
			s.cluster.owners.changed(l.partOf, l.id) // taken while our write was under way
		}
		return
	}
	s.cluster.observe(s.resource, old, l) // before anybody can see it: an established definition's kind is known by then
	if old != nil {
		s.forget(key, old)
	}
	s.objects[key] = l
	if s.members[l.partOf] == nil {
		s.members[l.partOf] = map[objectKey]*live{}
	}
	s.members[l.partOf][key] = l
	delete(s.gone, key)
	s.mu.Unlock()
	moved := old != nil && old.partOf != l.partOf
	if moved { // the caller of a write of our own is the new owner, not the old one
		s.cluster.owners.lost(old)
		s.cluster.owners.changed(old.partOf, old.id)
	}
	if !quietly && (moved || old == nil || !old.sameAs(l)) {
		s.cluster.owners.changed(l.partOf, l.id)
	}
}

// forget takes an object out of both maps; the caller holds the lock.
func (s *store) forget(key objectKey, old *live) {
	delete(s.objects, key)
	delete(s.members[old.partOf], key)
	if len(s.members[old.partOf]) == 0 {
		delete(s.members, old.partOf)
	}
}

// remove takes an object out that was gone at a version, unless it is known to have come back later.
func (s *store) remove(key objectKey, version uint64) {
	s.mu.Lock()
	old := s.objects[key]
	if s.gone[key] <= version {
		delete(s.gone, key)
	}
	if old == nil || old.version > version {
		s.mu.Unlock()
		return
	}
	s.forget(key, old)
	s.mu.Unlock()
	s.cluster.owners.lost(old)
	s.cluster.owners.changed(old.partOf, old.id)
}

// deleted takes an object out that we have deleted ourselves, so that it is not missed. Older news of it is ignored.
func (s *store) deleted(old *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := keyOf(old.id)
	if current := s.objects[key]; current != nil && current.uid == old.uid {
		s.forget(key, current)
		s.gone[key] = current.version
	}
}
