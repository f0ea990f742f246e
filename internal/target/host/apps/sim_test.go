package apps

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// character is how the processes of a release behave in a simulation.
type character struct {
	pre   int  // code that its command before the switch exits with; -1: it never ends
	heals bool // its processes become healthy
	exits bool // its processes end before they are healthy
}

// world simulates a host with its supervisor, and an agent that may be killed between any two things that it does.
type world struct {
	t       *rapid.T
	now     time.Time
	disk    *memory // what is safe
	procs   map[supervise.ProcessID]*supervise.Status
	ever    map[supervise.ProcessID]bool // started at any time
	address *supervise.AppStatus
	told    bool
	present map[int]bool
	nature  map[string]character // by build
	heal    bool
	removed bool
	builds  int
}

const simApp = "shop"

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: time.Unix(1_700_000_000, 0), disk: &memory{}, procs: map[supervise.ProcessID]*supervise.Status{},
		ever: map[supervise.ProcessID]bool{}, present: map[int]bool{}, nature: map[string]character{},
	}
	w.declare(character{heals: true})
	return w
}

func (w *world) processes() []supervise.Status {
	var all []supervise.Status
	for _, status := range w.procs {
		all = append(all, *status)
	}
	slices.SortFunc(all, func(a, b supervise.Status) int { return compareIDs(a.ID, b.ID) })
	return all
}

func compareIDs(a, b supervise.ProcessID) int {
	return slices.Compare([]string{fmt.Sprintf("%04d %s %04d %04d", a.Release, a.Type, a.Index, a.Launch)},
		[]string{fmt.Sprintf("%04d %s %04d %04d", b.Release, b.Type, b.Index, b.Launch)})
}

// declare declares a build of a nature, with a formation drawn at random.
func (w *world) declare(nature character) {
	w.builds++
	build := fmt.Sprintf("build-%d", w.builds)
	w.nature[build] = nature
	asked := draft{build: build, config: "c", policy: w.policy()}
	asked.print.Processes = map[string]v1alpha1.Process{
		"web":    {Command: []string{"web"}},
		"worker": {Command: []string{"worker"}, Port: rapid.SampledFrom([]int{0, 0, 9000}).Draw(w.t, "fixed port")},
	}
	w.disk.takeOn(asked, true, state.Revision{}, w.now)
	w.heal = true
}

func (w *world) policy() policy {
	p := policy{
		Replicas: map[string]int{
			"web": rapid.IntRange(1, 3).Draw(w.t, "web"), "worker": rapid.IntRange(1, 2).Draw(w.t, "worker"),
		},
		Release: v1alpha1.ReleasePolicy{
			Timeout: v1alpha1.Duration(time.Minute), PreTimeout: v1alpha1.Duration(time.Minute), Keep: rapid.IntRange(1, 3).Draw(w.t, "keep"),
		},
	}
	if rapid.Bool().Draw(w.t, "exposed") {
		p.Listen, p.Exposed = "127.0.0.1:80", "web"
	}
	if rapid.Bool().Draw(w.t, "with pre") {
		p.Release.Pre = []string{"migrate"}
	}
	return p
}

// turn is one turn of the controller. It may be killed before anything, after it has remembered, and between any two actions.
func (w *world) turn(killed func() bool) bool {
	before := w.disk.clone()
	said := decide(simApp, facts{
		Memory: w.disk, Processes: w.processes(), Address: w.address, Told: w.told, Present: w.present, Heal: w.heal,
	}, w.now)
	if killed() {
		return false
	}
	w.disk = said.Memory.clone()
	w.committed(before)
	for _, one := range said.Actions {
		if killed() {
			return false
		}
		w.act(one)
	}
	return len(said.Actions) > 0
}

// committed: a release becomes active only when all of it is healthy.
func (w *world) committed(before *memory) {
	if before.Active == w.disk.Active {
		return
	}
	d := look(simApp, facts{Memory: w.disk, Processes: w.processes()}, w.now)
	for _, s := range d.seats(d.m.release(d.m.Active)) {
		if status, there := d.holder(s); !there || !status.Healthy || status.Phase != supervise.Running {
			w.t.Fatalf("release %d became active and %s is not healthy", d.m.Active, s.name())
		}
	}
}

