package host

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/apps"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// Host is this machine as a target. It keeps owners apart, puts steps in order and tells owners what happens to their objects; what an
// object is, its driver knows. Safe for concurrent use.
type Host struct {
	journal  *journal.Journal
	parts    []part           // in the order in which their objects are made
	kinds    map[string]*part // by the name of the kind
	apps     *apps.Driver
	forward  *forwarding // of what apps write
	log      *slog.Logger
	readOnly bool

	locks    locks
	audience audience
	// listen has the drivers watch, from the first call on until Close; stop ends that, and following waits for it.
	listen    func()
	stop      context.CancelFunc
	following sync.WaitGroup
	// retry is how long to wait after a watch was lost, growing from the first to the second.
	retry [2]time.Duration
	close func() error
}

var _ target.Target = (*Host)(nil)

// part is one driver with its kinds.
type part struct {
	name   string // for the log
	kinds  []string
	driver driver
	// rank orders the driver's objects within a stage: lower ones are made before, and deleted after, higher ones. Nil: in any order.
	rank func(subject) int
}

// subject is an object that something is to be done about, with what is known of it.
type subject struct {
	id     state.ID
	want   *state.Object  // nil when it is not wanted
	record journal.Record // the zero value when there is none
}

// setup is what a host is made of.
type setup struct {
	journal  *journal.Journal
	parts    []part
	log      *slog.Logger
	readOnly bool
	release  func() error // gives back what the drivers were made of, after they were closed; nil for nothing
}

func newHost(s setup) *Host {
	if s.release == nil {
		s.release = func() error { return nil }
	}
	h := &Host{
		journal: s.journal, parts: s.parts, kinds: map[string]*part{}, log: s.log, readOnly: s.readOnly,
		retry: [2]time.Duration{time.Second, time.Minute},
	}
	for i := range h.parts {
		for _, kind := range h.parts[i].kinds {
			h.kinds[kind] = &h.parts[i]
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.listen = sync.OnceFunc(func() {
		for i := range h.parts {
			h.following.Go(func() { h.follow(ctx, &h.parts[i]) })
		}
	})
	h.close = sync.OnceValue(func() error { return errors.Join(h.end(), s.release()) })
	return h
}

// Owned implements target.Target.
func (h *Host) Owned(_ context.Context, owner state.Owner) ([]state.ID, error) {
	return h.journal.Owned(owner), nil
}

// Apps gives the driver of Apps, for what people ask about them: their releases, going back to one, where their output is kept.
func (h *Host) Apps() *apps.Driver { return h.apps }

// Close ends watching, and gives back what the drivers and the journal hold. Nothing may be under way any more but watches. It may be
// called more than once.
func (h *Host) Close() error { return h.close() }

func (h *Host) end() error {
	h.stop()
	h.following.Wait()
	_ = h.forward.Close() // it has nothing to lose
	var errs []error
	for _, part := range h.parts {
		errs = append(errs, part.driver.Close())
	}
	return errors.Join(append(errs, h.journal.Close())...)
}

// driverOf gives the driver of a kind.
func (h *Host) driverOf(id state.ID) (driver, error) {
	if part := h.kinds[id.Kind]; part != nil && id.Group == group {
		return part.driver, nil
	}
	return nil, fault.New(fault.Invalid, "find the driver of", id.String(), "the group "+group+" has no kind "+id.Kind).
		WithHint("its kinds are File, Directory, Link, App and Command: see `setpoint schema`")
}

// belongsTo refuses what another owner has, naming both.
func belongsTo(record journal.Record, owner state.Owner) error {
	return fault.New(fault.Conflict, "claim", record.ID.String(), "it belongs to "+record.Owner.String()+", not to "+owner.String()).
		WithHint("declare it in one place only, or remove it there first")
}

// Bounds on how many objects are looked at and changed at once: more than there are processors, because whoever changes something
// mostly waits for the disk, and those who wait together share its writes.
const (
	readers = 8
	writers = 64
)

// inParallel calls do for each number below n, so many at once, and returns when all calls have.
func inParallel(n, atOnce int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, atOnce) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
