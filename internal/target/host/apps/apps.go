// Package apps drives the kind App: twelve-factor apps on this host. It decides what should run; the supervisor (package supervise)
// runs it, and goes on when the agent does not.
//
// The files, in the order of the story: compare.go says what differs, apply.go takes on a declaration, blueprint.go and env.go make a
// configuration of it; control.go is the loop of one app, that gathers facts (facts.go), decides (decide.go, takeover.go, steady.go:
// pure), remembers (memory.go) and acts (act.go); unpack.go, archive.go and manifest.go keep the files of releases; health.go tells how
// an app is doing, quote.go what may be quoted of it; needs.go probes backing services; observe.go listens to the supervisor; releases.go
// answers people.
package apps

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/listen"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// Builds gives the directories of source revisions that apps are built of.
type Builds interface {
	// Open gives the tree with a digest. The error is Transient while it is not there yet.
	Open(digest string) (fs.FS, error)
}

// Objects looks up what a Sync's cluster holds.
type Objects interface {
	// Lookup gives the data of a ConfigMap or Secret of an owner's cluster, decoded. An object that is not there is NotFound.
	Lookup(ctx context.Context, owner state.Owner, id state.ID) (map[string]string, error)
}

// Journal is the durable memory of what is owned. Safe for concurrent use.
type Journal interface {
	// Put writes records; they are safe from a crash when it returns.
	Put(ctx context.Context, records ...journal.Record) error
	Delete(ctx context.Context, ids ...state.ID) error
	Get(id state.ID) (journal.Record, bool)
	All() []journal.Record
}

// Files reads files of the host, confined to where the agent may read. *rootfs.Root is the real one.
type Files interface {
	// ReadFollowing gives the content of a file of at most limit bytes.
	ReadFollowing(name string, limit int64) ([]byte, error)
	// User and Group give the number of a name or number.
	User(name string) (int, error)
	Group(name string) (int, error)
	// HostPath gives the path on the host of a name inside the root; Inside the other way, if it is there.
	HostPath(name string) string
	Inside(hostPath string) (string, bool)
}

// Watcher tells when something at a path may have changed. *watch.Watcher is the real one; it may be shared.
type Watcher interface {
	// Set says which paths a key watches from now on; none ends it.
	Set(key string, paths ...string) error
	// Follow tells of keys until ctx ends.
	Follow(ctx context.Context, changed func(all bool, keys ...string)) error
}

// Config is what a Driver works with.
type Config struct {
	Dir     string // of the agent's data; apps are below Dir/apps
	Journal Journal
	// Supervisor connects to the supervisor, and starts it where that is allowed. It is called when an app is wanted or recorded.
	Supervisor func(ctx context.Context) (supervise.Supervisor, error)
	Builds     Builds
	Objects    Objects // nil: there is no cluster
	Files      Files
	Watcher    Watcher                          // nil: files are looked at when something else asks for a comparison
	Getenv     func(name string) (string, bool) // default os.LookupEnv
	Redact     diff.Redactor
	Path       string       // PATH of processes that declare none; default that of a clean system
	UID        int          // of the agent; 0 may choose users
	HTTP       *http.Client // downloads archives and probes; default a client with time-outs
	Log        *slog.Logger
	Now        func() time.Time // default time.Now
	// ReadOnly: another process does the work; nothing is started, written or stopped.
	ReadOnly bool
}

// Driver drives the objects of kind App. Safe for concurrent use.
type Driver struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // the life of everything that the driver has started; ended by Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	controllers map[string]*controller
	claims      map[string]uint32 // users of apps that are not in the journal yet
	observing   bool
	supervisor  supervise.Supervisor

	listeners listen.Group
}

// New makes a driver. It starts nothing before an app is wanted or recorded.
func New(cfg Config) *Driver {
	if cfg.Getenv == nil {
		cfg.Getenv = os.LookupEnv
	}
	if cfg.Path == "" {
		cfg.Path = cleanPath
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.HTTP == nil {
		cfg.HTTP = newHTTP()
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Driver{
		cfg: cfg, ctx: ctx, stop: stop, controllers: map[string]*controller{}, claims: map[string]uint32{},
	}
}

// Close ends everything that the driver has started. The apps go on.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	all := make([]*controller, 0, len(d.controllers))
	for _, c := range d.controllers {
		all = append(all, c)
	}
	d.mu.Unlock()
	d.stop()
	for _, c := range all {
		c.close()
	}
	d.wg.Wait()
	return nil
}

// Apps gives the names of the apps that are owned, sorted.
func (d *Driver) Apps() []string {
	var names []string
	for _, record := range d.records() {
		names = append(names, record.ID.Name)
	}
	slices.Sort(names)
	return names
}

// LogDir gives the directory that the output of an app's processes is kept in.
func (d *Driver) LogDir(name string) (string, error) {
	if _, err := d.memoryOf(name); err != nil {
		return "", err
	}
	return d.place(name).logs(), nil
}

// spawn starts a goroutine that Close waits for; false when the driver is closed.
func (d *Driver) spawn(run func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.wg.Go(run)
	return true
}

// controllerOf gives the controller of an app.
func (d *Driver) controllerOf(name string) *controller {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.controllers[name]
	if c == nil {
		c = &controller{d: d, name: name}
		d.controllers[name] = c
	}
	return c
}

// changed tells all that watch of one app.
func (d *Driver) changed(name string) {
	d.listeners.Tell(false, idOf(name))
}

func (d *Driver) records() []journal.Record {
	return slices.DeleteFunc(d.cfg.Journal.All(), func(r journal.Record) bool {
		return r.ID.Group != v1alpha1.GroupHost || r.ID.Kind != v1alpha1.KindApp
	})
}

// idOf gives the identity of the app with a name: apps have no namespaces.
func idOf(name string) state.ID {
	return state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindApp, Name: name}
}

// place is where the files of one app are.
type place string

func (d *Driver) place(name string) place { return place(filepath.Join(d.cfg.Dir, "apps", name)) }

func (p place) releases() string             { return filepath.Join(string(p), "releases") }
func (p place) logs() string                 { return filepath.Join(string(p), "logs") }
func (p place) scratch() string              { return filepath.Join(string(p), "scratch") }
func (p place) release(number int) string    { return filepath.Join(p.releases(), itoa(number)) }
func (p place) manifestOf(number int) string { return p.release(number) + ".manifest" }
