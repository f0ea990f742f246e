package loop

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// Inputs are what a loop is told from outside. They are replaced as a whole, never changed in place.
type Inputs struct {
	Spec     Spec
	Path     string
	Prune    bool
	Ignore   []diff.Ignore
	Backoff  Backoff
	Rollback bool // go back to what was healthy when a revision does not become so
	Deleting bool
	// Terms are what the guards go by; nil for those that are on by default.
	Terms *policy.Terms
	// Approval of a plan, and Override of the windows, by a person; nil for none.
	Approval *v1alpha1.Approval
	Override *v1alpha1.WindowOverride
	// Assess says how an object is doing where the declaration says what healthy means; nil for nowhere.
	Assess func(id state.ID, content func() map[string]any) (state.Health, bool)
	// Checks gives what has to be healthy beside the objects, as it is now; nil for nothing.
	Checks func() []Need
	// Latest gives what is known of the source; nil when there is none (see Spec.Err).
	Latest func() Latest
	// Outside gives the version of everything that a render depends on beside the artifact: how it is declared to be rendered, values and
	// artifacts from elsewhere. Another version means that it has to be rendered again. Nil: nothing.
	Outside func() uint64
	// Refresh asks the source to look now.
	Refresh func()
	// Needs gives the objects that have to be healthy first, as they are now.
	Needs func() []Need
	// Target is what the Sync drives.
	Target target.Target
	// Describe the source and the target, for people.
	SourceName, TargetName string
}

// Latest is what is known of a source.
type Latest struct {
	Artifact source.Artifact // nil when none has ever been seen
	Err      error           // why the last look failed
	// CheckedAt is when the source was last asked, with success or without.
	CheckedAt time.Time
}

// Config is what a loop is made with.
type Config struct {
	// Context ends when the agent does not wait any longer for actions under way.
	Context context.Context //nolint:containedctx // the loop's life, not a call's
	Owner   state.Owner
	Parent  string
	Render  func(ctx context.Context, artifact source.Artifact, path string) (render.Result, error)
	History *history.History
	// Slots bounds the renders that run at once in the whole agent.
	Slots chan struct{}
	// Go runs a function as part of the agent, which waits for it when it stops.
	Go func(func())
	// Stopping is closed when no new action may begin.
	Stopping <-chan struct{}
	Now      func() time.Time
	// After calls a function once, a while from now, unless it is stopped before; nil for the machine's timers.
	After  func(wait time.Duration, f func()) (stop func())
	Random *rand.Rand
	Log    *slog.Logger
	// Publish is told every change of the status, in order.
	Publish func(Update)
	// Gone is told once, when the Sync owns nothing any more after its declaration went.
	Gone func(name string)
	// Before is what was known when the agent stopped last.
	Before Rest
	// Resync is how long a comparison is trusted without any event; the safety net under the watches.
	Resync time.Duration
	// Shelf keeps what can be gone back to; nil for nothing.
	Shelf Shelf
}

// Update is a new status, with what led to it.
type Update struct {
	Status  v1alpha1.SyncStatus
	Events  []v1alpha1.Event
	Rest    Rest // to be remembered across restarts
	Resting bool // the loop waits for an event: a good moment to remember
	Keep    bool // Rest has to be remembered before the loop goes on
	// Settled is how long it took from seeing a revision to everything being healthy, when that has just come about.
	Settled time.Duration
}

// Rest is what a loop remembers across restarts.
type Rest struct {
	Status v1alpha1.SyncStatus `json:"status"`
	// Desired is the digest of the desired state that was last in force.
	Desired state.Digest `json:"desired,omitempty"`
	// InForce is the digest, as rendered, of the one that was put in force last.
	InForce state.Digest `json:"inForce,omitempty"`
	// Good and Bad are what was healthy and what failed before.
	Good []Good        `json:"good,omitempty"`
	Bad  []Quarantined `json:"bad,omitempty"`
	// Hooks of the desired state in force.
	Hooks *hookRun `json:"hooks,omitempty"`
	// Approved is the time of the approval that was used last, which counts once.
	Approved time.Time `json:"approved,omitzero"`
}