func (w *world) act(one action) {
	switch one.Do {
	case doUnpack:
		r := w.disk.release(one.Release)
		w.present[one.Release] = true
		r.Types = maps.Clone(r.Print.Processes)
	case doStart:
		w.start(one.Process)
	case doBalance:
		w.address, w.told = &supervise.AppStatus{App: one.App}, true
	case doStop:
		w.stop(one.Process)
	case doForget:
		if status := w.procs[one.Process]; status != nil && alive(*status) {
			w.t.Fatalf("%v is forgotten and lives", one.Process)
		}
		delete(w.procs, one.Process)
	case doDiscard:
		if one.Release == w.disk.Active {
			w.t.Fatalf("the files of the active release %d are discarded", one.Release)
		}
		delete(w.present, one.Release)
	case doRelease:
		w.address = nil
	case doFinish:
		if len(w.procs) > 0 || w.address != nil {
			w.t.Fatalf("the app is removed, and this is left: %v %v", w.procs, w.address)
		}
		w.removed, w.present = true, map[int]bool{}
	}
}

func (w *world) start(id supervise.ProcessID) {
	if w.procs[id] != nil {
		return // starting what was started is nothing
	}
	if w.ever[id] {
		w.t.Fatalf("%v is started again under the same name", id)
	}
	r := w.disk.release(id.Release)
	if r.State == v1alpha1.ReleaseFailed && id.Release != w.disk.Active {
		w.t.Fatalf("%v is started and its release has failed", id)
	}
	for other, status := range w.procs {
		if !alive(*status) {
			continue
		}
		if other.Release == id.Release && other.Type == id.Type && other.Index == id.Index {
			w.t.Fatalf("%v is started beside %v", id, other)
		}
		theirs := w.disk.release(other.Release)
		if other.Release != id.Release && r.Types[id.Type].Port > 0 && theirs.Types[other.Type].Port > 0 {
			w.t.Fatalf("%v is started while %v may hold the port", id, other)
		}
	}
	w.ever[id] = true
	w.procs[id] = &supervise.Status{ID: id, Phase: supervise.Running, Started: w.now}
}

func (w *world) stop(id supervise.ProcessID) {
	status := w.procs[id]
	if status == nil {
		return
	}
	balanced := w.address != nil && slices.Contains(w.address.Backends, id)
	if balanced && status.Healthy && !w.disk.Removing {
		w.t.Fatalf("%v is stopped, and is healthy and in the balance", id)
	}
	status.Phase, status.Asked, status.Healthy = supervise.Stopping, true, false
}

// live lets every process do what is next in its life.
func (w *world) live() {
	for _, id := range slices.SortedFunc(maps.Keys(w.procs), compareIDs) {
		status, nature := w.procs[id], character{heals: true}
		if r := w.disk.release(id.Release); r != nil {
			nature = w.nature[r.Build]
		}
		switch {
		case status.Phase == supervise.Exited:
		case status.Phase == supervise.Stopping:
			w.exit(id, supervise.Exit{Code: 0})
		case id.Type == typePre:
			if nature.pre >= 0 {
				w.exit(id, supervise.Exit{Code: nature.pre})
			}
		case nature.exits && !status.Healthy:
			w.exit(id, supervise.Exit{Code: 1})
		case nature.heals:
			status.Healthy, status.Ever, status.Failing = true, true, ""
		}
	}
}

func (w *world) exit(id supervise.ProcessID, exit supervise.Exit) {
	exit.Time = w.now
	status := w.procs[id]
	status.Phase, status.Exit, status.Healthy = supervise.Exited, &exit, false
}

// rest lets everything come to rest with the loop healing and time passing.
func (w *world) rest() {
	for quiet := 0; quiet < 20 && !w.removed; { // longer than every time-out and back-off
		w.heal = true
		moved := w.turn(func() bool { return false })
		w.live()
		quiet++
		if moved {
			quiet = 0
		} else {
			w.now = w.now.Add(7 * time.Second)
		}
	}
}

func (w *world) anyProcess() (supervise.ProcessID, bool) {
	ids := slices.SortedFunc(maps.Keys(w.procs), compareIDs)
	ids = slices.DeleteFunc(ids, func(id supervise.ProcessID) bool { return w.procs[id].Phase != supervise.Running })
	if len(ids) == 0 {
		return supervise.ProcessID{}, false
	}
	return rapid.SampledFrom(ids).Draw(w.t, "process"), true
}

var natures = []character{
	{heals: true}, {heals: true}, {heals: true}, {}, {exits: true}, {pre: 3, heals: true}, {pre: -1, heals: true},
}

