package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// declaration is what people say about a Sync: in its declaration, or by command.
type declaration struct {
	suspend, byPerson bool
	prune, report     bool
	allowEmpty        bool
	deleting, orphan  bool
	broken            bool // the declaration itself is wrong
	cycle             bool // its dependencies lead back to it
	rollback          bool
	massDeletion      string // of v1alpha1.Guards
	consent           string // v1alpha1.Constraints.Approval
	timetable         int    // of timetables
	override          *v1alpha1.WindowOverride
	rule              bool // there is one, see forbidden
	refused           bool // a newer declaration cannot be used
	checks            bool // the object outside has to be healthy too
	approval          *v1alpha1.Approval
	timeout           time.Duration
	backoff           loop.Backoff
	needs             []int // members by number, or the object outside
}

// outsider in declaration.needs is the object that belongs to no Sync.
const outsider = -1

// member is one Sync with its loop, and with what the world has seen of it.
type member struct {
	world    *world
	name     string
	plot     *plot
	declared declaration
	loop     *loop.Loop // nil while there is no agent
	gone     bool

	kept   []byte              // the loop.Rest that was remembered last
	status v1alpha1.SyncStatus // as it was published last
	told   state.Health        // what others were told of it

	known   knowledge // what the loop has been told
	pace    pace
	writing []write // effects that no finished attempt tells of yet

	rolledBack map[string]bool // by the revision that was left, and the attempt
	shown      map[string]bool // the digests of the plans that were held
	asked      int             // how often what failed was to be tried again: a person said so, or its cause has gone
	answers    map[repair]answers
	truce      map[repair]truce
	epoch      epoch
	past       past
}

func (m *member) owner() state.Owner { return state.Owner{Agent: "simulation", Sync: m.name} }

func (m *member) say(format string, args ...any) {
	m.world.trace.say(m.world.now, m.name, format, args...)
}

// start makes the loop, as the agent does.
func (m *member) start() {
	w, life := m.world, m.world.life
	m.known = m.known.reborn(m.declared)
	m.loop = loop.New(loop.Config{
		Context: context.Background(), Owner: m.owner(), Render: m.render, History: w.history,
		Slots: make(chan struct{}, 16), Stopping: w.stopping, Now: w.wall, Log: slog.New(slog.DiscardHandler), Resync: w.resync,
		Go: func(run func()) { w.launch(m, life, run) },
		After: func(wait time.Duration, f func()) func() {
			return w.after(wait, func() {
				if life == w.life && !w.down {
					f()
				}
			})
		},
		Random:  rand.New(&instant{world: w}),
		Publish: m.publish,
		Gone:    m.forget,
		Before:  m.before(),
		Shelf:   w.shelf,
	})
	m.configure()
	m.soon(func() { m.loop.Notify(target.Event{}) }) // the watch has begun
}

// soon does something in a moment, if this life of the agent lasts that long.
func (m *member) soon(do func()) { m.later(m.world.span(time.Second), do) }

func (m *member) later(wait time.Duration, do func()) {
	life := m.world.life
	m.world.after(wait, func() {
		if life == m.world.life && !m.world.down && m.loop != nil {
			do()
		}
	})
}

// before gives what was remembered when the agent stopped.
func (m *member) before() loop.Rest {
	var rest loop.Rest
	if m.kept != nil {
		if err := json.Unmarshal(m.kept, &rest); err != nil {
			m.world.violate(m, "what is remembered can be read", err.Error())
		}
	}
	return rest
}

// configure tells the loop what is declared, in a moment of its own.
func (m *member) configure() {
	if m.loop != nil {
		m.loop.Configure(m.inputs())
	}
}

func (m *member) inputs() loop.Inputs {
	d, w := m.declared, m.world
	in := loop.Inputs{
		Spec: loop.Spec{Suspend: d.suspend, Report: d.report, Orphan: d.orphan, Timeout: d.timeout},
		Path: m.plot.path, Prune: d.prune, Backoff: d.backoff, Deleting: d.deleting, Target: w.plant,
		Rollback: d.rollback, Approval: d.approval, Override: d.override, Terms: d.terms(),
		SourceName: "memory", TargetName: "in memory",
		Latest: func() loop.Latest {
			m.look(d)
			m.keepPace("look")
			return w.feed.look()
		},
		Refresh: w.refresh,
		Needs:   func() []loop.Need { return m.needs(d) },
		Checks:  func() []loop.Need { return m.checks(d) },
	}
	switch {
	case d.suspend && d.byPerson:
		in.Spec.SuspendedBy = "person"
	case d.suspend:
		in.Spec.SuspendedBy = "declaration"
	}
	if d.broken {
		in.Spec.Err = fault.New(fault.Invalid, "read", "Sync "+m.name, "its declaration is wrong")
	}
	if d.refused {
		in.Spec.Refused = unusable(m.name)
	}
	return in
}

// needs gives how everything is doing that the Sync depends on.
func (m *member) needs(d declaration) []loop.Need {
	var needs []loop.Need
	m.known.blocked = false
	for _, number := range d.needs {
		need := loop.Need{ID: state.ID{Kind: "Outside", Name: "outside"}, Health: m.world.outside}
		if number != outsider {
			on := m.world.members[number]
			need = loop.Need{ID: syncID(on.name), Health: on.health()}
		}
		if d.cycle {
			need.Cycle = []string{m.name, need.ID.Name, m.name}
		}
		needs = append(needs, need)
		m.known.blocked = m.known.blocked || !need.Health.Ready()
	}
	m.known.told(needs)
	m.asked += m.past.recovered(m.known.ready)
	return needs
}

