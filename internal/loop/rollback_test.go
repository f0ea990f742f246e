package loop_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestRollbackToTheLastHealthy(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.want(loop.InSync, "Equal")
		b.sicken("a", state.Health{Status: state.Progressing})
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.want(loop.Settling, "")
		b.after(59 * time.Second)
		b.want(loop.Settling, "")
		b.after(2 * time.Second)
		if b.value("a") != int64(1) {
			t.Fatalf("a = %v: the last healthy revision is not back", b.value("a"))
		}
		b.sicken("a", healthy)
		status := b.want(loop.RolledBack, "Unhealthy")
		if status.Quarantine == nil || status.Quarantine.Revision.ID[39] != '2' || status.Applied.ID[39] != '1' {
			t.Errorf("quarantine = %+v, applied %v", status.Quarantine, status.Applied)
		}
		// A commit that declares the same is as bad; the next good one goes through.
		b.push(map[string]string{"a.yaml": thing("a", "2"), "README.md": "x"})
		b.want(loop.RolledBack, "Unhealthy")
		b.push(map[string]string{"a.yaml": thing("a", "3")})
		b.want(loop.InSync, "Equal")
		var story []string
		for _, attempt := range b.attempts() {
			story = append(story, attempt.Trigger+" "+attempt.Outcome)
		}
		want := "revision Succeeded, revision Unhealthy, rollback Succeeded, revision Succeeded"
		if got := strings.Join(story, ", "); got != want {
			t.Errorf("history = %s, want %s", got, want)
		}
	})
}

func TestRollbackOutlivesARestart(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		if _, err := b.loop.RollBack("", "alice@box", "it is slow"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		status := b.want(loop.RolledBack, "Person")
		if b.value("a") != int64(1) || !strings.Contains(status.Message, "alice@box") {
			t.Errorf("a = %v, %s", b.value("a"), status.Message)
		}
		writes := b.plant.Writes()
		b.restart()
		b.want(loop.RolledBack, "Person")
		if b.plant.Writes() != writes {
			t.Error("a restart has changed something")
		}
		b.loop.Request()
		synctest.Wait()
		b.want(loop.InSync, "Equal")
		if b.value("a") != int64(2) {
			t.Errorf("a = %v: a request did not end the rollback", b.value("a"))
		}
		if _, err := b.loop.RollBack("f00", "alice", ""); fault.KindOf(err) != fault.NotFound {
			t.Errorf("an unknown revision: %v", err)
		}
	})
}

func TestWhatFailedIsNotTriedAgainWhenWhatWasGoneBackToIsLost(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.sicken("a", state.Health{Status: state.Progressing})
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.after(61 * time.Second)
		b.sicken("a", healthy)
		b.want(loop.RolledBack, "Unhealthy")
		writes := b.plant.Writes()
		clear(b.shelf.sets)
		b.restart()
		status := b.want(loop.Held, loop.NothingToGoBackTo)
		if status.Quarantine == nil || b.value("a") != int64(1) || b.plant.Writes() != writes {
			t.Errorf("quarantine = %+v, a = %v after %d writes", status.Quarantine, b.value("a"), b.plant.Writes()-writes)
		}
		b.after(2 * time.Hour)
		b.restart()
		b.want(loop.Held, loop.NothingToGoBackTo)
		b.loop.Request()
		synctest.Wait()
		if b.want(loop.InSync, "Equal"); b.value("a") != int64(2) {
			t.Errorf("a = %v: a request did not try what failed again", b.value("a"))
		}
		b.push(map[string]string{"a.yaml": thing("a", "3")})
		b.want(loop.InSync, "Equal")
	})
}

func TestARollbackWaitsForADatabaseThatIsLocked(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.sicken("a", state.Health{Status: state.Progressing})
		b.shelf.lock(fault.New(fault.Transient, "read", "the database", "it is locked"))
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.after(2 * time.Minute)
		if b.want(loop.Failed, "Unhealthy"); b.value("a") != int64(2) {
			t.Errorf("a = %v", b.value("a"))
		}
		b.shelf.lock(nil)
		b.after(2 * time.Minute)
		b.sicken("a", healthy)
		if b.want(loop.RolledBack, "Unhealthy"); b.value("a") != int64(1) {
			t.Errorf("a = %v: it did not go back when it could", b.value("a"))
		}
	})
}

func TestNothingGoesBackToNothing(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(in *loop.Inputs) { in.Rollback = true })
		b.push(map[string]string{"README.md": "nothing yet"})
		b.want(loop.Held, policy.EmptyRender)
		b.approve()
		b.want(loop.InSync, "Equal")
		b.plant.SetNewHealth(thingID("a"), state.Health{Status: state.Degraded, Reason: "Broken", Final: true})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		if b.want(loop.Failed, "Unhealthy"); b.plant.Get(thingID("a")) == nil {
			t.Error("what failed was deleted, because there was nothing before")
		}
	})
}
