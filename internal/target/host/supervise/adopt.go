package supervise

import (
	"context"
	"time"
)

// afterCrash is how long processes that nobody knows may take to end by SIGTERM.
const afterCrash = 2 * time.Second

// adopt takes over what a predecessor has left: processes that run, and those that were to be stopped. Processes that carry our mark
// and have no record are ended. It is called before anything is started.
func (s *supervisor) adopt(ctx context.Context) {
	found := marked(s.id)
	for _, r := range readRecords(s.home, s.log) {
		key := r.Process.ID.String()
		if s.resume(ctx, r, found[key]) {
			delete(found, key)
		}
	}
	for key := range found {
		s.log.Warn("a process that nobody knows is ended", "process", key)
		s.lives.Go(func() { brood{supervisor: s.id, id: key}.clear(ctx, afterCrash) })
	}
}

// resume takes over one process, by its record and what of it was found to run. It says whether somebody looks after what was found.
func (s *supervisor) resume(ctx context.Context, r record, found []task) bool {
	p := newProcess(r.Process)
	p.status, p.start, p.stopBy = r.Status, r.Start, r.StopBy
	p.health = health{Healthy: r.Status.Healthy, Ever: r.Status.Ever, Failing: r.Status.Failing}
	p.listened = r.Listened
	if p.status.Phase == Exited {
		s.know(p)
		return false
	}
	if p.status.PID == 0 { // killed between the intent and the record of what came of it
		main, ok := leader(found)
		if !ok {
			removeRecord(s.home, r.Process.ID) // it has never run, and may be started
			return false
		}
		p.status.PID, p.start = main.pid, main.start
	}
	s.know(p)
	s.ports.keep(p.status.Port, p.key)
	p.group = s.groups.find(p.spec.ID, p.spec.Launch)
	if r.Boot == s.boot {
		s.takeOver(ctx, p)
	} else {
		p.status.PID = 0 // the number means nothing since the machine was started
	}
	if p.status.Asked {
		p.asking.Do(func() { close(p.asked) })
	}
	_ = s.save(p)
	s.lives.Go(func() { s.live(ctx, p) })
	return true
}

func (s *supervisor) know(p *process) {
	s.board.change(func() bool {
		s.board.processes[p.spec.ID] = p
		return true
	})
}

// takeOver watches over a process that runs, and reads its output from where the predecessor stopped.
func (s *supervisor) takeOver(ctx context.Context, p *process) {
	p.child = s.reaper.adopt(ctx, p.status.PID, p.start)
	if p.child != nil {
		p.spec.Launch.Env = withoutMarks(environment(p.status.PID))
	}
	log, err := s.logs.open(p.spec)
	if err != nil {
		s.log.Warn("the output of a process cannot be kept", "process", p.key, "error", err.Error())
		return
	}
	p.output = reopenOutput(s.home, p.spec.ID)
	p.output.pump(p.spec.ID, log)
}
