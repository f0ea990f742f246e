// Package journal remembers, in the agent's data directory, what its Syncs own on this host, and what was there before them. It is
// written ahead: what the agent is about to take or change stands in it, safe from a crash at any instant, before anything is touched.
//
// It is a log in one file: format.go says how its lines look, load.go reads them, commit.go adds to them, compact.go writes them anew
// when most of them are out of date. blobs.go keeps what was there before.
package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/seal"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Record is what is remembered of one object.
type Record struct {
	ID    state.ID    `json:"id"`
	Owner state.Owner `json:"owner"`
	// Declared is the digest of the declaration that was carried out last; "" while the first attempt is under way.
	Declared state.Digest `json:"declared,omitempty"`
	// Wave and Keep are what the declaration said of its removal (see diff.Entry).
	Wave int  `json:"wave,omitempty"`
	Keep bool `json:"keep,omitempty"`
	// Blobs are the digests of what was kept for this object (see Journal.Keep). What no record names is deleted.
	Blobs []string `json:"blobs,omitempty"`
	// Data is what the object's kind needs to know beside that, as JSON.
	Data json.RawMessage `json:"data,omitempty"`
}

// Journal is the memory of one data directory. Safe for concurrent use by one process; a second one that opens it to write is refused.
// Everything that it tells is on the disk.
type Journal struct {
	dir      string
	log      *slog.Logger
	box      seal.Box
	readOnly bool
	lock     *os.File // held for as long as the journal may be written

	// turn is held (a value is in it) by whoever writes the log; it guards disk.
	turn chan struct{}
	disk disk

	mu      sync.RWMutex
	content content
	pending *batch // what waits for the next write
	writing bool   // a batch is being written
	closed  bool

	// unnamed counts, by digest, what was kept and stands in no record yet. blobs is taken before mu.
	blobs   sync.Mutex
	unnamed map[string]int
}

// Get gives the record of an object. Its Data and Blobs must not be changed.
func (j *Journal) Get(id state.ID) (Record, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if found := j.content.records[id]; found != nil {
		return found.Record, true
	}
	return Record{}, false
}

// All gives every record in the order of their IDs. Their Data and Blobs must not be changed.
func (j *Journal) All() []Record {
	j.mu.RLock()
	all := make([]Record, 0, len(j.content.records))
	for _, found := range j.content.records {
		all = append(all, found.Record)
	}
	j.mu.RUnlock()
	slices.SortFunc(all, func(a, b Record) int { return a.ID.Compare(b.ID) })
	return all
}

// Owned gives what belongs to an owner, in the order of the IDs.
func (j *Journal) Owned(owner state.Owner) []state.ID {
	j.mu.RLock()
	ids := make([]state.ID, 0, len(j.content.owned[owner]))
	for record := range j.content.owned[owner] {
		ids = append(ids, record.ID)
	}
	j.mu.RUnlock()
	slices.SortFunc(ids, state.ID.Compare)
	return ids
}

// Surplus gives the records of what belongs to an owner and is not wanted, in the order of the IDs. Their Data and Blobs must not be
// changed.
func (j *Journal) Surplus(owner state.Owner, wanted func(state.ID) bool) []Record {
	var surplus []Record
	j.mu.RLock()
	for record := range j.content.owned[owner] {
		if !wanted(record.ID) {
			surplus = append(surplus, record.Record)
		}
	}
	j.mu.RUnlock()
	slices.SortFunc(surplus, func(a, b Record) int { return a.ID.Compare(b.ID) })
	return surplus
}

// Put remembers records, all of them or none, in place of those that there were of the same objects. They are on the disk when it
// returns; callers that come at the same time share one write. Nothing is written when nothing differs. A write that has begun does not
// end with ctx. Errors: Transient when the disk is full or the journal closed, Denied when it may not be written, Internal for a record
// that is none.
func (j *Journal) Put(ctx context.Context, records ...Record) error {
	changes := make([]change, len(records))
	for i, record := range records {
		var err error
		if changes[i], err = putting(record, j.box); err != nil {
			return err
		}
	}
	return j.commit(ctx, changes)
}

// Delete forgets objects, all of them or none, as durably as Put remembers. What is not there is no error.
func (j *Journal) Delete(ctx context.Context, ids ...state.ID) error {
	changes := make([]change, len(ids))
	for i, id := range ids {
		var err error
		if changes[i], err = deleting(id); err != nil {
			return err
		}
	}
	return j.commit(ctx, changes)
}

// Close writes what is waiting, and lets another process open the journal. It may be called more than once.
func (j *Journal) Close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed || j.readOnly {
		return nil
	}
	j.flush()
	return cmp.Or(j.disk.close(), j.lock.Close())
}

// content is what a log says.
type content struct {
	records map[state.ID]*held
	owned   map[state.Owner]map[*held]struct{}
	blobs   map[string]int // how many records name them
	bytes   int64          // that a log of nothing but these records would have
}

// held is a record with the bytes that it takes in the log.
type held struct {
	Record
	bytes int64
}

func newContent() content {
	return content{records: map[state.ID]*held{}, owned: map[state.Owner]map[*held]struct{}{}, blobs: map[string]int{}}
}

// make carries out a change, and gives the blobs that the record names and did not name before, and those that no record names any more.
func (c *content) make(change change) (named, dropped []string) {
	id := change.id()
	before := c.records[id]
	if change.Put != nil {
		c.add(&held{Record: *change.Put, bytes: change.bytes})
	} else {
		delete(c.records, id)
	}
	if change.Put != nil {
		named = change.Put.Blobs
	}
	if before == nil {
		return named, nil
	}
	named = slices.DeleteFunc(slices.Clone(named), func(digest string) bool { return slices.Contains(before.Blobs, digest) })
	c.bytes -= before.bytes
	c.disown(before)
	for _, digest := range before.Blobs {
		if c.blobs[digest]--; c.blobs[digest] == 0 {
			delete(c.blobs, digest)
			dropped = append(dropped, digest)
		}
	}
	return named, dropped
}

func (c *content) add(record *held) {
	c.records[record.ID] = record
	c.bytes += record.bytes
	if c.owned[record.Owner] == nil {
		c.owned[record.Owner] = map[*held]struct{}{}
	}
	c.owned[record.Owner][record] = struct{}{}
	for _, digest := range record.Blobs {
		c.blobs[digest]++
	}
}

func (c *content) disown(record *held) {
	delete(c.owned[record.Owner], record)
	if len(c.owned[record.Owner]) == 0 {
		delete(c.owned, record.Owner)
	}
}
