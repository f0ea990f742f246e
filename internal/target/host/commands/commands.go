// Package commands drives the kind Command: commands of this host that run to their end, once for each content of their declaration. It
// decides what should run; the supervisor (package supervise) runs it, and goes on when the agent does not.
//
// The files, in the order of the story: compare.go says what differs and how a command is doing, apply.go takes on a declaration,
// memory.go is what the journal keeps of it; run.go carries one command on: it asks the supervisor, decides (decide.go: pure), remembers
// and acts; launch.go makes what a process needs; words.go says how it ended.
package commands

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/listen"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// Journal is the durable memory of what is owned. Safe for concurrent use.
type Journal interface {
	// Put writes records; they are safe from a crash when it returns.
	Put(ctx context.Context, records ...journal.Record) error
	Delete(ctx context.Context, ids ...state.ID) error
	Get(id state.ID) (journal.Record, bool)
	All() []journal.Record
}

// Files knows the host's users and directories. *rootfs.Root is the real one.
type Files interface {
	// User gives the number of a name or number.
	User(name string) (int, error)
	// HostPath gives the path on the host of a name inside the root.
	HostPath(name string) string
}

// Config is what a Driver works with.
type Config struct {
	Dir     string // of the agent's data; the output of commands is below Dir/commands
	Journal Journal
	// Supervisor connects to the supervisor, and starts it where that is allowed. It is called when a command is to run, or does.
	Supervisor func(ctx context.Context) (supervise.Supervisor, error)
	// App gives what commands in an app run with: the environment of its active release, with its secrets.
	App func(ctx context.Context, name string) (supervise.Launch, error)
	// Secrets gives the secret values in that environment; known is false when nobody can say which they are.
	Secrets func(ctx context.Context, name string) (values []string, known bool)
	Files   Files
	Path    string // PATH of commands that are in no app; default that of a clean system
	UID     int    // of the agent; 0 may choose users
	Redact  diff.Redactor
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
	// ReadOnly: another process does the work; nothing is started, written or stopped.
	ReadOnly bool
}

// Driver drives the objects of kind Command. Safe for concurrent use.
type Driver struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // the life of everything that the driver has started; ended by Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	memory sync.Mutex // held while a record is read, changed and written

	mu      sync.Mutex
	closed  bool
	runners map[string]*runner // of commands that are not settled

	listeners listen.Group
}

// New makes a driver, and takes up the commands that an earlier agent has left half done.
func New(cfg Config) *Driver {
	if cfg.Path == "" {
		cfg.Path = cleanPath
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	d := &Driver{cfg: cfg, ctx: ctx, stop: stop, runners: map[string]*runner{}}
	for _, record := range cfg.Journal.All() {
		if record.ID.Group != v1alpha1.GroupHost || record.ID.Kind != v1alpha1.KindCommand {
			continue
		}
		if m, err := recall(record); err == nil && !m.Settled {
			d.wake(record.ID.Name)
		}
	}
	return d
}

// Close ends everything that the driver has started. The commands go on.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
	d.wg.Wait()
	return nil
}

// Watch tells of every command that may have changed, until ctx ends.
func (d *Driver) Watch(ctx context.Context, changed func(all bool, ids ...state.ID)) error {
	defer d.listeners.Join(changed)()
	changed(true)
	<-ctx.Done()
	return nil
}

// changed tells all that watch of one command.
func (d *Driver) changed(name string) { d.listeners.Tell(false, idOf(name)) }

// idOf gives the identity of the command with a name: commands have no namespaces.
func idOf(name string) state.ID {
	return state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindCommand, Name: name}
}

// place is the directory of what is kept of a command.
func (d *Driver) place(name string) string { return filepath.Join(d.cfg.Dir, "commands", name) }
