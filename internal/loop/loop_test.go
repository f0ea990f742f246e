package loop_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/history"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/inmem"
)

// bench is one loop on a plant in memory, in a bubble of simulated time.
type bench struct {
	t       *testing.T
	plant   *inmem.Plant
	loop    *loop.Loop
	store   store.Store
	history *history.History
	renders int
	gone    bool
	updates []loop.Update
	shelf   *shelf
	ctx     context.Context

	mu     sync.Mutex
	latest loop.Latest
	needs  []loop.Need
	in     loop.Inputs
	number int
}

// run runs a scenario in simulated time and ends everything that it started.
func run(t *testing.T, scenario func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		db, err := sqlite.Open(ctx, ":memory:", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, plant: inmem.New(), store: db, shelf: newShelf(), ctx: ctx}
		b.history = history.New(db, history.Options{})
		b.start(ctx, loop.Rest{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			_ = b.plant.Watch(ctx, b.owner(), func(event target.Event) { b.loop.Notify(event) })
		}()
		scenario(b)
		b.loop.Stop()
		cancel()
		<-watched
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func (b *bench) owner() state.Owner { return state.Owner{Agent: "test", Sync: "shop"} }

func (b *bench) start(ctx context.Context, before loop.Rest) {
	b.loop = loop.New(loop.Config{
		Context: ctx, Owner: b.owner(), History: b.history, Slots: make(chan struct{}, 2), Stopping: make(chan struct{}),
		Now: time.Now, Random: rand.New(rand.NewPCG(1, 2)), Log: slog.New(slog.DiscardHandler), Resync: time.Hour, Before: before,
		Shelf: b.shelf,
		Go:    func(f func()) { go f() },
		Render: func(ctx context.Context, artifact source.Artifact, path string) (render.Result, error) {
			b.renders++
			return render.Formats{Plain: plain.Renderer{}}.Render(ctx, render.Request{Artifact: artifact, Path: path})
		},
		Publish: func(update loop.Update) { b.updates = append(b.updates, update) },
		Gone:    func(string) { b.gone = true },
	})
	b.in = loop.Inputs{
		Spec: loop.Spec{Timeout: time.Minute}, Path: ".", Prune: true, Target: b.plant,
		Backoff: loop.Backoff{Initial: 5 * time.Second, Max: time.Minute},
		Latest: func() loop.Latest {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.latest
		},
		Needs: func() []loop.Need {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.needs
		},
	}
}

// restart ends the loop and makes another one that knows what was to be remembered.
func (b *bench) restart() {
	var before loop.Rest
	for _, update := range b.updates {
		if update.Resting || update.Keep {
			before = update.Rest
		}
	}
	in := b.in
	b.loop.Stop()
	b.start(b.ctx, before)
	b.in = in
	b.configure(func(*loop.Inputs) {})
}

// configure changes the inputs and lets the loop come to rest.
func (b *bench) configure(change func(*loop.Inputs)) {
	change(&b.in)
	b.loop.Configure(b.in)
	synctest.Wait()
}

// push makes a new revision and lets the loop come to rest.
func (b *bench) push(files map[string]string) {
	b.number++
	b.mu.Lock()
	b.latest.Artifact = memory.New(state.Revision{ID: fmt.Sprintf("%040d", b.number)}, files)
	b.mu.Unlock()
	b.loop.Poke()
	synctest.Wait()
}

func (b *bench) need(needs ...loop.Need) {
	b.mu.Lock()
	b.needs = needs
	b.mu.Unlock()
	b.loop.Poke()
	synctest.Wait()
}

func (b *bench) after(wait time.Duration) {
	time.Sleep(wait)
	synctest.Wait()
}

// want checks the state and the reason.
func (b *bench) want(name loop.State, reason string) v1alpha1.SyncStatus {
	b.t.Helper()
	status := b.loop.Status()
	if status.State != string(name) || (reason != "" && status.Reason != reason) {
		b.t.Fatalf("status = %s/%s (%s), want %s/%s", status.State, status.Reason, status.Message, name, reason)
	}
	return status
}

// attempts gives the history, the oldest first.
func (b *bench) attempts() []v1alpha1.Attempt {
	b.t.Helper()
	found, err := b.history.Attempts(context.Background(), store.AttemptQuery{})
	if err != nil {
		b.t.Fatal(err)
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}

func thing(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Thing\nmetadata: {name: %s}\nvalue: %s\n", name, value)
}

func thingID(name string) state.ID { return state.ID{Kind: "Thing", Name: name} }

func TestFollowsRevisionsAndPrunes(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.want(loop.Pending, "Fetching")
		b.push(map[string]string{"a.yaml": thing("a", "1"), "b.yaml": thing("b", "1")})
		b.want(loop.InSync, "Equal")
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		status := b.want(loop.InSync, "Equal")
		if status.Objects.Total != 1 || b.plant.Get(thingID("a"))["value"] != int64(2) || b.plant.Get(thingID("b")) != nil {
			t.Errorf("objects = %v, plant %v", status.Objects, b.plant.IDs())
		}
		attempts := b.attempts()
		if len(attempts) != 2 || attempts[1].Trigger != "revision" || attempts[1].Outcome != "Succeeded" || len(attempts[1].Changes) != 2 {
			t.Errorf("history = %+v, want two attempts, the second with an update and a deletion", attempts)
		}
	})
}

func TestUnrelatedCommitCostsNothing(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Path = "mine" })
		b.push(map[string]string{"mine/a.yaml": thing("a", "1"), "theirs/x.yaml": thing("x", "1")})
		writes, renders := b.plant.Writes(), b.renders
		b.push(map[string]string{"mine/a.yaml": thing("a", "1"), "theirs/x.yaml": thing("x", "2")})
		status := b.want(loop.InSync, "Equal")
		if b.renders != renders || b.plant.Writes() != writes || len(b.attempts()) != 1 {
			t.Errorf("renders %d, writes %d, attempts %d: nothing was to be done", b.renders-renders, b.plant.Writes()-writes, len(b.attempts()))
		}
		if status.Revision.ID != fmt.Sprintf("%040d", 2) || status.Applied.ID != status.Revision.ID {
			t.Errorf("status = %+v, want both revisions to be the newest", status)
		}
	})
}

