package host

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/logs"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// Config says what a host needs. Dir and SecretKey are necessary.
type Config struct {
	// Dir is the part of the data directory that belongs to the host; it is made when it is missing.
	Dir string
	// Root is the directory that stands for "/"; "" is "/" itself. Nothing outside it is read or changed for a declaration.
	Root string
	// Agent is the agent's name, which is part of owners.
	Agent string
	// SecretKey makes the hashes that secrets are shown as, see diff.Redactor, and seals what is remembered of apps and commands.
	SecretKey []byte
	// Getenv finds the secrets that declarations name by a variable; default os.LookupEnv.
	Getenv func(name string) (string, bool)
	Log    *slog.Logger // default: nothing is logged
	// ReadOnly is for previews beside an agent that may be at work: everything can be compared, nothing applied, and nothing is locked,
	// written, started or watched.
	ReadOnly bool

	// Program, by its absolute path, is started as `Program supervise --dir DIR` when the first app is wanted; "" starts none. A
	// supervisor of another Version is replaced.
	Program, Version string
	// Builds gives the tree that a directory of a source's revision has, by its digest; Transient while it is not there yet.
	Builds func(digest string) (fs.FS, error)
	// Lookup gives what a ConfigMap or Secret of an owner's cluster holds, decoded; nil when there is no cluster.
	Lookup func(ctx context.Context, owner state.Owner, id state.ID) (map[string]string, error)
	// AppLogs also gets what apps write, a JSON line each, one Write for each; nil for nothing.
	AppLogs io.Writer
}

// Open takes up the host as it was left, however that was. It must be closed. Errors are those of the journal (package journal), and
// Invalid for a root that cannot be used. That changes cannot be watched is no error: then everything is looked at now and then.
func Open(_ context.Context, cfg Config) (*Host, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Getenv == nil {
		cfg.Getenv = os.LookupEnv
	}
	root, err := rootfs.Open(cfg.Root)
	if err != nil {
		return nil, err
	}
	if err := makeDir(cfg); err != nil {
		_ = root.Close()
		return nil, err
	}
	memory, err := openJournal(cfg)
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	b := building{cfg: cfg, root: root, journal: memory, redact: diff.Redactor{Key: cfg.SecretKey}, supervisor: connecting(cfg)}
	if !cfg.ReadOnly {
		b.eyes = newEyes(root, cfg.Log)
		b.ears = newEars(root, b.eyes, cfg.Log)
	}
	appsPart, apps := b.apps()
	h := newHost(setup{
		journal: memory, log: cfg.Log, readOnly: cfg.ReadOnly, parts: []part{b.files(), appsPart, b.commands(apps)}, release: b.release,
	})
	h.apps = apps
	if !cfg.ReadOnly {
		h.forward = newForwarding(cfg.AppLogs, logs.Read, apps.LogDir)
		for _, name := range apps.Apps() {
			h.forward.begin(name)
		}
	}
	h.warnOfOthers(cfg.Agent)
	return h, nil
}

// makeDir makes the host's directory. The apps of an agent that runs as root are users of their own, and have to come through.
func makeDir(cfg Config) error {
	if cfg.ReadOnly {
		return nil
	}
	err := os.MkdirAll(cfg.Dir, 0o700)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chmod(cfg.Dir, 0o711) //nolint:gosec // it can be entered, not listed; what is in it has modes of its own
	}
	return fault.Wrap(fault.Denied, "make", "the directory "+cfg.Dir, err)
}

func openJournal(cfg Config) (*journal.Journal, error) {
	dir := filepath.Join(cfg.Dir, "journal")
	if cfg.ReadOnly {
		return journal.OpenReadOnly(dir, journal.Options{Key: cfg.SecretKey})
	}
	return journal.Open(dir, journal.Options{Log: cfg.Log, Key: cfg.SecretKey})
}

// release gives back what the drivers were made of.
func (b building) release() error {
	return errors.Join(b.supervisor.Close(), b.ears.Close(), b.eyes.Close(), b.root.Close())
}

// Agents gives the names of the agents that own something on this host, as the journal has them.
func (h *Host) Agents() []string {
	var names []string
	for _, record := range h.journal.All() {
		names = append(names, record.Owner.Agent)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// warnOfOthers says early what would show as a conflict with every object: the agent had another name when it took them.
func (h *Host) warnOfOthers(agent string) {
	others := slices.DeleteFunc(h.Agents(), func(name string) bool { return name == agent })
	if agent != "" && len(others) > 0 && !h.readOnly {
		h.log.Warn("the data directory says that objects of this host belong to an agent of another name",
			"agent", agent, "other", strings.Join(others, ", "), "hint", "set SETPOINT_NAME to the earlier name if it is the same agent")
	}
}
