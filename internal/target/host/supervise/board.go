package supervise

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// board is what is known at the moment, and tells those who wait when it changes. Its lock guards the changing fields of processes and
// apps too; whoever holds it neither waits nor touches a file.
type board struct {
	mu        sync.Mutex
	version   uint64
	changed   chan struct{} // closed with the next change
	processes map[ProcessID]*process
	apps      map[string]*app
}

// newBoard starts with a version that no earlier supervisor has reached: they count from the time they started, too, and much slower
// than it passes.
func newBoard() *board {
	return &board{
		version: uint64(time.Now().UnixMicro()), changed: make(chan struct{}),
		processes: map[ProcessID]*process{}, apps: map[string]*app{},
	}
}

// change runs a function that may change what is known, and says whether it has.
func (b *board) change(f func() bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !f() {
		return false
	}
	b.version++
	close(b.changed)
	b.changed = make(chan struct{})
	return true
}

// read runs a function that changes nothing.
func (b *board) read(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// wait waits until the version is another than the one that is known already, or limit is over.
func (b *board) wait(ctx context.Context, known uint64, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		var version uint64
		var changed chan struct{}
		b.read(func() { version, changed = b.version, b.changed })
		if version != known {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// all gives the processes in the order of their IDs.
func (b *board) all() []*process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.processes), func(x, y *process) int { return x.spec.ID.Compare(y.spec.ID) })
}

func (b *board) process(id ProcessID) *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.processes[id]
}

// state gives everything that may be told.
func (b *board) state() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := State{Version: b.version, Processes: []Status{}, Apps: []AppStatus{}}
	for _, p := range b.processes {
		state.Processes = append(state.Processes, p.status)
	}
	slices.SortFunc(state.Processes, func(x, y Status) int { return x.ID.Compare(y.ID) })
	for _, name := range slices.Sorted(maps.Keys(b.apps)) {
		a := b.apps[name]
		status := AppStatus{App: a.wanted, Error: a.failure, Requests: a.before.Requests, Failed: a.before.Failed}
		status.OneOff.Env = nil
		state.Apps = append(state.Apps, status)
	}
	return state
}

// idle says that there is nothing to supervise.
func (b *board) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.processes {
		if p.status.Phase != Exited {
			return false
		}
	}
	return len(b.apps) == 0
}