// checks gives what has to be healthy beside the objects of the Sync.
func (m *member) checks(d declaration) []loop.Need {
	if !d.checks {
		return nil
	}
	checks := []loop.Need{{ID: probe, Health: m.world.outside}}
	m.known.told(checks)
	m.asked += m.past.recovered(m.known.ready)
	return checks
}

// probe is what looks at the object outside.
var probe = state.ID{Kind: "Probe", Name: "outside"}

func syncID(name string) state.ID {
	return state.ID{Group: v1alpha1.Group, Kind: v1alpha1.KindSync, Name: name}
}

// health is that of the Sync as an object, as the agent makes it of the status.
func (m *member) health() state.Health {
	health := state.Health{Reason: m.status.State, Message: m.status.Message}
	switch loop.State(m.status.State) {
	case loop.InSync, loop.Drifted:
		health.Status = state.Healthy
		if latest := m.world.feed.latest; latest != nil && latest.Revision().ID != m.status.Revision.ID {
			health = state.Health{Status: state.Progressing, Reason: "NewRevision", Message: "has not looked at the newest revision yet"}
		}
	case loop.Suspended:
		health.Status = state.Suspended
	case loop.Failed, loop.RolledBack:
		health.Status = state.Degraded
	default:
		health.Status, health.Message = state.Progressing, "on its way"
	}
	if m.gone {
		return state.Health{Status: state.Missing, Reason: "NotDeclared", Message: "there is no such Sync"}
	}
	return health
}

// render is loop.Config.Render.
func (m *member) render(_ context.Context, artifact source.Artifact, path string) (render.Result, error) {
	w := m.world
	m.keepPace("render")
	w.mayCrash()
	w.meanwhile()
	if w.chance(w.weather.render) {
		m.say("render %s: fails", artifact.Revision().Short())
		return render.Result{}, fault.New(fault.Transient, "render", path, "the source does not answer")
	}
	result, err := rendered(artifact, path)
	m.say("render %s: %d objects, %v", artifact.Revision().Short(), result.Objects.Len(), err)
	if err == nil {
		m.known.desired()
	}
	return result, err
}

// publish is loop.Config.Publish: what the agent does with the news of a loop.
func (m *member) publish(update loop.Update) {
	w := m.world
	status, before := update.Status, m.status.Reason
	m.status = status
	if len(update.Events) > 0 || update.Resting {
		m.say("%s/%s resting=%v: %s", status.State, status.Reason, update.Resting, status.Message)
	}
	if status.Plan != nil {
		m.shown[status.Plan.Digest] = true
	}
	w.seen.status(status, update.Resting)
	w.mayCrash()
	m.turn(update, before)
	w.check(m, func(i invariant) string { return ask(i.published, m, update) })
	if update.Resting || update.Keep {
		m.remember(update.Rest)
	}
	if health := m.health(); health != m.told {
		m.told = health
		for _, other := range w.members {
			if other.dependsOn(m) && other.loop != nil {
				other.loop.Poke()
			}
		}
	}
}

func (m *member) dependsOn(on *member) bool {
	for _, number := range m.declared.needs {
		if number != outsider && m.world.members[number] == on {
			return true
		}
	}
	return false
}

// remember keeps what the next life is to know.
func (m *member) remember(rest loop.Rest) {
	data, err := json.Marshal(rest)
	if err != nil {
		m.world.violate(m, "what is remembered can be read", err.Error())
	}
	m.kept = data
}

// forget is loop.Config.Gone.
func (m *member) forget(string) {
	m.world.mayCrash()
	m.say("is gone")
	m.gone, m.loop, m.kept = true, nil, nil
	m.world.check(m, func(i invariant) string { return ask(i.ended, m, true) })
	m.told = m.health()
	for _, other := range m.world.members {
		if other.dependsOn(m) && other.loop != nil {
			other.loop.Poke()
		}
	}
}

// died takes note that the loop is no more.
func (m *member) died() {
	if m.loop != nil {
		m.loop.Stop()
	}
	m.loop = nil
	m.world.check(m, func(i invariant) string { return ask(i.ended, m, false) })
	m.writing = nil
	m.truces()
	m.past.unremembered()
}

// instant is a source of randomness that depends on the time alone, so that the order in which a loop draws at one instant makes
// no difference.
type instant struct {
	world *world
	drawn uint64
	at    time.Duration
}

// Uint64 implements rand.Source.
func (i *instant) Uint64() uint64 {
	if i.at != i.world.now {
		i.at, i.drawn = i.world.now, 0
	}
	i.drawn++
	x := uint64(i.at) ^ i.world.seed<<32 ^ i.drawn>>10<<20 // changes now and then, for whoever refuses a number and draws again
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pace counts what a loop does within a minute: one that does not come to rest would burn a processor, or go on for ever.
type pace struct {
	since time.Duration
	calls int
}

// maxPace is far more than any loop has to do in a minute, even while a person waits or others change something ten times a second.
const maxPace = 6000

func (m *member) keepPace(doing string) {
	m.world.steps++
	if m.world.now-m.pace.since >= time.Minute {
		m.pace = pace{since: m.world.now}
	}
	if m.pace.calls++; m.pace.calls > maxPace {
		m.world.violate(m, "comes to rest", fmt.Sprintf("makes more than %d calls within a minute, the last to %s", maxPace, doing))
	}
}
