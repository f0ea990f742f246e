package supervise

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// hearing is how often the kernel is asked which ports are listened on, while a process with a port runs.
const hearing = 150 * time.Millisecond

// watchHealth checks a process again and again until ctx ends.
func (s *supervisor) watchHealth(ctx context.Context, p *process) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	var last time.Duration
	var checked time.Time
	for {
		last = s.pause(p, last)
		if last > 0 {
			timer.Reset(last)
		}
		select {
		case <-timer.C:
		case <-p.kick:
			timer.Reset(firstPause - time.Since(checked)) // who knocks without pause is not checked without pause
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		checked = time.Now()
		if !s.due(p) {
			continue
		}
		if failure := s.examine(ctx, p); ctx.Err() == nil {
			s.observe(ctx, p, failure)
		}
	}
}

// due says whether a process can be judged already: one without a check has to have run for a while.
func (s *supervisor) due(p *process) bool {
	var started time.Time
	s.board.read(func() { started = p.status.Started })
	return !p.check.plain() || time.Since(started) >= settled
}

// pause gives how long to wait before the next check; 0 for ever, when only an event can bring anything new.
func (s *supervisor) pause(p *process, last time.Duration) time.Duration {
	var h health
	var started time.Time
	s.board.read(func() { h, started = p.health, p.status.Started })
	if !p.check.plain() {
		return h.pause(last, p.check)
	}
	if h.Ever {
		return 0
	}
	return max(time.Millisecond, time.Until(started.Add(settled)))
}

// examine checks a process once, and gives what is wrong with it.
func (s *supervisor) examine(ctx context.Context, p *process) string {
	var status Status
	var address string
	var listened bool
	s.board.read(func() { status, address, listened = p.status, p.address, p.listened })
	networked := p.check.HTTP != "" || p.check.TCP
	if status.Port > 0 && address == "" && s.hears.Load() {
		switch {
		case listened:
			return deafness(status.Port)
		case networked: // there is no need to knock where nobody is
			return notYet(status.Port)
		}
	}
	if p.check.plain() {
		return ""
	}
	if address == "" {
		address = net.JoinHostPort(ipv4Loopback.String(), strconv.Itoa(status.Port))
	}
	check := probe{check: p.check, address: address, launch: p.spec.Launch, marks: s.marks(p), reaper: s.reaper}
	return check.run(ctx)
}

// observe takes in what a check has said.
func (s *supervisor) observe(ctx context.Context, p *process, failure string) {
	var before, after health
	s.board.change(func() bool {
		before = p.health
		if p.status.Phase == Running {
			p.health = before.after(failure, p.check)
		}
		after = p.health
		p.show()
		return !after.same(before)
	})
	s.turned(ctx, p, before, after)
}

// turned does what a change of health makes necessary.
func (s *supervisor) turned(ctx context.Context, p *process, before, after health) {
	if before.Healthy == after.Healthy {
		return
	}
	if !after.Healthy {
		s.log.Info("a process is not healthy any more", "process", p.key, "reason", after.Failing)
	}
	_ = s.save(p)
	s.rebalance(ctx)
}

// hear asks the kernel again and again which ports are listened on, once for all processes, and not at all while none has a port.
func (s *supervisor) hear(ctx context.Context) {
	ticker := time.NewTicker(hearing)
	defer ticker.Stop()
	for ctx.Err() == nil {
		version, networked := s.networked()
		if len(networked) == 0 {
			s.board.wait(ctx, version, time.Hour)
			continue
		}
		s.hearOnce(ctx, networked)
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

func (s *supervisor) hearOnce(ctx context.Context, networked []*process) {
	found, err := listening()
	if err != nil {
		s.hears.Store(false)
		s.unheard.Do(func() {
			s.log.Warn("listening sockets cannot be watched; processes are checked at their interval alone", "error", reason(err))
		})
		return
	}
	s.hears.Store(true)
	for _, p := range networked {
		s.heard(ctx, p, found)
	}
}

// networked gives the processes whose ports are watched, and the version of what that was read from.
func (s *supervisor) networked() (version uint64, networked []*process) {
	s.board.read(func() {
		version = s.board.version
		for _, p := range s.board.processes {
			if p.status.Phase == Running && p.status.Port > 0 && p.status.PID > 0 {
				networked = append(networked, p)
			}
		}
	})
	return version, networked
}

// heard takes in whether a process listens. One that has stopped is not healthy from that moment on; one that has begun is checked at once.
func (s *supervisor) heard(ctx context.Context, p *process, found map[int]netip.Addr) {
	var before, after health
	begun := false
	s.board.change(func() bool {
		before, after = p.health, p.health
		at, listens := found[p.status.Port]
		was := p.address != ""
		switch {
		case p.status.Phase != Running || listens && was:
			return false
		case listens:
			p.address = net.JoinHostPort(at.String(), strconv.Itoa(p.status.Port))
			p.listened, begun = true, true
			return false
		case !p.listened:
			return false
		}
		p.address = ""
		p.health = before.deaf(p.status.Port)
		after = p.health
		p.show()
		return !after.same(before)
	})
	if begun {
		_ = s.save(p)
		p.look()
	}
	s.turned(ctx, p, before, after)
}
