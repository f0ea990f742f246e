package loop_test

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// shelf is a loop.Shelf in memory.
type shelf struct {
	mu   sync.Mutex
	away error // why nothing can be read now
	sets map[state.Digest]state.Set
}

func newShelf() *shelf { return &shelf{sets: map[state.Digest]state.Set{}} }

func (s *shelf) lock(away error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *shelf) Put(_ context.Context, _ string, digest state.Digest, set state.Set) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets[digest] = set
	return nil
}

func (s *shelf) Get(_ context.Context, _ string, digest state.Digest) (state.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return state.Set{}, s.away
	}
	set, ok := s.sets[digest]
	if !ok {
		return set, fault.New(fault.NotFound, "read", string(digest), "it is not kept")
	}
	return set, nil
}

func (s *shelf) Drop(_ context.Context, _ string, digest state.Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sets, digest)
	return nil
}

// value gives what the plant holds of a thing.
func (b *bench) value(name string) any { return b.plant.Get(thingID(name))["value"] }

// sicken makes every thing with a value ill as soon as it is applied.
func (b *bench) sicken(name string, health state.Health) {
	b.plant.SetHealth(thingID(name), health)
	synctest.Wait()
}

var (
	healthy = state.Health{Status: state.Healthy}
)

func TestDeletionOfMostIsHeldUntilApproved(t *testing.T) {
	run(t, func(b *bench) {
		all := map[string]string{}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			all[name+".yaml"] = thing(name, "1")
		}
		b.configure(func(*loop.Inputs) {})
		b.push(all)
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		status := b.want(loop.Held, "MassDeletion")
		if len(b.plant.IDs()) != 5 || status.Plan == nil || status.Plan.Changes["delete"] != 4 {
			t.Fatalf("%d objects left; plan %+v", len(b.plant.IDs()), status.Plan)
		}
		approve := func(digest string) {
			b.configure(func(in *loop.Inputs) { in.Approval = &v1alpha1.Approval{Digest: digest, By: "alice", Time: time.Now()} })
		}
		approve("another")
		if status := b.want(loop.Held, "MassDeletion"); status.Plan.Void == nil {
			t.Error("an approval of another plan is not said to be void")
		}
		b.after(time.Second)
		approve(status.Plan.Digest)
		b.want(loop.InSync, "Equal")
		attempts := b.attempts()
		if last := attempts[len(attempts)-1]; last.Approval == nil || last.Approval.By != "alice" || len(b.plant.IDs()) != 1 {
			t.Errorf("approval %+v, %d objects left", last.Approval, len(b.plant.IDs()))
		}
		// The approval was for once: the same again is held again.
		b.push(all)
		b.want(loop.InSync, "")
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.want(loop.Held, "MassDeletion")
	})
}

func TestDriftIsRepairedWhileARevisionIsHeld(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Terms = &policy.Terms{} })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.configure(func(in *loop.Inputs) { in.Terms = &policy.Terms{Approval: v1alpha1.ApprovalAlways} })
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.want(loop.Held, "ApprovalRequired")
		b.plant.Write(thingID("a"), map[string]any{"value": int64(9)}, "mallory")
		synctest.Wait()
		b.want(loop.Held, "ApprovalRequired")
		if b.value("a") != int64(1) {
			t.Errorf("a = %v, want the revision in force kept", b.value("a"))
		}
	})
}

func TestARestartKeepsWhatIsInForceWhileANewerRevisionIsHeld(t *testing.T) {
	for name, newer := range map[string]map[string]string{
		"held":       {"a.yaml": thing("a", "2")},
		"unreadable": {"a.yaml": "a: [", "b.yaml": thing("b", "1")},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench) {
				b.configure(func(*loop.Inputs) {})
				b.push(map[string]string{"a.yaml": thing("a", "1")})
				b.configure(func(in *loop.Inputs) { in.Terms = &policy.Terms{Approval: v1alpha1.ApprovalAlways} })
				b.push(newer)
				before := b.loop.Status()
				b.restart()
				b.want(loop.State(before.State), before.Reason)
				b.plant.Write(thingID("a"), map[string]any{"value": int64(9)}, "mallory")
				synctest.Wait()
				b.want(loop.State(before.State), before.Reason)
				if b.value("a") != int64(1) {
					t.Errorf("a = %v, want the revision in force kept", b.value("a"))
				}
			})
		})
	}
}

