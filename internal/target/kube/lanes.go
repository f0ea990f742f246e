package kube

import (
	"context"
	"sync"
)

// maxInFlight bounds the requests to one cluster at a time. More does not make a server faster, it only queues there.
const maxInFlight = 32

// lanes is a semaphore that is fair between lanes (owners): a free slot goes to the next lane in turn, however many requests
// wait in another. Safe for concurrent use.
type lanes struct {
	mu      sync.Mutex
	free    int
	waiting map[string][]chan struct{} // by lane, oldest first
	turn    []string                   // lanes with waiters, next first
}

func newLanes(slots int) *lanes {
	return &lanes{free: slots, waiting: map[string][]chan struct{}{}}
}

// acquire waits for a slot; the error is that of ctx. Every acquire without an error needs one release.
func (l *lanes) acquire(ctx context.Context, lane string) error {
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	if len(l.waiting[lane]) == 0 {
		l.turn = append(l.turn, lane)
	}
	l.waiting[lane] = append(l.waiting[lane], granted)
	l.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
		l.abandon(lane, granted)
		return ctx.Err()
	}
}

// release gives the slot to the next lane.
func (l *lanes) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.turn) == 0 {
		l.free++
		return
	}
	lane := l.turn[0]
	l.turn = l.turn[1:]
	queue := l.waiting[lane]
	close(queue[0])
	if len(queue) == 1 {
		delete(l.waiting, lane)
		return
	}
	l.waiting[lane] = queue[1:]
	l.turn = append(l.turn, lane)
}

// abandon takes a waiter out, or gives back the slot that it was granted meanwhile.
func (l *lanes) abandon(lane string, granted chan struct{}) {
	l.mu.Lock()
	queue := l.waiting[lane]
	for i, waiter := range queue {
		if waiter != granted {
			continue
		}
		l.waiting[lane] = append(queue[:i:i], queue[i+1:]...)
		if len(queue) == 1 {
			l.dropLane(lane)
		}
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.release()
}

func (l *lanes) dropLane(lane string) {
	delete(l.waiting, lane)
	for i, name := range l.turn {
		if name == lane {
			l.turn = append(l.turn[:i:i], l.turn[i+1:]...)
			return
		}
	}
}
