package apps

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// callDeadline bounds one request to the supervisor, which answers at once.
const callDeadline = 15 * time.Second

// acting carries out the actions of one turn.
type acting struct {
	c          *controller
	supervisor supervise.Supervisor
	pid        int // of the supervisor
	owner      state.Owner
	memory     *memory // as it is on disk
}

// all carries out actions in order. A process that cannot be started holds up nothing else; whatever else fails ends the turn, because
// what comes later relies on it: nothing is stopped before the balance has left it.
func (a *acting) all(ctx context.Context, actions []action) error {
	var refused error
	for _, one := range actions {
		if ctx.Err() != nil {
			return errors.Join(refused, fault.Wrap(fault.Transient, string(one.Do), a.c.name, ctx.Err()))
		}
		err := a.one(ctx, one)
		if err != nil && one.Do != doStart {
			return errors.Join(refused, err)
		}
		if refused == nil {
			refused = err // of many that are refused for the same reason one is enough
		}
	}
	return refused
}

func (a *acting) one(ctx context.Context, one action) error {
	switch one.Do {
	case doUnpack:
		return a.unpack(ctx, one.Release)
	case doRestore:
		return a.withAccount(one.Release, func(r *release, who *account) error {
			return a.c.d.restore(ctx, a.place(), r, who)
		})
	case doDiscard:
		return discard(a.place(), one.Release)
	case doFinish:
		return a.finish(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	var err error
	switch one.Do {
	case doStart:
		return a.start(ctx, one)
	case doBalance:
		return a.balance(ctx, one.App)
	case doStop:
		err = a.supervisor.Stop(ctx, one.Process, one.Drain)
	case doForget:
		err = a.supervisor.Forget(ctx, one.Process)
	case doRelease:
		err = a.supervisor.RemoveApp(ctx, a.c.name)
	}
	return a.asked(string(one.Do), err)
}

// asked explains an error of the supervisor. One that does not answer is looked for anew.
func (a *acting) asked(op string, err error) error {
	if err == nil {
		return nil
	}
	if fault.KindOf(err) == fault.Transient || fault.KindOf(err) == fault.Internal {
		a.c.d.disconnect(a.supervisor)
	}
	return fault.Wrap(kindOf(err), op, "App/"+a.c.name, err)
}

func (a *acting) place() place { return a.c.d.place(a.c.name) }

func (a *acting) withAccount(number int, do func(*release, *account) error) error {
	r := a.memory.release(number)
	who, err := a.c.d.account(&r.Print, a.memory.UID)
	if err != nil {
		return err
	}
	return do(r, who)
}

// unpack brings the files of a release and reads what they say of its formation. What is wrong with them by themselves stays wrong: a
// release that is taking over has then failed.
func (a *acting) unpack(ctx context.Context, number int) error {
	var ready release
	err := a.withAccount(number, func(r *release, who *account) error {
		if err := a.c.d.unpack(ctx, a.place(), r, who); err != nil {
			return err
		}
		procfile, err := readProcfile(a.place().release(number))
		if err == nil {
			ready.Types, ready.Hook, err = formationOf(&r.Print, procfile)
		}
		return err
	})
	if err != nil && fault.KindOf(err) != fault.Invalid {
		return err
	}
	now := a.c.d.cfg.Now()
	return errors.Join(a.c.update(ctx, func(_ *journal.Record, m *memory) error {
		r := m.release(number)
		taking := m.Take != nil && m.Take.Release == number
		switch {
		case r == nil:
		case err == nil:
			r.Types, r.Hook = ready.Types, ready.Hook
		case taking:
			d := &decision{m: m, now: now}
			d.fail(r, reasonBuild, err.Error()+hinted(err))
			err = nil
		}
		return nil
	}), err)
}

func hinted(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return " (" + hint + ")"
	}
	return ""
}

func (a *acting) ground(r *release, who *account) ground {
	return ground{app: a.c.name, owner: a.owner, memory: a.memory, release: r, who: who}
}

func (a *acting) start(ctx context.Context, one action) error {
	return a.withAccount(one.Release, func(r *release, who *account) error {
		if err := a.c.d.prepare(a.place(), who); err != nil {
			return err
		}
		process, err := a.c.d.process(ctx, a.ground(r, who), one.Process)
		if err != nil {
			return err
		}
		return a.asked("start", a.supervisor.Start(ctx, process))
	})
}

// balance tells the supervisor the address, its backends, and what commands of people run with.
func (a *acting) balance(ctx context.Context, app supervise.App) error {
	return a.withAccount(app.Release, func(r *release, who *account) error {
		var err error
		if app.OneOff, err = a.c.d.launch(ctx, a.ground(r, who), "exec", r.Types[""]); err != nil {
			return err
		}
		app.OneOff.Command = nil
		if err := a.asked("balance", a.supervisor.SetApp(ctx, app)); err != nil {
			return err
		}
		a.c.mu.Lock()
		defer a.c.mu.Unlock()
		a.c.told = a.pid
		return nil
	})
}

// finish removes what is left of an app; the record goes last, so that a crash before that comes back here.
func (a *acting) finish(ctx context.Context) error {
	dir := string(a.place())
	if err := raze(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return fault.New(fault.Transient, "remove", dir, "it is still there")
	}
	a.c.memory.Lock()
	defer a.c.memory.Unlock()
	return a.c.d.cfg.Journal.Delete(ctx, idOf(a.c.name))
}