func TestAFightIsDamped(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1"), "b.yaml": thing("b", "1")})
		before := b.plant.Writes()
		for range 600 {
			b.plant.Write(thingID("a"), map[string]any{"apiVersion": "v1", "kind": "Thing",
				"metadata": map[string]any{"name": "a"}, "value": int64(9)}, "evil-controller")
			b.after(100 * time.Millisecond)
		}
		if made := b.plant.Writes() - before; made > 10 {
			t.Errorf("%d corrections within a minute", made)
		}
		status := b.want(loop.Drifted, "Contended")
		if len(status.Contended) != 1 || status.Contended[0].By != "evil-controller" || status.Contended[0].Path != "/value" {
			t.Errorf("contended = %+v", status.Contended)
		}
		b.plant.Remove(thingID("b"))
		synctest.Wait()
		if b.plant.Get(thingID("b")) == nil {
			t.Error("its neighbour is not kept")
		}
		b.after(time.Until(status.Contended[0].RetryAt) + time.Second)
		b.want(loop.InSync, "Equal")
		if b.value("a") != int64(1) {
			t.Errorf("a = %v: it was not corrected when the other writer had gone", b.value("a"))
		}
	})
}

func TestRefusedObjectsAreTriedWhenTheTargetWouldAcceptThem(t *testing.T) {
	run(t, func(b *bench) {
		b.plant.FailWith(func(_ diff.Op, id state.ID) error { return fault.New(fault.Denied, "apply", id.String(), "no") })
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.want(loop.Failed, "Denied")
		b.after(2 * time.Minute)
		status := b.want(loop.Failed, "Denied")
		if status.Quarantine == nil {
			t.Error("a revision that is refused for longer than the timeout is not quarantined")
		}
		b.plant.FailWith(nil)
		b.after(2 * time.Minute)
		if status := b.want(loop.InSync, "Equal"); status.Quarantine != nil {
			t.Errorf("still quarantined: %+v", status.Quarantine)
		}
	})
}

func job(name, hook string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name + ", annotations: {" + hook + "}}\n"
}

func jobID(name string) state.ID { return state.ID{Group: "batch", Kind: "Job", Name: name} }

func TestHooksRunOnceAndInOrder(t *testing.T) {
	run(t, func(b *bench) {
		files := map[string]string{
			"a.yaml":    thing("a", "1"),
			"pre.yaml":  job("pre", "setpoint.dev/hook: pre, setpoint.dev/hook-delete: succeeded"),
			"post.yaml": job("post", "setpoint.dev/hook: post"),
			"fail.yaml": job("fail", "setpoint.dev/hook: fail"),
		}
		b.configure(func(*loop.Inputs) {})
		b.push(files)
		b.want(loop.InSync, "Equal")
		if b.plant.Get(jobID("pre")) != nil || b.plant.Get(jobID("post")) == nil || b.plant.Get(jobID("fail")) != nil {
			t.Errorf("objects = %v: want pre deleted by its policy, post left, fail never run", b.plant.IDs())
		}
		var order []string
		for _, attempt := range b.attempts() {
			for _, change := range attempt.Changes {
				order = append(order, change.Op+" "+change.ID.Name)
			}
		}
		if got, want := strings.Join(order, ", "), "create pre, create a, delete pre, create post"; got != want {
			t.Errorf("order = %s, want %s", got, want)
		}
		writes := b.plant.Writes()
		b.plant.Write(thingID("a"), map[string]any{"value": int64(9)}, "mallory")
		b.plant.Remove(jobID("post"))
		synctest.Wait()
		b.want(loop.InSync, "Equal")
		if b.plant.Writes() != writes+1 {
			t.Errorf("%d writes for the repair of one object: hooks must not run again", b.plant.Writes()-writes)
		}
		b.restart()
		b.want(loop.InSync, "Equal")
		next := maps.Clone(files)
		next["a.yaml"] = thing("a", "2")
		b.push(next)
		b.want(loop.InSync, "Equal")
		if b.plant.Writes() != writes+1+4 {
			t.Errorf("%d writes for the next revision, want both hooks and the object", b.plant.Writes()-writes-1)
		}
	})
}

func TestAFailedHookStopsWhatFollows(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.want(loop.InSync, "Equal")
		b.plant.SetNewHealth(jobID("pre"), state.Health{Status: state.Degraded, Reason: "Failed", Message: "exit code 3: no database", Final: true})
		b.push(map[string]string{
			"a.yaml": thing("a", "2"), "pre.yaml": job("pre", "setpoint.dev/hook: pre"), "fail.yaml": job("fail", "setpoint.dev/hook: fail"),
		})
		status := b.want(loop.RolledBack, "HookFailed")
		if b.value("a") != int64(1) || !strings.Contains(status.Message, "no database") {
			t.Errorf("a = %v: %s", b.value("a"), status.Message)
		}
	})
}

