package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// A balance knows every backend, and what each has under way. One lock covers choosing a backend and taking one out of a route, so that a
// backend that has left never gets anything new.
type balance struct {
	mu       sync.Mutex
	backends map[string]*backend // those in a route, and those that have not finished yet
}

// A backend is one process that gets traffic, or did.
type backend struct {
	key, address string
	transport    *http.Transport // has connections to no other backend

	// The lock of the balance guards these.
	routes int           // that it is in
	busy   int           // requests and connections under way
	gone   chan struct{} // closed when both are 0
}

// A pool are the backends of one address.
type pool struct {
	balance          *balance
	answered, failed atomic.Uint64

	// The lock of the balance guards these.
	members []*backend
	next    int           // where the search for the least busy one begins, so that equals take turns
	changed chan struct{} // closed at the next change of members
}

func newBalance() *balance { return &balance{backends: map[string]*backend{}} }

func (b *balance) pool() *pool { return &pool{balance: b, changed: make(chan struct{})} }

// set replaces the members.
func (p *pool) set(wanted []Backend) error {
	p.balance.mu.Lock()
	defer p.balance.mu.Unlock()
	for _, w := range wanted {
		if known := p.balance.backends[w.Key]; known != nil && known.address != w.Address {
			return fmt.Errorf("backend %s is at %s, and cannot be at %s too", w.Key, known.address, w.Address)
		}
	}
	members := make([]*backend, 0, len(wanted))
	for _, w := range wanted {
		one := p.balance.backends[w.Key]
		if one == nil {
			one = &backend{key: w.Key, address: w.Address, transport: newTransport(w.Address), gone: make(chan struct{})}
			p.balance.backends[w.Key] = one
		}
		one.routes++ // before those of the old members are taken away: who stays never leaves
		members = append(members, one)
	}
	for _, one := range p.members {
		one.routes--
		p.balance.settle(one)
	}
	p.members = members
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// clear takes all members out.
func (p *pool) clear() { _ = p.set(nil) } // only a backend can be wrong

// acquire takes the backend with the least under way, and counts it as having one more; with none, the channel says when to look again.
func (p *pool) acquire(except []*backend) (*backend, <-chan struct{}) {
	p.balance.mu.Lock()
	defer p.balance.mu.Unlock()
	var best *backend
	start := p.next
	for i := range p.members {
		at := (start + i) % len(p.members)
		one := p.members[at]
		if (best == nil || one.busy < best.busy) && !slices.Contains(except, one) {
			best, p.next = one, at+1
		}
	}
	if best != nil {
		best.busy++
	}
	return best, p.changed
}

// release ends what acquire counted.
func (b *balance) release(one *backend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one.busy--
	b.settle(one)
}

// settle forgets a backend that has left and has nothing under way. Its connections can be closed now: nobody is about to use one.
func (b *balance) settle(one *backend) {
	if one.routes > 0 || one.busy > 0 {
		return
	}
	delete(b.backends, one.key)
	close(one.gone)
	one.transport.CloseIdleConnections()
}

func (b *balance) underWay(key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.backends[key]; one != nil {
		return one.busy
	}
	return 0
}

func (b *balance) idle(key string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.backends[key]; one != nil {
		return one.gone
	}
	return closed
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// busy says whether any backend has something under way.
func (b *balance) busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.backends {
		if one.busy > 0 {
			return true
		}
	}
	return false
}

// close closes idle connections, also of backends that are still in a route.
func (b *balance) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.backends {
		one.transport.CloseIdleConnections()
	}
}