// Loop drives one Sync. Its methods are safe for concurrent use and never block; the work is done by one goroutine at a time
// that exists only while there is something to do.
type Loop struct {
	cfg Config

	mu      sync.Mutex
	inbox   inbox
	running bool
	timer   func() // stops it; nil when there is none
	view    view

	// Only the running goroutine touches what follows.
	in      Inputs
	desired desired
	actual  actual
	memory  memory
	past    past
	attempt attempt
	backTo  *Good // what a person, or an earlier run, has decided to go back to
	keep    bool  // what is remembered has changed in a way that a crash must not undo
	settled time.Duration
	status  v1alpha1.SyncStatus
	rest    v1alpha1.SyncStatus // the last status at rest that no attempt has disturbed since
	held    state.Revision      // the last one that the target was seen equal to
	news    v1alpha1.SyncStatus // the last one that made an event
	events  []v1alpha1.Event
	// requestedAt is when a person last asked to look at everything.
	requestedAt time.Time
}

// view is what others may look at while the loop runs; it is replaced, never changed.
type view struct {
	status  v1alpha1.SyncStatus
	entries []diff.Entry
	want    state.Set
	changes []diff.Entry // that guards keep back
	good    []Good
	inForce state.Digest
}

// inbox collects wake-ups until the loop looks; they are merged, so a flood of them costs one look.
type inbox struct {
	inputs  *Inputs
	poke    bool // look again at the source, the dependencies, the time
	request bool // a person asks: forget back-offs, compare everything
	all     bool // every object of the target may have changed
	ids     map[state.ID]struct{}
	// rollback is what a person asks to go back to.
	rollback *rollbackRequest
}

func (b *inbox) empty() bool {
	return b.inputs == nil && !b.poke && !b.request && !b.all && len(b.ids) == 0 && b.rollback == nil
}

// New makes a loop that waits for its first Configure.
func New(cfg Config) *Loop {
	if cfg.After == nil {
		cfg.After = func(wait time.Duration, f func()) func() {
			timer := time.AfterFunc(wait, f)
			return func() { timer.Stop() }
		}
	}
	l := &Loop{cfg: cfg, status: cfg.Before.Status, rest: cfg.Before.Status, news: cfg.Before.Status, held: cfg.Before.Status.Applied}
	l.status.Name, l.status.Parent = cfg.Owner.Sync, cfg.Parent
	l.status.State, l.status.Reason, l.status.Message = string(Pending), "Starting", "has not looked yet"
	l.status.Since = cfg.Now()
	l.memory.restore(cfg.Before)
	l.past = past{
		good: slices.Clone(cfg.Before.Good), bad: slices.Clone(cfg.Before.Bad), allowed: cfg.Before.InForce, approved: cfg.Before.Approved,
	}
	l.view = view{status: l.status}
	return l
}

// Configure gives the loop new inputs.
func (l *Loop) Configure(in Inputs) { l.wake(func(b *inbox) { b.inputs = &in }) }

// Poke asks the loop to look at its source and its dependencies.
func (l *Loop) Poke() { l.wake(func(b *inbox) { b.poke = true }) }

// Request asks, for a person, to look at everything now and to try again what failed.
func (l *Loop) Request() { l.wake(func(b *inbox) { b.request = true }) }

// Notify says that objects on the target may have changed.
func (l *Loop) Notify(event target.Event) {
	l.wake(func(b *inbox) {
		if len(event.IDs) == 0 {
			b.all = true
			return
		}
		if b.ids == nil {
			b.ids = make(map[state.ID]struct{}, len(event.IDs))
		}
		for _, id := range event.IDs {
			b.ids[id] = struct{}{}
		}
	})
}

// Status gives the status as it was published last.
func (l *Loop) Status() v1alpha1.SyncStatus { return l.look().status }

// Want gives the desired state that is in force.
func (l *Loop) Want() state.Set { return l.look().want }

