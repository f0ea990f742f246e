package loop_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/window"
)

// shut are terms with a window that denies changes at any time.
func shut(t *testing.T) *policy.Terms {
	t.Helper()
	always, err := window.Parse("* * * * *", 2*time.Minute, "UTC")
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Terms{Windows: []policy.Window{{Window: always, Deny: true}}}
}

func TestALostObjectLetsNoHeldRevisionThrough(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{"a.yaml": thing("a", "1")})
		b.configure(func(in *loop.Inputs) { in.Terms = shut(t) })
		b.push(map[string]string{"a.yaml": thing("a", "2")})
		b.want(loop.Held, policy.OutsideWindow)
		b.plant.Remove(thingID("a"))
		synctest.Wait()
		b.want(loop.Held, policy.OutsideWindow)
		if b.value("a") != int64(1) {
			t.Errorf("a = %v, want it put back as it was in force", b.value("a"))
		}
	})
}

func TestHooksAreJudgedLikeOtherChanges(t *testing.T) {
	for name, terms := range map[string]func(*testing.T) *policy.Terms{
		"window":   shut,
		"approval": func(*testing.T) *policy.Terms { return &policy.Terms{Approval: v1alpha1.ApprovalAlways} },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench) {
				b.configure(func(*loop.Inputs) {})
				b.push(map[string]string{"a.yaml": thing("a", "1")})
				b.configure(func(in *loop.Inputs) { in.Terms = terms(t) })
				b.push(map[string]string{"a.yaml": thing("a", "1"), "hook.yaml": job("migrate", "setpoint.dev/hook: pre")})
				status := b.want(loop.Held, "")
				if status.Plan == nil || status.Plan.Changes["create"] != 1 {
					t.Errorf("plan = %+v, want one hook in it", status.Plan)
				}
				if b.plant.Get(jobID("migrate")) != nil {
					t.Error("a hook has run that was held back")
				}
			})
		})
	}
}

func TestHooksOfARepairRunOnceForIt(t *testing.T) {
	run(t, func(b *bench) {
		b.configure(func(*loop.Inputs) {})
		b.push(map[string]string{
			"a.yaml": thing("a", "1"), "hook.yaml": job("check", "setpoint.dev/hook: pre, setpoint.dev/hook-runs: always"),
		})
		b.want(loop.InSync, "")
		for range 3 {
			writes := b.plant.Writes()
			b.plant.Write(thingID("a"), map[string]any{"value": int64(9)}, "mallory")
			synctest.Wait()
			b.want(loop.InSync, "")
			if got := b.plant.Writes() - writes; got > 4 { // mallory's, the old hook's end and the new one's beginning, the repair
				t.Errorf("%d writes for one repair with one hook", got)
			}
			b.after(time.Minute)
		}
		if last := b.attempts()[len(b.attempts())-1]; last.Trigger != "drift" {
			t.Errorf("the trigger of the repair is %s", last.Trigger)
		}
	})
}
