package host

import (
	"context"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// locks has one lock for each object that something is done about, and no memory of others. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[state.ID]*lock
}

// lock is taken by sending into turn.
type lock struct {
	turn  chan struct{}
	users int // that have it or wait for it
}

// take waits for an object's lock and gives what unlocks it. Errors: Transient when ctx ends first.
func (l *locks) take(ctx context.Context, id state.ID) (release func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[state.ID]*lock{}
	}
	mine := l.held[id]
	if mine == nil {
		mine = &lock{turn: make(chan struct{}, 1)}
		l.held[id] = mine
	}
	mine.users++
	l.mu.Unlock()
	select {
	case mine.turn <- struct{}{}:
		return func() {
			<-mine.turn
			l.leave(id, mine)
		}, nil
	case <-ctx.Done():
		l.leave(id, mine)
		return nil, fault.Wrap(fault.Transient, "wait for", id.String(), ctx.Err())
	}
}

func (l *locks) leave(id state.ID, mine *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(l.held, id)
	}
}
