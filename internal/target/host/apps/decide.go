package apps

import (
	"maps"
	"slices"
	"time"

	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// facts are all that decisions look at: what is known of one app at one instant.
type facts struct {
	Memory    *memory
	Processes []supervise.Status   // of this app
	Address   *supervise.AppStatus // nil when the supervisor was told nothing of the app
	// Told: this supervisor has the app's environment from this agent. It keeps no secrets when it is started again.
	Told bool
	// Present are the releases whose files are unpacked.
	Present map[int]bool
	// Damaged: files of the active release are not what was unpacked. It is looked at only to Heal.
	Damaged bool
	// Heal: the loop has said that what differs from the declaration is to be repaired now. Without it a process that went wrong is
	// left for the loop to see, so that every repair is in the history.
	Heal bool
	// Causes are what else is wrong and may explain an ill health: a backing service that cannot be reached, the last error.
	Causes []string
}

// verb is what an action does.
type verb string

// The verbs.
const (
	doUnpack  verb = "unpack"  // bring the files of Release, and read its Procfile
	doRestore verb = "restore" // put back the files of Release that were changed
	doStart   verb = "start"   // Process
	doBalance verb = "balance" // make the address and its backends so: App
	doStop    verb = "stop"    // Process, after Drain
	doForget  verb = "forget"  // Process, which has exited
	doDiscard verb = "discard" // the files of Release
	doRelease verb = "release" // the address
	doFinish  verb = "finish"  // remove all files and the record: nothing of the app is left
)

// action is one thing to do. Doing it twice is the same as once.
type action struct {
	Do      verb
	Release int
	Process supervise.ProcessID
	Drain   time.Duration
	App     supervise.App // without its environment
}

// verdict is what decide says. Memory is to be safe on disk before the first of Actions is done: after a crash the same facts with
// that memory give the actions that are left.
type verdict struct {
	Memory  *memory
	Actions []action
	Wake    time.Time // when to look again without an event; zero for never
}

// seat is one place of a release's formation.
type seat struct {
	Release *release
	Type    string
	Index   int
}

func (s seat) name() string { return s.Type + "." + itoa(s.Index) }
func (s seat) slot() *slot  { return s.Release.slot(s.name()) }
func (s seat) fixed() bool  { return s.Release.Types[s.Type].Port > 0 }

// typePre is the process type of the command before a switch.
const typePre = "pre"

// decision is a decide under way.
type decision struct {
	facts
	app     string
	m       *memory // the next memory
	now     time.Time
	found   map[supervise.ProcessID]supervise.Status
	wanted  map[supervise.ProcessID]bool // those that are to go on
	blind   bool                         // the supervisor was not asked; only health looks at it
	verdict verdict
}

// decide says what to remember, what to do and when to look again: a pure function. These hold whatever happens:
//
//   - the processes of the active release stay in the balance until every one of the next is healthy;
//   - processes with fixed ports of two releases are never there at once;
//   - the command before the switch is started once per release;
//   - a release that failed is not tried again.
func decide(app string, f facts, now time.Time) verdict {
	d := newDecision(app, f, now)
	d.reap()
	if d.m.Removing {
		d.remove()
	} else {
		d.take()
		d.mend()
		d.fill()
		d.balance()
		d.dismiss()
		d.tidy()
	}
	d.verdict.Memory = d.m
	return d.verdict
}

func newDecision(app string, f facts, now time.Time) *decision {
	d := &decision{
		facts: f, app: app, m: f.Memory.clone(), now: now,
		found: map[supervise.ProcessID]supervise.Status{}, wanted: map[supervise.ProcessID]bool{},
	}
	for _, status := range f.Processes {
		d.found[status.ID] = status
	}
	return d
}

func (d *decision) do(a action) { d.verdict.Actions = append(d.verdict.Actions, a) }

// wake asks to be called again at an instant.
func (d *decision) wake(at time.Time) {
	if d.verdict.Wake.IsZero() || at.Before(d.verdict.Wake) {
		d.verdict.Wake = at
	}
}

// id names a seat's process of its present launch.
func (d *decision) id(s seat) supervise.ProcessID {
	return supervise.ProcessID{App: d.app, Release: s.Release.Number, Type: s.Type, Index: s.Index, Launch: s.slot().Launch}
}

func (d *decision) preID(r *release) supervise.ProcessID {
	return supervise.ProcessID{App: d.app, Release: r.Number, Type: typePre, Index: 1, Launch: 1}
}

// holder gives the process of a seat's present launch.
func (d *decision) holder(s seat) (supervise.Status, bool) {
	status, ok := d.found[d.id(s)]
	return status, ok
}

// seats gives the formation of a release, by type and index.
func (d *decision) seats(r *release) []seat {
	if r == nil {
		return nil
	}
	var all []seat
	for _, kind := range slices.Sorted(maps.Keys(r.Types)) {
		for index := range d.m.replicas(kind) {
			all = append(all, seat{Release: r, Type: kind, Index: index + 1})
		}
	}
	return all
}

// formation gives every seat that is to be held now.
func (d *decision) formation() []seat {
	all := d.seats(d.m.release(d.m.Active))
	t := d.m.Take
	if t == nil || t.Stage != stageStart && t.Stage != stageSwap {
		return all
	}
	if t.Stage == stageSwap {
		all = slices.DeleteFunc(all, seat.fixed)
	}
	return append(all, d.newSeats()...)
}

// newSeats are those of the release that is taking over that may be held at its stage.
func (d *decision) newSeats() []seat {
	next := d.m.release(d.m.Take.Release)
	seats := d.seats(next)
	if d.m.Take.Stage == stageStart && d.clash(next) {
		seats = slices.DeleteFunc(seats, seat.fixed)
	}
	return seats
}

// clash says whether a release cannot run beside the active one, because both have processes with fixed ports.
func (d *decision) clash(next *release) bool {
	return slices.ContainsFunc(d.seats(d.m.release(d.m.Active)), seat.fixed) && slices.ContainsFunc(d.seats(next), seat.fixed)
}

func alive(status supervise.Status) bool { return status.Phase != supervise.Exited }