func TestDriftIsCorrectedAndNamed(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.plant.Write(thingID("a"), map[string]any{"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": "a"}, "value": int64(9)}, "mallory")
		synctest.Wait()
		b.want(loop.InSync, "Equal")
		attempts := b.attempts()
		last := attempts[len(attempts)-1]
		if last.Trigger != "drift" || len(last.Changes) != 1 || last.Changes[0].Cause != "drift" || last.Changes[0].Fields[0].By != "mallory" {
			t.Errorf("last attempt = %+v, want the drift with its culprit", last)
		}
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		if b.plant.Get(thingID("a")) == nil {
			t.Error("a removed object was not made again")
		}
	})
}

func TestDriftIsOnlyReported(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Spec.Report = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.want(loop.InSync, "")
		b.plant.Write(thingID("a"), map[string]any{"value": int64(9)}, "mallory")
		synctest.Wait()
		b.want(loop.Drifted, "DriftReported")
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.want(loop.InSync, "Equal") // a new revision is not drift
	})
}

func TestFailureBacksOffAndNewRevisionResets(t *testing.T) {
	run(t, func(b *bench) {
		var tries atomic.Int32
		b.plant.FailWith(func(_ diff.Op, id state.ID) error {
			if id.Name != "bad" {
				return nil
			}
			tries.Add(1)
			return fault.New(fault.Denied, "apply", id.String(), "no")
		})
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1"), "bad.yaml": thing("bad", "1")})
		b.want(loop.Failed, "Denied")
		if b.plant.Get(thingID("a")) == nil || tries.Load() != 1 {
			t.Fatalf("neighbour there: %v; tries %d, want 1", b.plant.Get(thingID("a")) != nil, tries.Load())
		}
		b.after(10 * time.Minute)
		if n := tries.Load(); n < 5 || n > 20 {
			t.Errorf("%d tries in 10 minutes with 5s doubled up to 1m, want about 13", n)
		}
		if attempts := b.attempts(); len(attempts) > 3 {
			t.Errorf("%d attempts in the history for one repeated failure", len(attempts))
		}
		before := tries.Load()
		b.push(map[string]string{"a.yaml": thing("a", "1"), "bad.yaml": thing("bad", "2")})
		if tries.Load() != before+1 {
			t.Errorf("a new revision was not tried at once")
		}
		b.plant.FailWith(nil)
		b.after(2 * time.Minute)
		b.want(loop.InSync, "Equal")
	})
}

func TestBadRevisionLeavesTheOldInForce(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.push(map[string]string{"a.yaml": "kind: [broken"})
		b.want(loop.Failed, "RenderFailed")
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		if b.plant.Get(thingID("a")) == nil {
			t.Error("the last good desired state is not kept")
		}
		b.want(loop.Failed, "RenderFailed")
		b.push(map[string]string{"README.md": "empty"})
		b.want(loop.Held, "EmptyRender")
		if b.plant.Get(thingID("a")) == nil {
			t.Error("an empty revision has deleted something")
		}
		b.configure(func(in *loop.Inputs) { in.Terms = &policy.Terms{AllowEmpty: true} })
		b.want(loop.InSync, "Equal")
		if b.plant.Get(thingID("a")) != nil {
			t.Error("an empty revision that is meant has deleted nothing")
		}
	})
}

