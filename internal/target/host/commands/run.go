package commands

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// The waits after a turn that failed, from the first to the longest, and the longest for news of the supervisor, which itself waits for
// at most half a minute.
const (
	firstWait = time.Second
	lastWait  = 10 * time.Second
	newsLimit = 45 * time.Second
)

// runner carries one command on: it asks the supervisor, decides, remembers and acts, and again with every change, until nothing is left
// to be done. Its fields are guarded by the driver's lock.
type runner struct {
	again   bool               // the memory was changed since the present turn began
	wait    context.CancelFunc // ends a wait; nil when there is none
	problem error              // why the last turn failed
}

// wake has a command carried on. It never blocks.
func (d *Driver) wake(name string) {
	if d.cfg.ReadOnly {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.runners[name]
	switch {
	case d.closed:
	case r == nil:
		r = &runner{}
		d.runners[name] = r
		d.wg.Go(func() { d.carry(name, r) })
	default:
		r.again = true
		if r.wait != nil {
			r.wait()
		}
	}
}

// problem gives why a command cannot go on; nil when it can.
func (d *Driver) problem(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.runners[name]; r != nil {
		return r.problem
	}
	return nil
}

// carry is the goroutine of a runner.
func (d *Driver) carry(name string, r *runner) {
	pause := firstWait
	for d.ctx.Err() == nil {
		d.mu.Lock()
		r.again = false
		d.mu.Unlock()
		done, err := d.turn(d.ctx, name)
		d.note(name, r, err)
		switch {
		case err != nil:
			d.await(r, pause, nil)
			pause = min(2*pause, lastWait)
		case done.moved: // the next thing to do may need no news
			pause = firstWait
		case done.over:
			if d.leave(name, r) {
				return
			}
		default:
			pause = firstWait
			d.await(r, done.patience(d.cfg.Now()), func(ctx context.Context) {
				_, _ = done.supervisor.State(ctx, done.version) // whatever it says, the next turn looks anew
			})
		}
	}
}

// leave ends a runner, unless there is something new to do.
func (d *Driver) leave(name string, r *runner) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.again {
		return false
	}
	delete(d.runners, name)
	return true
}

// note keeps why a command cannot go on, and says so once.
func (d *Driver) note(name string, r *runner, err error) {
	if d.ctx.Err() != nil {
		return
	}
	d.mu.Lock()
	same := (r.problem == nil) == (err == nil) && (err == nil || r.problem.Error() == err.Error())
	r.problem = err
	d.mu.Unlock()
	if same {
		return
	}
	if err != nil {
		d.cfg.Log.Warn("a command cannot go on", "command", name, "error", err, "hint", fault.HintOf(err))
	}
	d.changed(name)
}

// await waits until there is something new: the memory was changed, what until waits for has come, or so much time is over.
func (d *Driver) await(r *runner, most time.Duration, until func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(d.ctx, most)
	defer cancel()
	d.mu.Lock()
	ready := r.again
	r.wait = cancel
	d.mu.Unlock()
	switch {
	case ready:
	case until != nil:
		until(ctx)
	default:
		<-ctx.Done()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r.wait = nil
}

// turned is what a turn has to say for the next.
type turned struct {
	moved      bool // there is more to remember than before
	over       bool // nothing is left to be done
	supervisor supervise.Supervisor
	version    uint64    // of what the turn saw
	wake       time.Time // zero for never
}

// patience is how long the next turn may wait without news.
func (t turned) patience(now time.Time) time.Duration {
	if t.wake.IsZero() {
		return newsLimit
	}
	return max(min(t.wake.Sub(now), newsLimit), 0)
}

// turn looks, decides, remembers and acts once.
func (d *Driver) turn(ctx context.Context, name string) (turned, error) {
	ctx, cancel := context.WithTimeout(ctx, newsLimit)
	defer cancel()
	supervisor, err := d.cfg.Supervisor(ctx)
	if err != nil {
		return turned{}, fault.Wrap(fault.Transient, "connect to", "the supervisor", err)
	}
	seen, err := supervisor.State(ctx, 0)
	if err != nil {
		return turned{}, fault.Wrap(fault.Transient, "ask", "the supervisor", err)
	}
	done := turned{supervisor: supervisor, version: seen.Version}
	var said verdict
	f := facts{Name: name, Processes: processesOf(seen, name), Now: d.cfg.Now()}
	var known bool
	f.Secrets, known = d.secretsOf(ctx, f)
	f.Hide = !known
	owned, err := d.update(ctx, name, func(_ *journal.Record, m *memory) error {
		if !m.Removing && m.Outcome == nil {
			spec, err := m.spec()
			if err != nil {
				return err
			}
			f.Timeout = time.Duration(spec.Timeout)
		}
		said = decide(*m, f)
		done.moved = !reflect.DeepEqual(*m, said.Memory)
		*m = said.Memory
		return nil
	})
	if err != nil {
		return done, err
	}
	done.over, done.wake = !owned || said.Memory.Settled && !said.Memory.Removing || said.Finish, said.Wake
	if !owned {
		return done, nil
	}
	return done, d.act(ctx, supervisor, name, said)
}

// processesOf gives those of one command.
func processesOf(seen supervise.State, name string) []supervise.Status {
	var found []supervise.Status
	for _, status := range seen.Processes {
		if command, is := strings.CutPrefix(status.ID.App, appPrefix); is && command == name {
			found = append(found, status)
		}
	}
	return found
}

func (d *Driver) act(ctx context.Context, supervisor supervise.Supervisor, name string, said verdict) error {
	var errs []error
	for _, id := range said.Stop {
		errs = append(errs, supervisor.Stop(ctx, id, 0))
	}
	if len(said.Forget) > 0 {
		errs = append(errs, supervisor.Forget(ctx, said.Forget...))
	}
	if said.Start {
		errs = append(errs, d.start(ctx, supervisor, name, said.Memory))
	}
	if said.Finish {
		errs = append(errs, d.finish(ctx, name))
	}
	return errors.Join(errs...)
}

func (d *Driver) start(ctx context.Context, supervisor supervise.Supervisor, name string, m memory) error {
	process, err := d.processOf(ctx, name, m)
	if err != nil {
		return err
	}
	return supervisor.Start(ctx, process)
}
