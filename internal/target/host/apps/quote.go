package apps

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// quotable takes what is secret out of the last lines of processes that have ended, because these are told to everybody. The ground needs
// no release. The statuses are changed in place.
func (d *Driver) quotable(ctx context.Context, g ground, processes []supervise.Status) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	for i, status := range processes {
		g.release = g.memory.release(status.ID.Release)
		if g.release == nil || status.Exit == nil || len(status.Exit.Output) == 0 {
			continue
		}
		exit := *status.Exit // others look at that one too
		exit.Output = nil
		if values, known := d.secretsOf(ctx, g); known {
			text := strings.Join(status.Exit.Output, "\n")
			exit.Output = strings.Split(diff.NewScrubber(values).Text(text), "\n")
		}
		processes[i].Exit = &exit
	}
}

// Secrets gives the secret values of an app that a command in its environment may have been given and print: those of the active release,
// and those that the declaration of the one before held. known is false when nobody can say.
func (d *Driver) Secrets(ctx context.Context, name string) (values []string, known bool) {
	record, _ := d.cfg.Journal.Get(idOf(name))
	m, err := recall(record)
	if err != nil {
		return nil, false
	}
	active := m.release(m.Active)
	if active == nil {
		return nil, false
	}
	values, known = d.secretsOf(ctx, ground{app: name, owner: record.Owner, memory: m, release: active})
	if before := m.release(m.Previous); before != nil {
		values = slices.Concat(values, before.Secrets)
	}
	return values, known
}

// secretsOf gives the secret values that the processes of a release were started with. known is false when those of the host are others
// by now, or cannot be read: nobody can say then what has to be taken out.
func (d *Driver) secretsOf(ctx context.Context, g ground) (values []string, known bool) {
	r := g.release
	if len(r.Print.Hashes) == 0 {
		return r.Secrets, true
	}
	env, err := d.resolve(ctx, g.owner, &r.Print)
	if err != nil || !maps.Equal(d.hashes(env), r.Print.Hashes) {
		return nil, false
	}
	return slices.Concat(r.Secrets, slices.Collect(maps.Values(env.hidden)), slices.Collect(maps.Values(env.secrets))), true
}