// TestConverges: whatever happens, and whenever the agent is killed, what should run runs in the end and nothing else, and on the way
// there the rules of decide hold (the world checks them at each action).
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		killed := func() bool { return rapid.IntRange(0, 9).Draw(t, "killed") == 0 }
		t.Repeat(map[string]func(*rapid.T){
			"turn":    func(*rapid.T) { w.turn(killed) },
			"live":    func(*rapid.T) { w.live() },
			"time":    func(t *rapid.T) { w.now = w.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "s")) * time.Second) },
			"declare": func(t *rapid.T) { w.declare(rapid.SampledFrom(natures).Draw(t, "nature")) },
			"scale": func(*rapid.T) {
				w.disk.Policy = w.policy()
				w.heal = true
			},
			"heal":  func(t *rapid.T) { w.heal = rapid.Bool().Draw(t, "heal") },
			"agent": func(*rapid.T) { w.told, w.heal = false, false },
			"kill": func(*rapid.T) {
				if id, ok := w.anyProcess(); ok {
					w.exit(id, supervise.Exit{Code: -1, Signal: "SIGKILL"})
				}
			},
			"hang": func(*rapid.T) {
				if id, ok := w.anyProcess(); ok && w.procs[id].Ever {
					w.procs[id].Healthy, w.procs[id].Failing = false, "GET /: 503"
				}
			},
			"rollback": func(t *rapid.T) {
				_ = w.disk.rollBack(simApp, rapid.IntRange(0, w.disk.Last).Draw(t, "to"), w.present, w.now)
			},
		})
		certain := rapid.Bool().Draw(t, "a good one at the end")
		if certain {
			w.declare(character{heals: true})
		}
		w.rest()
		w.check(t, certain)
		if rapid.Bool().Draw(t, "remove") {
			w.disk.Removing = true
			w.rest()
			if !w.removed {
				t.Fatalf("it is never removed: %v", w.procs)
			}
		}
	})
}

// check says whether the world is as it should be at rest.
func (w *world) check(t *rapid.T, certain bool) {
	d := look(simApp, facts{Memory: w.disk, Processes: w.processes(), Address: w.address}, w.now)
	goal, active := d.m.release(d.m.goal()), d.m.release(d.m.Active)
	if goal.Number != d.m.Active && goal.State != v1alpha1.ReleaseFailed {
		t.Fatalf("release %d is %s and %d is active; %+v", goal.Number, goal.State, d.m.Active, d.m.Take)
	}
	if certain && goal.Number != d.m.Active {
		t.Fatalf("release %d is good, nothing disturbed it, and it has failed: %s", goal.Number, goal.Message)
	}
	health := healthOf(d, ailments{})
	if bad := goal.Number != d.m.Active; bad != health.Final {
		t.Fatalf("health %+v of release %d %s", health, goal.Number, goal.State)
	}
	wanted := map[supervise.ProcessID]bool{}
	for _, s := range d.seats(active) {
		status, there := d.holder(s)
		if !there || !status.Healthy {
			t.Fatalf("%s of release %d is not healthy: %+v %+v", s.name(), active.Number, status, s.slot())
		}
		wanted[status.ID] = true
	}
	for id := range w.procs {
		if !wanted[id] {
			t.Fatalf("%v is left over: %+v", id, w.procs[id])
		}
	}
	if active == nil {
		return
	}
	for _, r := range d.m.Releases {
		if r.Gone == w.present[r.Number] && (r.Types != nil) {
			t.Fatalf("release %d: gone %v, present %v", r.Number, r.Gone, w.present[r.Number])
		}
	}
	if w.address == nil || w.address.Release != active.Number {
		t.Fatalf("the balance has release %+v, and %d is active", w.address, active.Number)
	}
}

func TestHealthIsStable(t *testing.T) {
	// The same problem gives the same text, however often and whenever it happens.
	m := &memory{Active: 1, Wanted: 1, Policy: policy{Replicas: map[string]int{"web": 1}}}
	m.Releases = []*release{{
		Number: 1, State: v1alpha1.ReleaseActive, Types: map[string]v1alpha1.Process{"web": {}},
		Slots: map[string]*slot{"web.1": {Launch: 4, Crashed: 4, Crashes: 4, How: "exited with code 2", Output: []string{"boom"}}},
	}}
	first := healthOf(look(simApp, facts{Memory: m}, time.Unix(0, 0)), ailments{})
	m.Releases[0].Slots["web.1"] = &slot{Launch: 9, Crashed: 9, Crashes: 8, How: "exited with code 2", Output: []string{"boom"}, Ended: time.Unix(77, 0)}
	second := healthOf(look(simApp, facts{Memory: m}, time.Unix(99, 0)), ailments{})
	if first != second || first.Reason != reasonCrashLoop || first.Status != state.Degraded {
		t.Errorf("%+v and then %+v", first, second)
	}
}
