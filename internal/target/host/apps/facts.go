package apps

import (
	"context"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// gather puts together what is known of an app now. The ground needs no release.
func (d *Driver) gather(ctx context.Context, g ground, seen supervise.State) facts {
	f := facts{Memory: g.memory, Present: present(d.place(g.app))}
	for _, status := range seen.Processes {
		if status.ID.App == g.app {
			f.Processes = append(f.Processes, status)
		}
	}
	d.quotable(ctx, g, f.Processes)
	at := slices.IndexFunc(seen.Apps, func(a supervise.AppStatus) bool { return a.Name == g.app })
	if at >= 0 {
		f.Address = &seen.Apps[at]
	}
	return f
}

// ask gives what the supervisor knows now.
func (d *Driver) ask(ctx context.Context) (supervise.Supervisor, supervise.State, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	supervisor, err := d.connect(ctx)
	if err != nil {
		return nil, supervise.State{}, err
	}
	seen, err := supervisor.State(ctx, 0)
	if err != nil {
		d.disconnect(supervisor)
		return nil, supervise.State{}, fault.Wrap(kindOf(err), "ask", "the supervisor", err)
	}
	return supervisor, seen, nil
}

// connect gives the connection to the supervisor, and makes one when there is none.
func (d *Driver) connect(ctx context.Context) (supervise.Supervisor, error) {
	d.mu.Lock()
	known := d.supervisor
	d.mu.Unlock()
	if known != nil {
		return known, nil
	}
	made, err := d.cfg.Supervisor(ctx)
	if err != nil {
		return nil, fault.Wrap(kindOf(err), "connect to", "the supervisor", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.supervisor == nil {
		d.supervisor = made
	}
	return d.supervisor, nil
}

// disconnect forgets a connection that has failed.
func (d *Driver) disconnect(failed supervise.Supervisor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.supervisor == failed {
		d.supervisor = nil
	}
}
