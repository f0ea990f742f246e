package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/seal"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// shelf keeps desired states that were healthy in the store, compressed and encrypted with the agent's key: they may hold Secrets, and a
// copy of the database alone is to tell none.
//
// What holds something that was decrypted, or taken from a Secret, is kept in memory alone: it never gets to a disk, and after a restart it
// cannot be gone back to.
type shelf struct {
	store  store.Store
	box    seal.Box // of desired states
	secret *secretive
}

// secretive are desired states that must not be on a disk. Safe for concurrent use.
type secretive struct {
	mu   sync.Mutex
	sets map[string]state.Set
}

func (s *secretive) put(key string, set state.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets[key] = set
}

func (s *secretive) get(key string) (state.Set, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, ok := s.sets[key]
	return set, ok
}

func (s *secretive) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sets, key)
}

var _ loop.Shelf = shelf{}

// maxKept bounds one desired state, unpacked.
const maxKept = 256 << 20

// keptObject is one object on the shelf.
type keptObject struct {
	Object json.RawMessage `json:"object"`
	Origin state.Origin    `json:"origin,omitzero"`
}

func shelfKey(sync string, digest state.Digest) string { return sync + "/" + string(digest) }

// Put implements loop.Shelf.
func (s shelf) Put(ctx context.Context, sync string, digest state.Digest, set state.Set) error {
	if set.HasSecrets() {
		s.secret.put(shelfKey(sync, digest), set)
		return nil
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return fault.Wrap(fault.Internal, "keep", "Sync "+sync, err)
	}
	encoder := json.NewEncoder(zip)
	for object := range set.All() {
		data, err := json.Marshal(object)
		if err == nil {
			err = encoder.Encode(keptObject{Object: data, Origin: object.Origin()})
		}
		if err != nil {
			return fault.Wrap(fault.Internal, "keep", object.ID().String(), err)
		}
	}
	if err := zip.Close(); err != nil {
		return fault.Wrap(fault.Internal, "keep", "Sync "+sync, err)
	}
	key := shelfKey(sync, digest)
	return s.store.Put(ctx, store.Desired, key, s.box.Seal(packed.Bytes(), key))
}

// Get implements loop.Shelf.
func (s shelf) Get(ctx context.Context, sync string, digest state.Digest) (state.Set, error) {
	if set, ok := s.secret.get(shelfKey(sync, digest)); ok {
		return set, nil
	}
	sealed, err := s.store.Get(ctx, store.Desired, shelfKey(sync, digest))
	if err != nil {
		return state.Set{}, err
	}
	broken := func(err error) (state.Set, error) {
		return state.Set{}, fault.Wrap(fault.Internal, "read", "the state of Sync "+sync+" that was healthy", err)
	}
	packed, err := s.box.Open(sealed, shelfKey(sync, digest))
	if err != nil {
		return broken(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return broken(err)
	}
	var objects []*state.Object
	for decoder := json.NewDecoder(io.LimitReader(zip, maxKept)); decoder.More(); {
		var kept keptObject
		if err := decoder.Decode(&kept); err != nil {
			return broken(err)
		}
		object, err := state.DecodeObject(kept.Object, kept.Origin)
		if err != nil {
			return broken(err)
		}
		objects = append(objects, object)
	}
	set, _ := state.NewSet(objects)
	return set, nil
}

// Drop implements loop.Shelf.
func (s shelf) Drop(ctx context.Context, sync string, digest state.Digest) error {
	s.secret.drop(shelfKey(sync, digest))
	return s.store.Delete(ctx, store.Desired, shelfKey(sync, digest))
}
