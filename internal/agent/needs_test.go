package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/inmem"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

var database = state.ID{Group: "apps", Kind: "Deployment", Namespace: "db", Name: "postgres"}

const databaseManifest = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: postgres, namespace: db}, spec: {replicas: 1}}`

func syncRef(name string) v1alpha1.Reference {
	return v1alpha1.Reference{Group: v1alpha1.Group, Kind: v1alpha1.KindSync, Name: name}
}

// fleet is an agent whose Syncs a, b, c and d each depend on the next; d depends on a Deployment that e owns. The loop of e is real, on a
// plant in memory; the others only count how often they are woken.
type fleet struct {
	*Agent
	plant *inmem.Plant
	woken map[string]*atomic.Int32
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{Agent: declarer(t), plant: inmem.New(), woken: map[string]*atomic.Int32{}}
	f.probes, f.deviations = probe.New(f.probed), history.NewDeviations(nil, history.DeviationOptions{})
	for name, needs := range map[string]v1alpha1.Reference{
		"a": syncRef("b"), "b": syncRef("c"), "c": syncRef("d"),
		"d": {Group: database.Group, Kind: database.Kind, Namespace: database.Namespace, Name: database.Name},
	} {
		f.members[name] = f.counting(name)
		f.members[name].needs = []v1alpha1.Reference{needs}
	}
	f.members["e"] = &member{name: "e", release: &releasing{}, outside: &outside{}}
	f.members["e"].loop = f.running(t)
	eventually(t, "the database is healthy", func() bool {
		health, has := f.members["e"].loop.Health(database)
		return has && health.Ready()
	})
	return f
}

// counting is a member that counts when it is woken, and does nothing.
func (f *fleet) counting(name string) *member {
	woken := &atomic.Int32{}
	f.woken[name] = woken
	m := &member{name: name, release: &releasing{}, outside: &outside{}}
	m.loop = loop.New(loop.Config{Owner: f.owner(name), Now: time.Now, Go: func(func()) { woken.Add(1) }})
	return m
}

// running is the loop of e.
func (f *fleet) running(t *testing.T) *loop.Loop {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := sqlite.Open(ctx, ":memory:", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stopping := make(chan struct{})
	running := loop.New(loop.Config{
		Context: ctx, Owner: f.owner("e"), History: history.New(db, history.Options{}), Slots: make(chan struct{}, 1), Stopping: stopping,
		Now: time.Now, Random: newRandom(), Log: slog.New(slog.DiscardHandler), Resync: time.Hour, Go: f.goDo,
		Render: func(ctx context.Context, artifact source.Artifact, path string) (render.Result, error) {
			return newRenderer(sops.Options{}).Render(ctx, render.Request{Artifact: artifact, Path: path})
		}, Publish: func(loop.Update) {}, Gone: func(string) {},
	})
	artifact := memory.New(state.Revision{ID: strings.Repeat("1", 40)}, map[string]string{"db.yaml": databaseManifest})
	running.Configure(loop.Inputs{
		Spec: loop.Spec{Timeout: time.Minute}, Path: ".", Prune: true, Target: f.plant,
		Backoff: loop.Backoff{Initial: time.Millisecond, Max: time.Second},
		Latest:  func() loop.Latest { return loop.Latest{Artifact: source.Artifact(artifact)} },
	})
	f.goDo(func() { _ = f.plant.Watch(ctx, f.owner("e"), running.Notify) })
	t.Cleanup(func() {
		running.Stop()
		cancel()
		f.work.Wait()
		_ = db.Close()
	})
	return running
}

// eventually waits until something holds, which is no measure of speed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// wakes gives who is woken by a Sync's news.
func (f *fleet) wakes(name string, moved bool) string {
	var names []string
	for _, m := range f.dependants(f.members[name], moved) {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// sicken sets the health of the database, and waits until its Sync knows.
func (f *fleet) sicken(t *testing.T, reason string) {
	t.Helper()
	f.plant.SetHealth(database, state.Health{Status: state.Degraded, Reason: reason})
	eventually(t, "its Sync knows", func() bool {
		health, _ := f.members["e"].loop.Health(database)
		return health.Reason == reason
	})
}

// Along a chain of five Syncs, news wake only those who wait for what has moved, once, whatever else is published however often.
func TestOnlyTheHealthThatMovedWakesAnybody(t *testing.T) {
	f := newFleet(t)
	expect := func(when, name string, moved bool, want string) {
		t.Helper()
		if got := f.wakes(name, moved); got != want {
			t.Errorf("%s, news of %s wake %q, want %q", when, name, got, want)
		}
	}
	expect("at first", "e", true, "d")
	woken := 0
	for range 1000 {
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			woken += len(f.dependants(f.members[name], false))
		}
	}
	if woken != 0 {
		t.Errorf("5000 publishes without any change of health wake %d times", woken)
	}
	f.sicken(t, "CrashLoopBackOff")
	expect("when the database is ill", "c", false, "")
	expect("when the database is ill", "e", false, "d")
	expect("when that was told", "e", false, "")
	expect("when a Sync has moved", "d", true, "c")
	f.graph.stale = true
	expect("when declarations have changed", "e", false, "")
	f.sicken(t, "OOMKilled")
	expect("when it is ill in another way", "e", false, "d")
}

// The same through what loops publish: the status may change a thousand times while the health stays.
func TestPublishingWakesOneLevelOnly(t *testing.T) {
	f := newFleet(t)
	publish := func(name string, state loop.State, message string) {
		f.published(f.members[name], loop.Update{Status: v1alpha1.SyncStatus{Name: name, State: string(state), Message: message}})
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		f.members[name].told = state.Health{Status: state.Progressing, Reason: string(loop.Pending), Message: "on its way"}
	}
	f.wakes("e", false)
	for i := range 1000 {
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			publish(name, loop.Pending, fmt.Sprintf("waiting for something, look %d", i))
		}
	}
	for name, woken := range f.woken {
		if woken.Load() != 0 {
			t.Errorf("%s was woken by publishes that moved nobody's health", name)
		}
	}
	publish("d", loop.InSync, "everything is as declared")
	for name, woken := range f.woken {
		if want := name == "c"; (woken.Load() > 0) != want {
			t.Errorf("d is in sync: %s is woken %d times", name, woken.Load())
		}
	}
}

// What a Sync depends on is told by that Sync's own status: along a chain it is passed on that there is trouble, and never which.
func TestTroubleIsPassedOnInTheSameWords(t *testing.T) {
	f := newFleet(t)
	said := func(message string) state.Health {
		status := v1alpha1.SyncStatus{State: string(loop.Settling), Reason: loop.DependencyUnhealthy, Message: message}
		return f.healthOf(f.members["c"], status)
	}
	if one, other := said("d crashes"), said("d has no memory"); one != other || one.Status != state.Degraded {
		t.Errorf("%+v and %+v: whoever waits would be woken", one, other)
	}
}

// A probe that has looked wakes the Sync that asked for it, which then sees what it found.
func TestProbesWakeTheirSync(t *testing.T) {
	f := newFleet(t)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel) // before the fleet waits for its goroutines
	f.goDo(func() { f.probes.Run(ctx) })
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	checks := []v1alpha1.HealthCheck{{TCP: &v1alpha1.TCPCheck{Address: listener.Addr().String()}}}
	f.probes.Use("a", probe.All(checks))
	eventually(t, "the Sync is woken", func() bool { return f.woken["a"].Load() > 0 })
	if needs := f.checks("a", checks); !needs[0].Health.Ready() {
		t.Errorf("%+v, want healthy", needs[0])
	}
	if f.woken["b"].Load() > 0 {
		t.Error("another Sync is woken")
	}
	f.probed("nobody") // it went meanwhile
}

// Those who waited for a Sync that is gone, or for an object that it had, look again.
func TestWhoIsGoneIsTold(t *testing.T) {
	f := newFleet(t)
	f.wakes("e", true)
	delete(f.members, "c")
	delete(f.members, "e")
	f.mu.Lock()
	f.graph.stale = true
	left := append(f.bereaved("e"), f.bereaved("c")...)
	f.mu.Unlock()
	if len(left) != 2 || left[0].name != "d" || left[1].name != "b" {
		t.Errorf("%d are told, want d and b", len(left))
	}
	if len(f.graph.told) != 0 {
		t.Errorf("what a Sync said that is gone is kept: %v", f.graph.told)
	}
}

// What a Sync checks it waits for, as it does for what it depends on: it is woken, and cannot lead back to itself.
func TestObjectChecksAreInTheGraph(t *testing.T) {
	f := newFleet(t)
	object := f.members["d"].needs[0]
	f.members["d"].needs, f.members["d"].health = nil, []v1alpha1.HealthCheck{{Object: &object}}
	if got := f.wakes("e", false); got != "d" {
		t.Errorf("news of a checked object wake %q, want d", got)
	}
	back := syncRef("a")
	checks := []v1alpha1.HealthCheck{{Object: &object}, {Object: &back}, {TCP: &v1alpha1.TCPCheck{Address: "db:5432"}}}
	f.members["d"].health, f.graph.stale = checks, true
	needs := f.checks("d", checks)
	if len(needs) != 3 || !needs[0].Health.Ready() || needs[0].Cycle != nil {
		t.Fatalf("%+v, want three, of which the database is healthy", needs)
	}
	if got := strings.Join(needs[1].Cycle, " "); got != "d a b c d" {
		t.Errorf("the way back is %q, want d a b c d", got)
	}
	if got := needs[2]; got.ID.String() != "Probe/db:5432" || got.Health.Status != state.Progressing {
		t.Errorf("a probe that nobody has looked at: %+v", got)
	}
}

// others is a target of objects that no Sync owns.
type others struct {
	target.Target
	asked  int
	health state.Health
}

func (o *others) Health(context.Context, state.ID) (state.Health, error) {
	o.asked++
	return o.health, nil
}

func (o *others) Data(context.Context, state.ID) (map[string]string, error) { return nil, nil }

func TestStrangersAreLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant := &others{health: state.Health{Status: state.Degraded}}
		a := &Agent{ctx: t.Context(), members: map[string]*member{}}
		woken := 0
		cluster := part{connect: func(context.Context) (target.Target, error) { return plant, nil }}
		m := &member{name: "m", target: &targets{cluster: cluster}, release: &releasing{}, outside: &outside{}}
		m.loop = loop.New(loop.Config{Now: time.Now, Go: func(func()) { woken++ }})
		a.members["m"] = m
		for range 1000 {
			if got := a.objectHealth("m", database, false); got != plant.health {
				t.Fatalf("%+v, want what the target says", got)
			}
		}
		if plant.asked != 1 {
			t.Errorf("the target was asked %d times at once", plant.asked)
		}
		if got := a.lastSeen(m, database); got != plant.health {
			t.Errorf("%+v was seen last", got)
		}
		time.Sleep(strangerPoll + time.Millisecond)
		synctest.Wait()
		if woken != 1 {
			t.Errorf("it was woken %d times while it waits, want once", woken)
		}
		plant.health = state.Health{Status: state.Healthy}
		m.loop = loop.New(loop.Config{Now: time.Now, Go: func(func()) { woken++ }})
		m.look = nil
		a.objectHealth("m", database, false)
		time.Sleep(time.Hour)
		synctest.Wait()
		if woken != 1 {
			t.Error("a dependency that is healthy is looked at without need")
		}
		a.objectHealth("m", database, true)
		time.Sleep(strangerCheck + time.Millisecond)
		synctest.Wait()
		if woken != 2 {
			t.Errorf("a checked object that is healthy was looked at %d times more, want once", woken-1)
		}
	})
}

func TestSourcesWakeWhoDependsOnThem(t *testing.T) {
	f := newFleet(t)
	f.members["a"].needs = []v1alpha1.Reference{{Group: v1alpha1.Group, Kind: v1alpha1.KindSource, Name: "shared"}}
	user := f.counting("user")
	user.sources = []string{"shared"}
	f.members["user"] = user
	if got := f.wakes("user", true); got != "" {
		t.Errorf("a Source without a feed wakes %q", got)
	}
	f.cfg.Log = slog.New(slog.DiscardHandler)
	f.upstreams = newUpstreams(f.cfg, t.TempDir())
	feeds := source.NewFeeds(source.FeedsOptions{Log: slog.New(slog.DiscardHandler)})
	upstream, err := f.upstreams.of(demand{spec: v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: "file:///nowhere"}}})
	if err != nil {
		t.Fatal(err)
	}
	user.feeds = []feeding{{shared: "shared", feed: feeds.Subscribe(upstream, source.Poll{Interval: time.Hour}, func() {})}}
	defer closeFeeds(user.feeds, nil)
	if got := f.wakes("user", false) + "," + f.wakes("user", false); got != "a," {
		t.Errorf("a Source that is being fetched wakes %q, want a, once", got)
	}
	if id := self.SourceID("shared"); f.need("a", f.members["a"].needs[0], false).Health.Reason != "Fetching" {
		t.Errorf("%s is not said to be fetched", id)
	}
}
