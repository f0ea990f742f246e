package supervise

import (
	"context"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/target/host/logs"
)

// A process is one that was asked for, from its start until it is forgotten. One goroutine lives its life.
type process struct {
	spec   Process // with its environment
	key    string
	check  Check // with its defaults
	saving sync.Mutex
	asking sync.Once
	asked  chan struct{} // closed when it is to stop
	hurry  chan struct{} // it is to stop earlier than it was told before
	kick   chan struct{} // it is to be checked at once

	// What follows is set before its life begins.
	child  *child
	group  *group
	output *output

	// The board's lock guards what follows.
	status   Status
	health   health
	address  string // at which it listens, "" when it does not, or nobody can tell
	listened bool
	start    uint64
	stopBy   time.Time
}

func newProcess(spec Process) *process {
	return &process{
		spec: spec, key: spec.ID.String(), check: spec.Check.withDefaults(),
		asked: make(chan struct{}), hurry: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		status: Status{ID: spec.ID, Phase: Running, Started: time.Now()},
	}
}

// look has it checked at once. It never blocks.
func (p *process) look() { wake(p.kick) }

func wake(sleeper chan<- struct{}) {
	select {
	case sleeper <- struct{}{}:
	default:
	}
}

// marks are the variables that are added to its environment.
func (s *supervisor) marks(p *process) []string {
	return append([]string{supervisorMark + "=" + s.id, processMark + "=" + p.key}, portMark(p.status.Port)...)
}

// save writes what a successor has to know.
func (s *supervisor) save(p *process) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	var r record
	known := false
	s.board.read(func() {
		known = s.board.processes[p.spec.ID] == p
		r = record{Process: p.spec, Status: p.status, Start: p.start, Boot: s.boot, StopBy: p.stopBy, Listened: p.listened}
	})
	if !known {
		return nil // it was forgotten meanwhile, and its record removed
	}
	if err := writeRecord(s.home, r); err != nil {
		s.log.Warn("a process cannot be recorded", "process", p.key, "error", reason(err))
		return err
	}
	return nil
}

// live lives a process's life, until all of it has ended or ctx does: then it runs on without us.
func (s *supervisor) live(ctx context.Context, p *process) {
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var checks sync.WaitGroup
	if p.child != nil {
		checks.Go(func() { s.watchHealth(watching, p) })
		select {
		case <-p.child.done:
		case <-p.asked:
			stopWatching()
			s.end(ctx, p)
		case <-ctx.Done():
		}
	}
	stopWatching()
	checks.Wait()
	if ctx.Err() == nil {
		s.bury(ctx, p)
	}
	if ctx.Err() != nil && p.output != nil {
		p.output.leave()
	}
}

// end stops a process: it is out of the balance already, and may finish what it has under way.
func (s *supervisor) end(ctx context.Context, p *process) {
	s.rebalance(ctx)
	s.drain(ctx, p)
	if !s.advance(p, Stopping) || ctx.Err() != nil {
		return
	}
	s.reaper.signalGroup(p.child, syscall.SIGTERM)
	grace := time.NewTimer(p.spec.Grace)
	defer grace.Stop()
	select {
	case <-p.child.done:
		return
	case <-ctx.Done():
		return
	case <-grace.C:
	}
	s.reaper.signalGroup(p.child, syscall.SIGKILL)
	p.group.kill()
	select {
	case <-p.child.done:
	case <-ctx.Done():
	}
}

// drain waits until nothing that a process has is under way, or there is no more time for it.
func (s *supervisor) drain(ctx context.Context, p *process) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	idle := s.proxy.Idle(p.key)
	for {
		var stopBy time.Time
		s.board.read(func() { stopBy = p.stopBy })
		timer.Reset(time.Until(stopBy))
		select {
		case <-p.hurry:
			continue
		case <-idle:
		case <-timer.C:
		case <-p.child.done:
		case <-ctx.Done():
		}
		return
	}
}

// advance moves a process on, unless its main process has ended.
func (s *supervisor) advance(p *process, phase Phase) bool {
	select {
	case <-p.child.done:
		return false
	default:
	}
	s.board.change(func() bool {
		p.status.Phase = phase
		return true
	})
	_ = s.save(p)
	return true
}

// bury ends what is left of a process whose main process has ended, and says how it did.
func (s *supervisor) bury(ctx context.Context, p *process) {
	exit := exitOf(p.child)
	s.board.change(func() bool {
		p.status.Phase, p.health = Stopping, health{Ever: p.health.Ever}
		if p.status.Exit == nil { // else the predecessor had seen it end
			p.status.Exit = exit
		}
		p.show()
		return false // it has not exited before the rest of it is gone
	})
	_ = s.save(p)
	s.rebalance(ctx)
	grace := p.spec.Grace
	select {
	case <-p.asked:
		grace = min(grace, time.Second) // the group was told before
	default:
	}
	s.brood(p).clear(ctx, grace)
	if ctx.Err() != nil {
		return
	}
	p.group.remove()
	if p.output != nil {
		p.output.finish()
	}
	s.exited(p)
}

// exited makes the end of a process known.
func (s *supervisor) exited(p *process) {
	output := p.lastLines()
	s.board.change(func() bool {
		p.status.Phase, p.status.PID = Exited, 0
		p.status.Healthy, p.status.Failing = false, ""
		if p.output != nil {
			exit := *p.status.Exit // others hold the old one
			exit.Output = output
			p.status.Exit = &exit
		}
		return true
	})
	s.ports.free(p.status.Port, p.key)
	_ = s.save(p)
}

// lastLines gives the end of what a process wrote. One that was adopted may have written all of it before.
func (p *process) lastLines() []string {
	if p.output == nil {
		return nil
	}
	if lines := p.output.tail.get(); len(lines) > 0 {
		return lines
	}
	var kept tail
	for _, line := range logs.Tail(p.spec.LogDir, p.spec.ID.Replica(), p.spec.ID.Release, tailLines) {
		kept.add(line)
	}
	return kept.get()
}

func (s *supervisor) brood(p *process) brood {
	b := brood{supervisor: s.id, id: p.key, group: p.group}
	s.board.read(func() { b.pid, b.start = p.status.PID, p.start })
	return b
}

// exitOf says how a process ended; nil stands for one that was gone already.
func exitOf(c *child) *Exit {
	exit := &Exit{Time: time.Now(), Code: -1, Unknown: true}
	if c != nil && !c.unknown {
		exit.Code, exit.Unknown = c.code, false
		if c.signal != 0 {
			exit.Signal = signalName(c.signal)
		}
	}
	return exit
}

func signalName(signal syscall.Signal) string {
	if name := unix.SignalName(signal); name != "" {
		return name
	}
	return signal.String()
}

// show brings the health into the status. The board is locked.
func (p *process) show() {
	p.status.Healthy, p.status.Ever, p.status.Failing = p.health.Healthy, p.health.Ever, p.health.Failing
}
