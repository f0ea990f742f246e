package loop

import (
	"maps"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// memory is what a loop remembers of its objects.
type memory struct {
	// inForce is the digest of the declaration that was last seen equal to the target: a difference with the same declaration
	// is drift.
	inForce map[state.ID]state.Digest
	// whole is the digest of the set that was in force as a whole, before a restart too.
	whole   state.Digest
	failing map[state.ID]failing
	damper  damper
}

// failing is an object that could not be changed.
type failing struct {
	digest   state.Digest
	failures int
	notYet   time.Time
	err      error
	// doubt says that the target refused it: before it is tried again, the target is asked whether it would still do so.
	doubt bool
	ask   bool // it is time to do so
}

func (m *memory) restore(before Rest) {
	m.whole = before.Desired
	m.inForce, m.failing, m.damper = map[state.ID]state.Digest{}, map[state.ID]failing{}, newDamper()
}

// forget drops what is remembered of objects that are no longer part of the Sync.
func (m *memory) forget(want state.Set, entries []diff.Entry, now time.Time) {
	known := map[state.ID]bool{}
	for _, entry := range entries {
		known[entry.ID] = true
	}
	gone := func(id state.ID) bool { return !known[id] && !want.Has(id) }
	maps.DeleteFunc(m.inForce, func(id state.ID, _ state.Digest) bool { return gone(id) })
	maps.DeleteFunc(m.failing, func(id state.ID, _ failing) bool { return gone(id) })
	m.damper.forget(gone, now)
}

// errorOf gives what keeps an object from being changed now: its own error, or that of the last try until its back-off is over.
func (m *memory) errorOf(entry diff.Entry, now time.Time) error {
	failed, ok := m.failing[entry.ID]
	if ok && entry.Op != diff.None && entry.Err == nil && failed.digest == digestOf(entry) && (failed.doubt || now.Before(failed.notYet)) {
		return failed.err
	}
	return entry.Err
}

// marked gives entries with what keeps each from being changed now; the same when nothing does.
func (m *memory) marked(entries []diff.Entry, now time.Time) []diff.Entry {
	if len(m.failing) == 0 {
		return entries
	}
	marked := slices.Clone(entries)
	for i := range marked {
		marked[i].Err = m.errorOf(marked[i], now)
	}
	return marked
}

// drift says whether a difference is a disturbance of what was in force.
func (m *memory) drift(entry diff.Entry, want state.Set) bool {
	if entry.Want == nil {
		return false
	}
	digest, seen := m.inForce[entry.ID]
	if !seen {
		return m.whole != "" && m.whole == want.Digest()
	}
	return digest == entry.Want.Digest()
}
