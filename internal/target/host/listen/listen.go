// Package listen keeps those who want to hear of objects that may have changed, for the drivers of a host.
package listen

import (
	"sync"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Func is told of objects that may have changed, or that any may have.
type Func func(all bool, ids ...state.ID)

// Group are the calls of Watch that are under way. The zero value has none. Safe for concurrent use.
type Group struct {
	mu      sync.Mutex
	members map[*Func]struct{}
}

// Join adds a listener until leave is called.
func (g *Group) Join(changed Func) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil {
		g.members = map[*Func]struct{}{}
	}
	member := &changed
	g.members[member] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.members, member)
	}
}

// Tell tells everyone, outside of any lock: a listener may join or leave meanwhile.
func (g *Group) Tell(all bool, ids ...state.ID) {
	g.mu.Lock()
	told := make([]Func, 0, len(g.members))
	for member := range g.members {
		told = append(told, *member)
	}
	g.mu.Unlock()
	for _, changed := range told {
		changed(all, ids...)
	}
}
