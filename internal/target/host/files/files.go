// Package files drives the kinds File, Directory and Link on this host.
//
// The files, in the order of the story: declare.go reads a declaration, with content.go, template.go and secrets.go, which make what
// a file is to hold; look.go sees what is there; differ.go compares the two and names the fields (pure); claims.go knows which path
// is whose; memory.go is what the journal keeps; compare.go answers Compare; apply.go carries out a step, with act.go for the changes,
// validate.go for the user's command and purge.go for entries that nobody declares; withdraw.go takes away or restores; follow.go
// watches.
package files

import (
	"context"
	"log/slog"
	"os"
	"path"
	"runtime"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// Journal is the durable memory of what is owned. Safe for concurrent use.
type Journal interface {
	// Put writes records, all or none; they are safe from a crash when it returns.
	Put(ctx context.Context, records ...journal.Record) error
	Delete(ctx context.Context, ids ...state.ID) error
	Get(id state.ID) (journal.Record, bool)
	All() []journal.Record
	// Keep stores what a file held, safe from a crash when it returns, for as long as a record names it among its Blobs.
	Keep(content []byte) (digest string, err error)
	Kept(digest string) ([]byte, error)
}

// Watcher tells when something at a path may have changed. *watch.Watcher is the real one; it may be shared.
type Watcher interface {
	// Set says which paths a key watches from now on; none ends it. A path that ends in "/" stands for the entries of a directory.
	Set(key string, paths ...string) error
	// Follow tells of keys, also those of others, until ctx ends.
	Follow(ctx context.Context, changed func(all bool, keys ...string)) error
}

// Witness knows who changes files.
type Witness interface {
	// Who gives who changed what is at a path last, for people, and when; false when nobody knows. What the agent itself changes makes
	// that unknown again.
	Who(path string) (who string, when time.Time, ok bool)
}

// Facts are what templates see of the host as .Host.
type Facts struct {
	Name string // the host's name
	OS   string
	Arch string
	CPUs int
}

// ThisHost gives the facts of the machine that the agent runs on.
func ThisHost() Facts {
	name, _ := os.Hostname() // a host without a name has none in templates either
	return Facts{Name: name, OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
}

// Config is what a Driver works with. Root and Journal are needed; they stay the caller's.
type Config struct {
	Root     *rootfs.Root
	Journal  Journal
	Watcher  Watcher // nil: Watch tells nothing, and drift is found when something else asks for a comparison
	Witness  Witness // nil: nobody is named
	Redactor diff.Redactor
	Host     Facts
	Getenv   func(name string) (string, bool) // of secrets; default os.LookupEnv
	Log      *slog.Logger                     // default none
	// ReadOnly: another process does the work, and may be writing files at this moment; only Compare and Owned are called.
	ReadOnly bool
}

// Driver drives the objects of the kinds File, Directory and Link. Safe for concurrent use.
type Driver struct {
	cfg      Config
	uid, gid int // the agent's
	claims   *claims
	declared declared
	seen     seen
	unheard  sync.Once // that changes are seen late is said once
}

// Kinds are the kinds of objects that a Driver drives.
func Kinds() []string { return []string{v1alpha1.KindFile, v1alpha1.KindDirectory, v1alpha1.KindLink} }

// New makes a driver, and takes away what a crash left of files that were being made, beside what the journal says is owned.
func New(cfg Config) *Driver {
	if cfg.Getenv == nil {
		cfg.Getenv = os.LookupEnv
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Driver{
		cfg: cfg, uid: os.Geteuid(), gid: os.Getegid(), claims: newClaims(),
		declared: declared{byID: map[state.ID]*known{}}, seen: seen{byPath: map[string]sight{}},
	}
	d.recover()
	return d
}

// recover takes up what the journal says. What was begun and not finished needs nothing more: it compares as different.
func (d *Driver) recover() {
	dirs := map[string]bool{}
	for _, record := range d.cfg.Journal.All() {
		if !drives(record.ID) {
			continue
		}
		held := recall(record)
		for _, place := range held.places() {
			d.claims.hold(record.ID, record.Owner, place.Path)
			dirs[path.Dir(place.Path)] = true
		}
		d.watch(record.ID, held.watched())
	}
	if d.cfg.ReadOnly {
		return
	}
	for dir := range dirs {
		if swept, err := d.cfg.Root.Sweep(dir); err != nil {
			d.cfg.Log.Warn("left-overs of a crash may still be there", "path", dir, "error", err)
		} else if swept > 0 {
			d.cfg.Log.Info("removed what a crash left of unfinished files", "path", dir, "files", swept)
		}
	}
}

// drives says whether an object is of one of the driver's kinds.
func drives(id state.ID) bool {
	return id.Group == v1alpha1.GroupHost &&
		(id.Kind == v1alpha1.KindFile || id.Kind == v1alpha1.KindDirectory || id.Kind == v1alpha1.KindLink)
}

// Close gives back what the driver holds, which is nothing: its parts are the caller's.
func (d *Driver) Close() error { return nil }
