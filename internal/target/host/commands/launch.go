package commands

import (
	"context"
	"maps"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// cleanPath is the PATH of commands that are in no app, unless Config says another.
const cleanPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// grace is between SIGTERM and SIGKILL.
const grace = 10 * time.Second

// What is kept of the output, in bytes and files.
const (
	logSize  = 1 << 20
	logFiles = 1
)

// processOf makes what the supervisor is asked to start. Secrets of an app are read here, at the moment of use.
func (d *Driver) processOf(ctx context.Context, name string, m memory) (supervise.Process, error) {
	spec, err := m.spec()
	if err != nil {
		return supervise.Process{}, err
	}
	process := supervise.Process{
		ID: m.process(name), Port: -1, Once: true, Grace: grace,
		LogDir: filepath.Join(d.place(name), "logs"), LogSize: logSize, LogFiles: logFiles,
	}
	if spec.App != "" {
		process.Launch, err = d.inApp(ctx, spec)
	} else {
		process.Launch, err = d.onHost(spec)
	}
	process.Launch.Command = spec.Command
	return process, err
}

// inApp is the ground of the active release of an app.
func (d *Driver) inApp(ctx context.Context, spec v1alpha1.CommandSpec) (supervise.Launch, error) {
	launch, err := d.cfg.App(ctx, spec.App)
	if err != nil {
		return launch, err
	}
	launch.Dir = filepath.Join(launch.Dir, spec.Directory)
	env := map[string]string{}
	for _, entry := range launch.Env {
		variable, value, _ := strings.Cut(entry, "=")
		env[variable] = value
	}
	maps.Copy(env, spec.Env)
	launch.Env = entries(env)
	return launch, nil
}

// secretsOf knows the secrets of its app that a command that has ended may have written: its output is quoted. known is false when the app
// cannot say.
func (d *Driver) secretsOf(ctx context.Context, f facts) (secrets diff.Scrubber, known bool) {
	if !slices.ContainsFunc(f.Processes, func(status supervise.Status) bool { return status.Phase == supervise.Exited }) {
		return secrets, true
	}
	record, _ := d.cfg.Journal.Get(idOf(f.Name))
	m, err := recall(record)
	if err != nil || m.Outcome != nil {
		return secrets, true
	}
	spec, err := m.spec()
	if err != nil || spec.App == "" {
		return secrets, true
	}
	values, known := d.cfg.Secrets(ctx, spec.App)
	return diff.NewScrubber(values), known
}

// onHost is a ground with nothing of the agent's own.
func (d *Driver) onHost(spec v1alpha1.CommandSpec) (supervise.Launch, error) {
	launch := supervise.Launch{Dir: d.cfg.Files.HostPath("/")}
	if spec.Directory != "" {
		launch.Dir = d.cfg.Files.HostPath(spec.Directory)
	}
	who, err := d.account(spec.User)
	if err != nil {
		return launch, err
	}
	env := map[string]string{"PATH": d.cfg.Path, "HOME": who.home, "LANG": "C.UTF-8"}
	if who.chosen {
		launch.UID, launch.GID = &who.uid, &who.gid
	}
	maps.Copy(env, spec.Env)
	launch.Env = entries(env)
	return launch, nil
}

// entries gives variables in the form of environ(7), sorted.
func entries(env map[string]string) []string {
	all := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}

// account is who a command runs as.
type account struct {
	chosen   bool // another than the agent's own
	uid, gid uint32
	home     string
}

// account gives who a name or number is; "" is the agent's own user.
func (d *Driver) account(name string) (account, error) {
	uid := d.cfg.UID
	if name != "" {
		var err error
		if uid, err = d.cfg.Files.User(name); err != nil {
			return account{}, err
		}
	}
	if uid != d.cfg.UID && d.cfg.UID != 0 {
		return account{}, fault.New(fault.Denied, "run as", "spec.user", "only an agent that runs as root can choose another user").
			WithHint("leave spec.user out, or run the agent as root")
	}
	who := account{chosen: uid != d.cfg.UID, uid: uint32(uid), gid: uint32(uid), home: "/"}
	if known, err := user.LookupId(strconv.Itoa(uid)); err == nil { // a number without an account has the group of the same number
		if gid, err := strconv.ParseUint(known.Gid, 10, 32); err == nil {
			who.gid = uint32(gid)
		}
		if filepath.IsAbs(known.HomeDir) {
			who.home = known.HomeDir
		}
	}
	return who, nil
}