// Held gives the plan that guards keep back, with its changes as they were judged; nil when none does.
func (l *Loop) Held() (*v1alpha1.HeldPlan, []v1alpha1.Change) {
	seen := l.look()
	if seen.status.Plan == nil {
		return nil, nil
	}
	changes := make([]v1alpha1.Change, 0, len(seen.changes))
	for _, entry := range seen.changes {
		changes = append(changes, diff.Change(entry, byRevision, 0))
	}
	return seen.status.Plan, changes
}

// Detail gives the status with every object.
func (l *Loop) Detail() v1alpha1.SyncDetail {
	seen := l.look()
	detail := v1alpha1.SyncDetail{SyncStatus: seen.status, Items: make([]v1alpha1.ObjectStatus, 0, len(seen.entries))}
	contended := map[state.ID]state.Health{}
	for _, c := range seen.status.Contended {
		contended[c.ID] = contendedHealth(c)
	}
	for _, entry := range seen.entries {
		item := v1alpha1.ObjectStatus{ID: entry.ID, Health: entry.Health}
		if health, ok := contended[entry.ID]; ok && entry.Health.Status != state.Degraded { // else it says better what is wrong
			item.Health = health
		}
		if fault.KindOf(entry.Err) == fault.Conflict { // two that declare one object
			item.Health = state.Health{Status: state.Degraded, Reason: ReasonContended, Message: entry.Err.Error()}
		}
		if entry.Want != nil {
			item.Origin = entry.Want.Origin().String()
		}
		if entry.Op != diff.None || entry.Err != nil {
			change := diff.Change(entry, "", 0)
			item.Change = &change
		}
		detail.Items = append(detail.Items, item)
	}
	return detail
}

// Health gives the health of one object of the Sync, if it has that object. One that is left to others is not on its way.
func (l *Loop) Health(id state.ID) (state.Health, bool) {
	seen := l.look()
	entries := seen.entries
	at, found := slices.BinarySearchFunc(entries, id, func(entry diff.Entry, id state.ID) int { return entry.ID.Compare(id) })
	if !found || entries[at].Op == diff.Delete {
		return state.Health{}, false
	}
	health := entries[at].Health
	for _, c := range seen.status.Contended {
		if c.ID == id && !health.Ready() && health.Status != state.Degraded {
			return contendedHealth(c), true
		}
	}
	return health, true
}

// Refused gives why an object of the Sync cannot be put in force as it is declared; nil when it can, or is none of the Sync's.
func (l *Loop) Refused(id state.ID) error {
	entries := l.look().entries
	at, found := slices.BinarySearchFunc(entries, id, func(entry diff.Entry, id state.ID) int { return entry.ID.Compare(id) })
	if !found || entries[at].Want == nil || entries[at].Op == diff.Create {
		return nil
	}
	return entries[at].Err
}

func (l *Loop) look() view {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}

// Stop ends the loop's timer. A running action ends by its context.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer()
	}
	l.running = true // nothing starts any more
}

func (l *Loop) wake(note func(*inbox)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	note(&l.inbox)
	if l.running || l.stopping() {
		return
	}
	l.running = true
	l.cfg.Go(l.run)
}

func (l *Loop) stopping() bool {
	select {
	case <-l.cfg.Stopping:
		return true
	default:
		return false
	}
}

// drain takes what has been noted since the last look.
func (l *Loop) drain() inbox {
	l.mu.Lock()
	defer l.mu.Unlock()
	noted := l.inbox
	l.inbox = inbox{}
	return noted
}

// sleep ends the run unless something was noted meanwhile, and sets the timer; it says whether it ended.
func (l *Loop) sleep(until time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.inbox.empty() && !l.stopping() {
		return false
	}
	l.running = false
	if l.timer != nil {
		l.timer()
		l.timer = nil
	}
	if !until.IsZero() {
		// A millisecond more, so that the instant waited for has passed on every clock.
		l.timer = l.cfg.After(until.Sub(l.cfg.Now())+time.Millisecond, l.Poke)
	}
	return true
}

func sortedIDs(ids map[state.ID]struct{}) []state.ID {
	return slices.SortedFunc(maps.Keys(ids), state.ID.Compare)
}