func things(names ...string) map[string]string {
	files := map[string]string{}
	for _, name := range names {
		files["shop/"+name+".yaml"] = thing(name, "1")
	}
	return files
}

func (b *bench) approve() {
	b.t.Helper()
	plan := b.loop.Status().Plan
	if plan == nil {
		b.t.Fatal("there is nothing to approve")
	}
	b.after(time.Second)
	b.configure(func(in *loop.Inputs) {
		in.Approval = &v1alpha1.Approval{Digest: plan.Digest, By: "alice", Time: time.Now()}
	})
}

func TestTheEndOfASyncIsJudgedToo(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Path = "shop" })
		b.push(things("a", "b", "c", "d"))
		b.configure(func(in *loop.Inputs) { in.Deleting = true })
		b.want(loop.Held, policy.MassDeletion)
		if len(b.plant.IDs()) != 4 || b.gone {
			t.Fatalf("%d objects are left", len(b.plant.IDs()))
		}
		b.approve()
		if len(b.plant.IDs()) != 0 || !b.gone {
			t.Errorf("%d objects are left after the approval", len(b.plant.IDs()))
		}
	})
}

func TestAFolderThatMovedIsHeldUntilApproved(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Path = "shop" })
		b.push(map[string]string{"other/x.yaml": thing("x", "1")})
		b.want(loop.Failed, "RenderFailed") // it never was there
		b.push(things("a", "b"))
		b.want(loop.InSync, "Equal")
		b.push(map[string]string{"moved/a.yaml": thing("a", "1"), "moved/b.yaml": thing("b", "1")})
		if status := b.want(loop.Held, policy.EmptyRender); !strings.Contains(status.Message, "the source has no such path") {
			t.Errorf("message = %s", status.Message)
		}
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		if len(b.plant.IDs()) != 2 {
			t.Errorf("objects = %v: what is in force is not kept", b.plant.IDs())
		}
		b.after(10 * time.Second) // the plan has changed back
		b.approve()
		b.want(loop.InSync, "Equal")
		if len(b.plant.IDs()) != 0 {
			t.Errorf("objects = %v after the approval", b.plant.IDs())
		}
	})
}

func TestAnApprovalThatIsVoidStaysVoid(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.configure(func(in *loop.Inputs) { in.Terms = shut(t) })
		b.in.Terms.Approval = v1alpha1.ApprovalAlways
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.approve()
		if status := b.want(loop.Held, policy.OutsideWindow); len(status.Plan.Verdicts) != 1 {
			t.Errorf("verdicts = %+v, want the window alone", status.Plan.Verdicts)
		}
		b.push(map[string]string{"a.yaml": thing("a", "3")})
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		if status := b.want(loop.Held, policy.OutsideWindow); len(status.Plan.Verdicts) != 2 {
			t.Errorf("verdicts = %+v, want the approval asked for anew", status.Plan.Verdicts)
		}
	})
}

func TestAFailHookThatFailedDoesNotOutlastTheFailure(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.plant.SetNewHealth(thingID("a"), state.Health{Status: state.Progressing})
		b.plant.SetNewHealth(jobID("fail"), state.Health{Status: state.Degraded, Reason: "Failed", Message: "exit code 1", Final: true})
		b.push(map[string]string{"a.yaml": thing("a", "1"), "fail.yaml": job("fail", "setpoint.dev/hook: fail")})
		b.after(time.Minute + time.Second) // the timeout, and not twice of it
		if b.want(loop.Failed, "Unhealthy"); b.plant.Get(jobID("fail")) == nil {
			t.Error("the fail hook has not run")
		}
		b.sicken("a", healthy)
		b.want(loop.InSync, "Equal")
	})
}

func TestAHookIsEndedAtItsDeadline(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.plant.SetNewHealth(jobID("pre"), state.Health{Status: state.Progressing, Message: "it runs"})
		b.push(map[string]string{
			"a.yaml": thing("a", "2"), "pre.yaml": job("pre", "setpoint.dev/hook: pre, setpoint.dev/hook-timeout: 2s, setpoint.dev/hook-delete: never"),
		})
		b.want(loop.Settling, "")
		b.after(3 * time.Second)
		status := b.want(loop.RolledBack, "HookFailed")
		if b.plant.Get(jobID("pre")) != nil || !strings.Contains(status.Message, "did not end within 2s") {
			t.Errorf("pre is there: %v; %s", b.plant.Get(jobID("pre")) != nil, status.Message)
		}
	})
}
