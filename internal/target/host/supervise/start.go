package supervise

import (
	"context"
	"errors"
	"os"
	"time"
)

// start starts a process that is not known. That it cannot be started is no error; see Status.Exit.
func (s *supervisor) start(ctx context.Context, spec Process) error {
	if err := errors.Join(spec.ID.check(), checkLaunch(spec.Launch)); err != nil {
		return err
	}
	p := newProcess(spec)
	known := !s.board.change(func() bool {
		if s.board.processes[spec.ID] != nil {
			return false
		}
		s.board.processes[spec.ID] = p
		return true
	})
	if known {
		return nil
	}
	if err := s.launch(ctx, p); err != nil {
		s.log.Info("a process cannot be started", "process", p.key, "error", err.Error())
		s.refuse(p, err)
		return nil
	}
	s.log.Info("a process was started", "process", p.key, "pid", p.child.pid)
	s.lives.Go(func() { s.live(s.life(), p) })
	return nil
}

// launch does all that is needed to have a process run. When it fails, nothing is left of it but its record.
func (s *supervisor) launch(ctx context.Context, p *process) (err error) {
	port, err := s.ports.take(ctx, p.spec.Port, p.key)
	if err != nil {
		return err
	}
	s.board.read(func() { p.status.Port = port })
	ready, err := prepare(p.spec.Launch, s.marks(p)...)
	if err != nil {
		return err
	}
	if err := s.save(p); err != nil { // the intent, so that what runs is never unknown
		return notNow("it cannot be recorded: %s", reason(err))
	}
	log, err := s.logs.open(p.spec)
	if err != nil {
		return notNow("its output cannot be kept: %s", err)
	}
	if err := s.spawn(p, ready, log); err != nil {
		_ = log.Close()
		return err
	}
	return nil
}

// spawn starts a process with its output and its control group.
func (s *supervisor) spawn(p *process, ready program, log lineWriter) error {
	output, ends, err := openOutput(s.home, p.spec.ID, p.spec.Launch)
	if err != nil {
		return notNow("its output cannot be read: %s", reason(err))
	}
	defer closeAll(ends)
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		output.remove()
		return notNow("%s", reason(err))
	}
	defer nothing.Close()
	group, err := s.groups.make(p.spec.ID, p.spec.Launch)
	if err != nil {
		output.remove()
		return err
	}
	c, err := s.reaper.spawn(p.spec.Launch, ready, append([]*os.File{nothing}, ends...), group)
	group.started()
	if err != nil {
		output.remove()
		group.remove()
		return err
	}
	p.child, p.group, p.output = c, group, output
	output.pump(p.spec.ID, log)
	s.board.change(func() bool {
		p.status.PID, p.status.Started, p.start = c.pid, time.Now(), c.start
		return true
	})
	_ = s.save(p) // without it, a successor finds the process by its mark
	return nil
}

// refuse makes known that a process was never started.
func (s *supervisor) refuse(p *process, err error) {
	exit := &Exit{Time: time.Now(), Code: -1, Error: err.Error()}
	if r, ok := errors.AsType[*refusal](err); ok {
		exit.Permanent = r.permanent
	}
	s.board.change(func() bool {
		p.status.Phase, p.status.Exit = Exited, exit
		return true
	})
	s.ports.free(p.status.Port, p.key)
	_ = s.save(p)
}

// stop tells a process to stop; its own goroutine does what that takes. Telling it again with less time shortens what is left.
func (s *supervisor) stop(p *process, drain time.Duration) {
	running := s.board.change(func() bool {
		if p.status.Phase != Running && p.status.Phase != Draining {
			return false
		}
		by := time.Now().Add(drain)
		if p.status.Asked && !by.Before(p.stopBy) {
			return false
		}
		p.status.Asked, p.stopBy = true, by
		p.status.Phase = Draining
		return true
	})
	if !running {
		return
	}
	_ = s.save(p)
	p.asking.Do(func() { close(p.asked) })
	wake(p.hurry)
}

// forget drops the record of a process that has exited.
func (s *supervisor) forget(id ProcessID) {
	var p *process
	forgotten := s.board.change(func() bool {
		p = s.board.processes[id]
		if p == nil || p.status.Phase != Exited {
			return false
		}
		delete(s.board.processes, id)
		return true
	})
	if forgotten {
		p.saving.Lock()
		defer p.saving.Unlock()
		removeRecord(s.home, id)
	}
}
