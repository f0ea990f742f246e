package main

import (
	"container/heap"
	"time"
)

// schedule is simulated time: events happen in the order of their instants, and in the order in which they were planned when
// those are equal. Nothing sleeps; the time is that of the event which happens.
type schedule struct {
	now    time.Duration // since the world began, as a monotonic clock counts
	ahead  time.Duration // what the wall clock shows beyond that: people and time servers set it
	count  uint64
	events events
}

// event is something planned.
type event struct {
	at    time.Duration
	order uint64
	do    func()
	off   bool
}

// began is what the wall clock of every world shows at its beginning.
var began = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// wall gives what the clock shows that loops read.
func (s *schedule) wall() time.Time { return began.Add(s.now + s.ahead) }

// after plans something for a while from now, and gives what calls it off.
func (s *schedule) after(wait time.Duration, do func()) (stop func()) {
	s.count++
	e := &event{at: s.now + max(wait, 0), order: s.count, do: do}
	heap.Push(&s.events, e)
	return func() { e.off = true }
}

// next gives when the next event is due; false when nothing is planned.
func (s *schedule) next() (time.Duration, bool) {
	for len(s.events) > 0 && s.events[0].off {
		heap.Pop(&s.events)
	}
	if len(s.events) == 0 {
		return 0, false
	}
	return s.events[0].at, true
}

// take removes the next event and moves the time to it.
func (s *schedule) take() *event {
	e, _ := heap.Pop(&s.events).(*event)
	s.now = max(s.now, e.at) // a call that took long may have passed it
	return e
}

// events is a heap by instant and order.
type events []*event

// Len implements heap.Interface.
func (e events) Len() int { return len(e) }

// Less implements heap.Interface.
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}

// Swap implements heap.Interface.
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(*event)) } //nolint:forcetypeassert // only after uses it

// Pop implements heap.Interface.
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*e = old[:len(old)-1]
	return last
}
