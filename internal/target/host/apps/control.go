package apps

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// controller carries one app on: gather facts, decide, remember, act, and again until there is nothing to do. Its goroutine lives only
// while there is something to do; a timer or a change of the supervisor's state starts the next.
type controller struct {
	d    *Driver
	name string

	memory sync.Mutex // held while the record is read, changed and written

	mu       sync.Mutex
	running  bool
	again    bool // something has happened since the present turn began
	heal     bool // see facts.Heal
	idle     chan struct{}
	timer    *time.Timer
	problem  error // why the last action failed
	failures int   // in a row
	told     int   // process number of the supervisor that has the app's environment
	needs    *needs
	followed string // what the files that are watched were derived from
}

// wake has the controller look again. It never blocks.
func (c *controller) wake(heal bool) {
	if c.d.cfg.ReadOnly {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
	c.heal = c.heal || heal
	if c.running {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.running, c.idle = true, make(chan struct{})
	if !c.d.spawn(c.run) {
		c.running = false
		close(c.idle)
	}
}

// settle waits until the controller has nothing to do, for at most so long, and says whether it has.
func (c *controller) settle(ctx context.Context, patience time.Duration) bool {
	c.mu.Lock()
	running, idle := c.running, c.idle
	c.mu.Unlock()
	if !running {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (c *controller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.needs.end()
}

// run is the goroutine: turns until one finds nothing to do.
func (c *controller) run() {
	var last []action
	for {
		c.mu.Lock()
		c.again = false
		heal := c.heal
		c.mu.Unlock()
		done, wake, err := c.turn(c.d.ctx, heal)
		repeated := len(done) > 0 && reflect.DeepEqual(done, last)
		last = done
		switch {
		case err != nil:
			wake = c.failed(err, wake)
		case repeated: // what was asked for shows later: the supervisor tells, or the clock
			wake = sooner(wake, c.d.cfg.Now().Add(firstWait))
		default:
			c.succeeded()
			if len(done) > 0 && c.d.ctx.Err() == nil {
				continue
			}
		}
		if c.rest(wake) {
			c.d.changed(c.name)
			return
		}
	}
}

// rest ends the goroutine, unless something has happened meanwhile.
func (c *controller) rest(wake time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.again && c.d.ctx.Err() == nil {
		return false
	}
	c.running, c.heal = false, false
	close(c.idle)
	if !wake.IsZero() && c.d.ctx.Err() == nil {
		c.timer = time.AfterFunc(max(wake.Sub(c.d.cfg.Now()), 0), func() { c.wake(false) })
	}
	return true
}

// failed notes why an action failed, and gives when to try again.
func (c *controller) failed(err error, wake time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.d.ctx.Err() != nil {
		return time.Time{}
	}
	if c.problem == nil || c.problem.Error() != err.Error() {
		c.d.cfg.Log.Warn("an app cannot go on", "app", c.name, "error", err, "hint", fault.HintOf(err))
	}
	c.problem = err
	c.failures++
	wait := firstWait
	for i := 1; i < c.failures && wait < lastWait; i++ {
		wait *= 2
	}
	return sooner(wake, c.d.cfg.Now().Add(min(wait, lastWait)))
}

func (c *controller) succeeded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem, c.failures = nil, 0
}

// ailing gives what is wrong beside the processes.
func (c *controller) ailing() ailments {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ailments{Problem: c.problem, Need: c.needs.worst()}
}

// turn gathers, decides, remembers and acts once. It gives what was to be done and when to look again without an event.
func (c *controller) turn(ctx context.Context, heal bool) ([]action, time.Time, error) {
	if _, owned := c.d.cfg.Journal.Get(idOf(c.name)); !owned {
		c.gone()
		return nil, time.Time{}, nil
	}
	supervisor, seen, err := c.d.ask(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	var said verdict
	var owner journal.Record
	err = c.update(ctx, func(record *journal.Record, m *memory) error {
		f := c.d.gather(ctx, ground{app: c.name, owner: record.Owner, memory: m}, seen)
		f.Told, f.Heal, f.Causes = c.knows(seen.PID), heal, c.ailing().causes()
		f.Damaged = heal && len(c.d.damages(c.name, m)) > 0
		said, owner = decide(c.name, f, c.d.cfg.Now()), *record
		*m = *said.Memory.clone()
		return nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	c.probe(owner.Owner, said.Memory)
	c.follow(said.Memory)
	doing := &acting{c: c, supervisor: supervisor, pid: seen.PID, owner: owner.Owner, memory: said.Memory}
	return said.Actions, said.Wake, doing.all(ctx, said.Actions)
}

func (c *controller) knows(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told == pid && pid != 0
}

// gone lets go of what belongs to an app that is not owned any more.
func (c *controller) gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.needs.end()
	c.needs, c.problem, c.told, c.followed = nil, nil, 0, ""
	if c.d.cfg.Watcher != nil {
		c.d.unfollow(c.name)
	}
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	delete(c.d.claims, c.name)
}

// update changes the record of the app, and writes it when it has changed: it is safe from a crash when update returns. Nobody else
// changes it meanwhile. An app that is not owned is NotFound.
func (c *controller) update(ctx context.Context, change func(record *journal.Record, m *memory) error) error {
	c.memory.Lock()
	defer c.memory.Unlock()
	record, owned := c.d.cfg.Journal.Get(idOf(c.name))
	if !owned {
		return notOwned(c.name)
	}
	m, err := recall(record)
	if err != nil {
		return err
	}
	before := string(m.encode())
	declared := record
	if err := change(&record, m); err != nil {
		return err
	}
	after := m.encode()
	if string(after) == before && sameRecord(record, declared) {
		return nil
	}
	record.Data = after
	return c.d.cfg.Journal.Put(ctx, record)
}

func sameRecord(a, b journal.Record) bool {
	return a.Declared == b.Declared && a.Wave == b.Wave && a.Keep == b.Keep && a.Owner == b.Owner
}

func notOwned(name string) error {
	return fault.New(fault.NotFound, "find", "App/"+name, "no Sync of this agent has applied it").
		WithHint("see the apps with `setpoint tree`")
}

func isNotOwned(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.NotFound && f.Op == "find"
}

// sooner gives the earlier of two instants, where zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
