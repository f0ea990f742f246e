package apps

import (
	"context"
	"path/filepath"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// cleanPath is the PATH of processes that declare none, unless Config says another.
const cleanPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ground is what the processes of one release start from.
type ground struct {
	app     string
	owner   state.Owner
	memory  *memory
	release *release
	who     *account
}

// base gives the environment that every process of a release has: nothing of the agent's own.
func (g ground) base(d *Driver, process string) map[string]string {
	scratch := d.place(g.app).scratch()
	return map[string]string{
		"PATH": d.cfg.Path, "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8",
		"APP_NAME": g.app, "APP_RELEASE": itoa(g.release.Number), "APP_PROCESS": process,
	}
}

// launch makes what is needed to run something of a release. Secrets are read here, at the moment of use.
func (d *Driver) launch(ctx context.Context, g ground, name string, p v1alpha1.Process) (supervise.Launch, error) {
	env, err := d.resolve(ctx, g.owner, &g.release.Print)
	if err != nil {
		return supervise.Launch{}, err
	}
	if err := d.reachable(g.who); err != nil {
		return supervise.Launch{}, err
	}
	launch := supervise.Launch{
		Dir:     filepath.Join(d.place(g.app).release(g.release.Number), p.Directory),
		Command: p.Command, Env: lines(env.of(g.base(d, name), p.Env)), Files: int64(p.Limits.Files),
	}
	if g.who != nil {
		launch.UID, launch.GID = &g.who.uid, &g.who.gid
	}
	if p.Limits.Memory != "" {
		if launch.Memory, err = v1alpha1.ParseBytes(p.Limits.Memory); err != nil {
			return supervise.Launch{}, fault.Wrap(fault.Invalid, "read", "limits.memory", err)
		}
	}
	if p.Limits.CPU != "" {
		if launch.CPU, err = v1alpha1.ParseCPU(p.Limits.CPU); err != nil {
			return supervise.Launch{}, fault.Wrap(fault.Invalid, "read", "limits.cpu", err)
		}
	}
	return launch, nil
}

// process makes what the supervisor is asked to start.
func (d *Driver) process(ctx context.Context, g ground, id supervise.ProcessID) (supervise.Process, error) {
	p, name := g.release.Types[id.Type], id.Type+"."+itoa(id.Index)
	started := supervise.Process{ID: id, LogSize: g.memory.Policy.LogSize, LogFiles: g.memory.Policy.LogFiles}
	started.LogDir = filepath.Join(d.place(g.app).logs(), id.Type)
	if id.Type == typePre {
		p, name = v1alpha1.Process{Command: g.memory.pre(g.release)}, typePre
		started.Once, started.Port = true, -1
	} else if p.Port > 0 {
		started.Port = p.Port + id.Index - 1
	}
	p.Default(id.Type == g.memory.exposed(g.release) && id.Type != typePre)
	started.Grace, started.Check = time.Duration(p.Grace), checkOf(p.Check)
	var err error
	started.Launch, err = d.launch(ctx, g, name, p)
	return started, err
}

func checkOf(c *v1alpha1.ProcessCheck) supervise.Check {
	if c == nil {
		return supervise.Check{}
	}
	return supervise.Check{
		HTTP: c.HTTP, TCP: c.TCP, Command: c.Command, Interval: time.Duration(c.Interval), Timeout: time.Duration(c.Timeout),
		Healthy: c.Healthy, Unhealthy: c.Unhealthy,
	}
}
