package witness

import (
	"container/list"
	"time"
)

const (
	maxRecords = 4096            // how many changes are remembered; the oldest are dropped
	maxAge     = 5 * time.Minute // how long a change is remembered
)

// spot is an entry of a directory, by the directory's key; the name "." is the directory itself.
type spot struct{ dir, name string }

// record is who changed an entry last.
type record struct {
	spot
	who      culprit
	when     time.Time
	replaced bool   // there is something else now, or nothing
	order    uint64 // of two records the later one has the higher; set by the memory
}

// memory keeps the last record of each spot.
type memory struct {
	spots map[spot]*list.Element
	byAge *list.List // of *record, oldest first
	order uint64
}

func newMemory() memory { return memory{spots: map[spot]*list.Element{}, byAge: list.New()} }

// note takes the place of what was known of a spot.
func (m *memory) note(r record) {
	m.order++
	r.order = m.order
	if known := m.spots[r.spot]; known != nil {
		*known.Value.(*record) = r
		m.byAge.MoveToBack(known)
		return
	}
	if m.byAge.Len() >= maxRecords {
		m.drop(m.byAge.Front())
	}
	m.spots[r.spot] = m.byAge.PushBack(&r)
}

// find gives what is known of a spot.
func (m *memory) find(at spot, now time.Time) (record, bool) {
	known := m.spots[at]
	if known == nil {
		return record{}, false
	}
	r := known.Value.(*record)
	if now.Sub(r.when) > maxAge {
		m.drop(known)
		return record{}, false
	}
	return *r, true
}

// forgetDir forgets all entries of a directory.
func (m *memory) forgetDir(dir string) {
	for at, known := range m.spots {
		if at.dir == dir {
			m.drop(known)
		}
	}
}

func (m *memory) drop(known *list.Element) {
	delete(m.spots, known.Value.(*record).spot)
	m.byAge.Remove(known)
}
