package host

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/apps"
	"github.com/setpoint-dev/setpoint/internal/target/host/commands"
	"github.com/setpoint-dev/setpoint/internal/target/host/files"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// building is what the drivers are made of.
type building struct {
	cfg        Config
	root       *rootfs.Root
	journal    *journal.Journal
	ears       *ears // nil when nothing is watched
	eyes       *eyes // nil when nobody can be seen
	supervisor *connection
	redact     diff.Redactor
}

func (b building) files() part {
	cfg := files.Config{
		Root: b.root, Journal: b.journal, Redactor: b.redact, Host: files.ThisHost(), Getenv: b.cfg.Getenv, Log: b.cfg.Log,
		ReadOnly: b.cfg.ReadOnly,
	}
	if b.ears != nil {
		cfg.Watcher = b.ears
	}
	if b.eyes != nil {
		cfg.Witness = b.eyes
	}
	return part{name: "files", kinds: files.Kinds(), driver: files.New(cfg), rank: filesRank}
}

func (b building) apps() (part, *apps.Driver) {
	cfg := apps.Config{
		Dir: b.cfg.Dir, Journal: b.journal, Supervisor: b.supervisor.get, Builds: builds(b.cfg.Builds), Files: b.root,
		Getenv: b.cfg.Getenv, Redact: b.redact, Path: b.path(), UID: os.Geteuid(), Log: b.cfg.Log, ReadOnly: b.cfg.ReadOnly,
	}
	if b.ears != nil {
		cfg.Watcher = b.ears
	}
	if b.cfg.Lookup != nil {
		cfg.Objects = objects(b.cfg.Lookup)
	}
	driver := apps.New(cfg)
	return part{name: "apps", kinds: []string{v1alpha1.KindApp}, driver: driver}, driver
}

func (b building) commands(of *apps.Driver) part {
	driver := commands.New(commands.Config{
		Dir: b.cfg.Dir, Journal: b.journal, Supervisor: b.supervisor.get, App: b.supervisor.oneOff, Secrets: of.Secrets,
		Files: b.root, Path: b.path(),
		UID: os.Geteuid(), Redact: b.redact, Log: b.cfg.Log, ReadOnly: b.cfg.ReadOnly,
	})
	return part{name: "commands", kinds: []string{v1alpha1.KindCommand}, driver: driver}
}

// path is the PATH of processes that declare none: a clean system's, and where this program is.
func (b building) path() string {
	if b.cfg.Program == "" {
		return ""
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + filepath.Dir(b.cfg.Program)
}

// builds is Config.Builds in the form that the driver of apps wants.
type builds func(digest string) (fs.FS, error)

// Open implements apps.Builds.
func (b builds) Open(digest string) (fs.FS, error) {
	if b == nil {
		return nil, fault.New(fault.Transient, "open", "build "+digest, "the source's files are not at hand")
	}
	return b(digest)
}

// objects is Config.Lookup in the form that the driver of apps wants.
type objects func(ctx context.Context, owner state.Owner, id state.ID) (map[string]string, error)

// Lookup implements apps.Objects.
func (o objects) Lookup(ctx context.Context, owner state.Owner, id state.ID) (map[string]string, error) {
	return o(ctx, owner, id)
}
