package probe

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxLooks bounds the looks that are under way at once: hundreds of addresses that swallow everything must not take all sockets.
const maxLooks = 256

// Set is all probes that somebody wants, each of them looked at by one goroutine of Run. Owners of equal checks share one probe. Safe for
// concurrent use.
type Set struct {
	changed func(owner string)
	look    func(context.Context, Check) state.Health
	slots   chan struct{}
	news    chan struct{} // holds one: some probe is not looked at yet

	mu     sync.Mutex
	owners map[string][]Check
	probes map[Check]*probe
}

// probe is one check with those who want it.
type probe struct {
	health state.Health
	owners map[string]struct{}
	stop   context.CancelFunc // nil while nobody looks
}

// New makes a set that looks at nothing before Run. When a probe's health has changed, changed is called for each of its owners; it must
// not wait.
func New(changed func(owner string)) *Set {
	return &Set{
		changed: changed, look: newLooker().look, slots: make(chan struct{}, maxLooks), news: make(chan struct{}, 1),
		owners: map[string][]Check{}, probes: map[Check]*probe{},
	}
}

// Run looks at everything that is wanted until ctx ends, and returns when the last look has. It is called once.
func (s *Set) Run(ctx context.Context) {
	var looking sync.WaitGroup
	defer looking.Wait()
	for {
		s.begin(ctx, &looking)
		select {
		case <-ctx.Done():
			return
		case <-s.news:
		}
	}
}

// begin gives every probe that has none its goroutine.
func (s *Set) begin(ctx context.Context, looking *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for check, p := range s.probes {
		if p.stop == nil {
			var life context.Context
			life, p.stop = context.WithCancel(ctx)
			looking.Go(func() { s.follow(life, check, p) })
		}
	}
}

// Use replaces what an owner wants to know; nothing ends it. Probes that somebody wants already go on as they are, and what nobody wants
// any more is looked at no longer.
func (s *Set) Use(owner string, checks []Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.owners[owner]
	delete(s.owners, owner)
	if len(checks) > 0 {
		s.owners[owner] = slices.Clone(checks)
	}
	for _, check := range checks {
		p := s.probes[check]
		if p == nil {
			p = &probe{health: firstLook, owners: map[string]struct{}{}}
			s.probes[check] = p
		}
		p.owners[owner] = struct{}{}
	}
	for _, check := range before {
		if !slices.Contains(checks, check) {
			s.leave(owner, check)
		}
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// leave takes an owner from a probe, and ends that with its last one. The caller holds the lock.
func (s *Set) leave(owner string, check Check) {
	p := s.probes[check]
	if p == nil {
		return // it was declared twice
	}
	delete(p.owners, owner)
	if len(p.owners) > 0 {
		return
	}
	if p.stop != nil {
		p.stop()
	}
	delete(s.probes, check)
}

// firstLook is the health of what has not been looked at yet.
var firstLook = state.Health{Status: state.Progressing, Reason: "NotLookedYet", Message: "has not been looked at yet"}

// Health gives what the last look has found: Healthy; Degraded with the reason; Progressing before the first look, and where nobody wants
// the check.
func (s *Set) Health(check Check) state.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.probes[check]; p != nil {
		return p.health
	}
	return firstLook
}

// follow looks at once, and then again and again until ctx ends.
func (s *Set) follow(ctx context.Context, check Check, p *probe) {
	for ctx.Err() == nil {
		health, ok := s.inTurn(ctx, check)
		if !ok {
			return
		}
		s.tell(p, health)
		pause := time.NewTimer(jittered(check.Interval))
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
}

// inTurn looks once; false when ctx has ended meanwhile, and nothing is known.
func (s *Set) inTurn(ctx context.Context, check Check) (state.Health, bool) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return state.Health{}, false
	}
	bounded, cancel := context.WithTimeout(ctx, check.Timeout)
	defer cancel()
	health := s.look(bounded, check)
	return health, ctx.Err() == nil
}

// tell takes in what a look has found.
func (s *Set) tell(p *probe, health state.Health) {
	s.mu.Lock()
	moved := p.health != health
	p.health = health
	owners := slices.Sorted(maps.Keys(p.owners))
	s.mu.Unlock()
	if !moved {
		return
	}
	for _, owner := range owners {
		s.changed(owner)
	}
}

// jittered spreads an interval by a tenth to both sides, so that probes which began together do not stay so.
func jittered(interval time.Duration) time.Duration {
	return interval - interval/10 + rand.N(interval/5+1) //nolint:gosec // jitter, not secrets
}