// A wrong declaration of one object is that object's error: its neighbours get the new revision.
func TestWrongDeclarationStopsOnlyItself(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1"), "b.yaml": thing("b", "1")})
		b.push(map[string]string{
			"a.yaml": thing("a", "2"),
			"b.yaml": strings.Replace(thing("b", "2"), "name: b", "name: b, annotations: {setpoint.dev/wave: first}", 1),
		})
		status := b.want(loop.Failed, "Invalid")
		if b.plant.Get(thingID("a"))["value"] != int64(2) || b.plant.Get(thingID("b"))["value"] != int64(1) {
			t.Errorf("a = %v, b = %v: want the neighbour changed, and what is wrong as it was", b.plant.Get(thingID("a")), b.plant.Get(thingID("b")))
		}
		if len(status.Problems) != 1 || !strings.Contains(status.Problems[0].Message, "b.yaml:3") {
			t.Errorf("problems = %+v, want one with its place", status.Problems)
		}
	})
}

func TestDependenciesGateRevisionsButNotRepairs(t *testing.T) {
	run(t, func(b *bench) {
		database := loop.Need{ID: state.ID{Kind: "Database", Name: "db"}, Health: state.Health{Status: state.Progressing, Message: "starting"}}
		b.configure(func(*loop.Inputs) {})
		b.need(database)
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.want(loop.Pending, "DependencyNotReady")
		if b.plant.Writes() != 0 {
			t.Error("applied before the dependency was ready")
		}
		database.Health = state.Health{Status: state.Healthy}
		b.need(database)
		b.want(loop.InSync, "Equal")
		database.Health = state.Health{Status: state.Degraded, Message: "down"}
		b.need(database)
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		if b.plant.Get(thingID("a")) == nil {
			t.Error("drift is not repaired while a dependency is down")
		}
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.want(loop.Pending, "DependencyNotReady")
	})
}

func TestHealthTimeout(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.plant.SetHealth(thingID("a"), state.Health{Status: state.Progressing, Reason: "Starting"})
		synctest.Wait()
		b.want(loop.Settling, "Starting")
		b.after(2 * time.Minute)
		b.want(loop.Failed, "Unhealthy")
		b.plant.SetHealth(thingID("a"), state.Health{Status: state.Healthy})
		synctest.Wait()
		b.want(loop.InSync, "Equal")
	})
}

func TestSuspendAndDelete(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.configure(func(in *loop.Inputs) { in.Spec.Suspend = true })
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		b.want(loop.Suspended, "")
		if b.plant.Get(thingID("a")) != nil {
			t.Error("a suspended Sync was repaired")
		}
		b.configure(func(in *loop.Inputs) { in.Spec.Suspend = false })
		b.want(loop.InSync, "")
		b.configure(func(in *loop.Inputs) { in.Deleting = true })
		if !b.gone || len(b.plant.IDs()) != 0 {
			t.Errorf("gone %v with %v left", b.gone, b.plant.IDs())
		}
	})
}

func TestSourceFailureStopsNothing(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.mu.Lock()
		b.latest.Err = fault.Wrap(fault.Transient, "fetch", "https://git.example.com/x", errors.New("no route to host"))
		b.mu.Unlock()
		b.loop.Poke()
		synctest.Wait()
		b.want(loop.InSync, "SourceFailed")
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		if b.plant.Get(thingID("a")) == nil {
			t.Error("drift is not repaired while the source is down")
		}
	})
}

func TestRestartRemembersWhatWasInForce(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		rest := b.updates[len(b.updates)-1].Rest
		since := b.want(loop.InSync, "").Since
		b.loop.Stop()
		b.after(time.Hour)
		b.start(context.Background(), rest)
		b.configure(func(*loop.Inputs) {})
		if again := b.want(loop.InSync, "").Since; !again.Equal(since) {
			t.Errorf("in sync since %v after a restart, want %v", again, since)
		}
		if len(b.attempts()) != 1 {
			t.Errorf("a restart left %d attempts, want the one from before", len(b.attempts()))
		}
	})
}

func TestPersonsSuspensionOutlivesTheDeclaration(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.configure(func(in *loop.Inputs) { in.Spec.Suspend, in.Spec.SuspendedBy = true, "person" })
		b.configure(func(in *loop.Inputs) { in.Deleting = true })
		b.want(loop.Suspended, "")
		if b.gone || b.plant.Get(thingID("a")) == nil {
			t.Error("what a person has suspended was deleted with its declaration")
		}
		b.configure(func(in *loop.Inputs) { in.Spec.Suspend, in.Spec.SuspendedBy = false, "" })
		if !b.gone || b.plant.Get(thingID("a")) != nil {
			t.Error("it does not go when it is resumed")
		}
	})
}

func TestWhatIsKeptIsInForce(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Prune = false })
		b.push(map[string]string{"a.yaml": thing("a", "1"), "b.yaml": thing("b", "1")})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		status := b.want(loop.InSync, "Equal")
		if status.Applied.ID != status.Revision.ID || status.Objects.Different != 0 || b.plant.Get(thingID("b")) == nil {
			t.Errorf("status = %+v, want the newest revision in force and nothing different", status)
		}
	})
}
