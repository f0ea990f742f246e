package kube

import (
	"sync"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// claims are the objects that this process is about to write, and for whom. All owners apply as one field manager, so the
// server does not refuse it when one takes the label of another: of two owners that declare the same new object at the same
// time, both find it missing. The claim lets one of them go first; once it is released, the caches say to whom the object
// belongs. Safe for concurrent use.
type claims struct {
	owners *owners

	mu   sync.Mutex
	held map[state.ID]*hold // by real ID
}

// hold is one owner's claim to an object.
type hold struct {
	by      *owner
	writers int             // the owner may write twice at a time
	refused map[string]bool // the ApplySets that came second
}

func newClaims(owners *owners) *claims {
	return &claims{owners: owners, held: map[state.ID]*hold{}}
}

// take claims an object for an owner until it calls release. When another owner holds it, take gives that owner, and no release.
func (c *claims) take(id state.ID, o *owner) (release func(), holder *owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[id]
	switch {
	case h == nil:
		h = &hold{by: o, refused: map[string]bool{}}
		c.held[id] = h
	case h.by.partOf != o.partOf:
		h.refused[o.partOf] = true
		return nil, h.by
	}
	h.writers++
	return func() { c.release(id, h) }, nil
}

// release ends a claim and wakes those whom it kept out: when the write has failed, the object may be theirs.
func (c *claims) release(id state.ID, h *hold) {
	c.mu.Lock()
	h.writers--
	ended := h.writers == 0
	if ended {
		delete(c.held, id)
	}
	c.mu.Unlock()
	if !ended {
		return
	}
	for partOf := range h.refused {
		c.owners.changed(partOf, id)
	}
}
