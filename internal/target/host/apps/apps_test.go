package apps

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

func web(command ...any) map[string]any {
	return map[string]any{"web": map[string]any{"command": command}}
}

func TestAnAppComesAndGoes(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{"expose": map[string]any{"port": 8080}, "env": map[string]any{"COLOR": "green"}})
	if entry := b.compare(want); entry.Op != diff.Create || entry.Health.Status != state.Missing || entry.Err != nil {
		t.Fatalf("before it was applied: %s", describe(entry))
	}
	if len(b.supervisor.starts) > 0 || len(b.driver.Apps()) > 0 {
		t.Fatal("comparing has started something")
	}
	b.converge(want)
	running := b.supervisor.running()
	if len(running) != 1 || running[0] != (supervise.ProcessID{App: "shop", Release: 1, Type: "web", Index: 1, Launch: 1}) {
		t.Fatalf("running: %v", running)
	}
	launch := b.supervisor.request(running[0]).Launch
	for _, line := range []string{"COLOR=green", "APP_NAME=shop", "APP_RELEASE=1", "APP_PROCESS=web.1"} {
		if !slices.Contains(launch.Env, line) {
			t.Errorf("%s is missing in %v", line, launch.Env)
		}
	}
	if root := os.Getuid() == 0; root != (launch.UID != nil) || root && (*launch.UID < firstUID || *launch.UID > lastUID) {
		t.Errorf("it runs as %v", launch.UID)
	}
	app := b.supervisor.app("shop")
	if app.Listen != "127.0.0.1:8080" || !slices.Equal(app.Backends, running) || len(app.OneOff.Env) == 0 || app.OneOff.Command != nil {
		t.Errorf("the balance: %+v", app)
	}
	b.sealedRelease()

	record, _ := b.journal.Get(want.ID())
	if entry := b.driver.Owned(t.Context(), record); entry.Op != diff.Delete || entry.Terminating {
		t.Errorf("no longer wanted: %s", describe(entry))
	}
	b.apply(plan.Step{ID: want.ID(), Op: diff.Delete})
	b.until(func() bool { _, owned := b.journal.Get(want.ID()); return !owned }, func() string { return "its record to go" })
	if len(b.supervisor.running())+len(b.supervisor.state().Processes)+len(b.supervisor.state().Apps) > 0 {
		t.Errorf("left over: %+v", b.supervisor.state())
	}
	if _, err := os.Lstat(string(b.driver.place("shop"))); err == nil {
		t.Error("its files are left")
	}
	if result := b.apply(plan.Step{ID: want.ID(), Op: diff.Delete}); result.Changed {
		t.Error("deleting what is gone changes something")
	}
	b.converge(want) // and it can come back
}

// sealedRelease checks that the files of release 1 cannot be changed, and that who runs them can read them.
func (b *bench) sealedRelease() {
	b.t.Helper()
	dir := b.driver.place("shop").release(1)
	modes := map[string]os.FileMode{".": 0o500, "bin": 0o500, "bin/serve": 0o500, "README": 0o400}
	if os.Getuid() == 0 {
		modes = map[string]os.FileMode{".": 0o550, "bin": 0o550, "bin/serve": 0o550, "README": 0o440}
	}
	for name, mode := range modes {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			b.t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, mode)
		}
	}
}

func TestScalingRestartsNothing(t *testing.T) {
	b := newBench(t)
	scaled := func(n int) *state.Object {
		return object(map[string]any{
			"processes": map[string]any{"web": map[string]any{"command": []any{"serve"}, "replicas": n}}, "expose": map[string]any{"port": 80},
		})
	}
	b.converge(scaled(1))
	entry := b.compare(scaled(3))
	if entry.Op != diff.Update || len(entry.Fields) != 1 || entry.Fields[0].Path != "/spec/processes/web/replicas" {
		t.Fatalf("scaling: %s", describe(entry))
	}
	b.converge(scaled(3))
	b.converge(scaled(2))
	want := []supervise.ProcessID{
		{App: "shop", Release: 1, Type: "web", Index: 1, Launch: 1}, {App: "shop", Release: 1, Type: "web", Index: 2, Launch: 1},
	}
	b.until(func() bool { return slices.Equal(b.supervisor.running(), want) }, func() string { return "two processes" })
	if len(b.supervisor.starts) != 3 || !slices.Equal(b.supervisor.app("shop").Backends, want) {
		t.Errorf("started %v, balanced %v", b.supervisor.starts, b.supervisor.app("shop").Backends)
	}
}

func TestARelease(t *testing.T) {
	b := newBench(t)
	b.converge(object(map[string]any{"release": map[string]any{"pre": []any{"true"}}}))
	b.converge(object(map[string]any{"release": map[string]any{"pre": []any{"true"}}, "env": map[string]any{"A": "1"}}))
	b.until(func() bool { return len(b.supervisor.running()) == 1 }, func() string { return "the old to end" })
	releases := must(b.driver.Releases("shop"))(t)
	if len(releases.Releases) != 2 || releases.Releases[0].State != v1alpha1.ReleaseActive || releases.Releases[1].State != v1alpha1.ReleaseSuperseded ||
		!releases.Releases[1].Available {
		t.Fatalf("releases %+v", releases)
	}
	var order []string
	for _, id := range b.supervisor.starts {
		order = append(order, id.Type+strconv.Itoa(id.Release))
	}
	if !slices.Equal(order, []string{"pre1", "web1", "pre2", "web2"}) {
		t.Errorf("started %v", order)
	}
}

// A release that does not take over fails with its reason, is not tried again, and the old one goes on untouched.
func TestAReleaseThatFails(t *testing.T) {
	for name, test := range map[string]struct {
		spec           map[string]any
		reason, saying string
	}{
		"crashes": {map[string]any{"processes": web("crash")}, "ReleaseFailed", "web.1 exited with code 2; it last wrote: starting | panic: boom"},
		"hangs": {map[string]any{"processes": web("hang"), "release": map[string]any{"timeout": "100ms"}}, "ReleaseFailed",
			"web.1 was not healthy within 100ms: GET /healthz: 503"},
		"pre": {map[string]any{"env": map[string]any{"A": "1"}, "release": map[string]any{"pre": []any{"false"}}}, "PreFailed",
			"exited with code 1; it last wrote: no such table"},
		"pre hangs": {map[string]any{"env": map[string]any{"A": "1"}, "release": map[string]any{"pre": []any{"wait"}, "preTimeout": "50ms"}},
			"PreFailed", "did not end within 50ms"},
		"no command": {map[string]any{"processes": map[string]any{"web": map[string]any{}}}, "BuildInvalid", "it has no command"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.converge(object(map[string]any{}))
			before := b.supervisor.running()
			bad := object(test.spec)
			entry := b.loop(bad, "failure", func(e diff.Entry) bool { return e.Op == diff.None && e.Health.Final })
			if entry.Health.Status != state.Degraded || entry.Health.Reason != test.reason || !strings.Contains(entry.Health.Message, test.saying) {
				t.Errorf("health %+v", entry.Health)
			}
			b.until(func() bool { return slices.Equal(b.supervisor.running(), before) }, func() string { return "the old alone" })
			starts := len(b.supervisor.starts)
			b.stop()
			b.start() // a new agent does not try it again either
			if again := b.loop(bad, "failure", func(e diff.Entry) bool { return e.Op == diff.None && e.Health.Final }); again.Health != entry.Health {
				t.Errorf("health %+v and then %+v", entry.Health, again.Health)
			}
			if len(b.supervisor.starts) != starts || !slices.Equal(b.supervisor.running(), before) {
				t.Errorf("tried again: %v", b.supervisor.starts[starts:])
			}
			b.converge(object(map[string]any{})) // going back in the source is enough
			if len(b.supervisor.starts) != starts {
				t.Errorf("what ran all the time was started again: %v", b.supervisor.starts[starts:])
			}
		})
	}
}

func TestTheFirstReleaseFails(t *testing.T) {
	b := newBench(t)
	entry := b.loop(object(map[string]any{"processes": web("crash")}), "failure", func(e diff.Entry) bool { return e.Health.Final })
	if !strings.Contains(entry.Health.Message, "nothing serves") {
		t.Errorf("health %+v", entry.Health)
	}
	b.until(func() bool { return len(b.supervisor.running()) == 0 }, func() string { return "nothing to run" })
	b.converge(object(map[string]any{}))
}

func TestRollback(t *testing.T) {
	b := newBench(t)
	first, second := object(map[string]any{}), object(map[string]any{"env": map[string]any{"A": "2"}})
	b.converge(first)
	if _, err := b.driver.Rollback(t.Context(), "shop", 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("with one release only: %v", err)
	}
	b.converge(second)
	if shown, err := b.driver.Rollback(t.Context(), "shop", 0); err != nil || shown.RolledBack != 1 {
		t.Fatalf("rollback: %+v %v", shown, err)
	}
	entry := b.loop(second, "the rollback", func(e diff.Entry) bool { return healthy(e) && e.Health.Reason == reasonRolledBack })
	b.until(func() bool { r := b.supervisor.running(); return len(r) == 1 && r[0].Release == 1 }, func() string { return "release 1" })
	if entry.Health.Message == "" {
		t.Error("the rollback is not explained")
	}
	for to, kind := range map[int]fault.Kind{9: fault.NotFound} {
		if _, err := b.driver.Rollback(t.Context(), "shop", to); fault.KindOf(err) != kind {
			t.Errorf("to %d: %v, want %s", to, err, kind)
		}
	}
	if _, err := b.driver.Rollback(t.Context(), "none", 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("of no app: %v", err)
	}
	b.converge(object(map[string]any{"env": map[string]any{"A": "3"}}))
	if shown := must(b.driver.Releases("shop"))(t); shown.RolledBack != 0 || shown.Releases[0].Number != 3 || shown.Releases[0].State != v1alpha1.ReleaseActive {
		t.Errorf("after a new declaration: %+v", shown)
	}
}

func TestAnAgentThatIsKilledGoesOn(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{"processes": web("hang"), "release": map[string]any{"timeout": "1h"}})
	b.loop(want, "a take-over", func(e diff.Entry) bool { return len(b.supervisor.running()) == 1 })
	b.stop()
	b.supervisor.set(t, "web", 1, func(s *supervise.Status) { s.Healthy, s.Ever = true, true })
	b.start()
	b.until(func() bool {
		shown, err := b.driver.Releases("shop")
		return err == nil && shown.Releases[0].State == v1alpha1.ReleaseActive
	}, func() string { return "the take-over to end without anybody asking" })
	b.converge(want)
	if len(b.supervisor.starts) != 1 {
		t.Errorf("started %v", b.supervisor.starts)
	}
}

func TestOldReleasesAreDiscarded(t *testing.T) {
	b := newBench(t)
	for _, value := range []string{"1", "2", "3", "4"} {
		b.converge(object(map[string]any{"env": map[string]any{"A": value}, "release": map[string]any{"keep": 2}}))
	}
	b.until(func() bool { return len(present(b.driver.place("shop"))) == 2 }, func() string { return "two releases with files" })
	if _, err := b.driver.Rollback(t.Context(), "shop", 1); fault.KindOf(err) != fault.Invalid {
		t.Errorf("to a release without files: %v", err)
	}
	if _, err := b.driver.Rollback(t.Context(), "shop", 3); err != nil {
		t.Errorf("to the one before: %v", err)
	}
}

// Somebody who only looks changes nothing, and tells what the record says when there is no supervisor.
func TestLookingOnly(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{})
	b.converge(want)
	b.stop()
	cfg := b.config()
	cfg.ReadOnly = true
	cfg.Supervisor = func(context.Context) (supervise.Supervisor, error) { return nil, errors.New("none runs") }
	looking := New(cfg)
	record, _ := b.journal.Get(want.ID())
	if entry := looking.Compare(t.Context(), testOwner, want, record); !healthy(entry) {
		t.Errorf("by the record alone: %s", describe(entry))
	}
	changed := object(map[string]any{"env": map[string]any{"A": "2"}})
	if entry := looking.Compare(t.Context(), testOwner, changed, record); entry.Op != diff.Update || len(entry.Fields) != 1 {
		t.Errorf("a change: %s", describe(entry))
	}
	if result := looking.Apply(t.Context(), testOwner, plan.Step{ID: want.ID(), Op: diff.Update, Want: changed}); result.Err == nil {
		t.Error("it changes something")
	}
	if err := looking.Close(); err != nil {
		t.Error(err)
	}
	b.start()
}

func TestUsers(t *testing.T) {
	b := newBench(t)
	other := object(map[string]any{"user": "12345"})
	entry := b.compare(other)
	if os.Getuid() != 0 {
		if fault.KindOf(entry.Err) != fault.Denied || fault.HintOf(entry.Err) == "" {
			t.Errorf("an agent that is not root: %v", entry.Err)
		}
		if own := b.compare(object(map[string]any{"user": strconv.Itoa(os.Getuid())})); own.Err != nil {
			t.Errorf("as itself: %v", own.Err)
		}
		return
	}
	if entry.Err != nil {
		t.Fatalf("an agent that is root: %v", entry.Err)
	}
	b.converge(other)
	if launch := b.supervisor.request(b.supervisor.running()[0]).Launch; *launch.UID != 12345 || *launch.GID != 12345 {
		t.Errorf("it runs as %d:%d", *launch.UID, *launch.GID)
	}
	one, two := must(b.driver.chooseUID("a"))(t), must(b.driver.chooseUID("a"))(t)
	if *one != *two {
		t.Errorf("the same app is given %d and %d", *one, *two)
	}
	taken := (&memory{UID: one}).encode()
	if err := b.journal.Put(t.Context(), journal.Record{ID: idOf("other"), Owner: testOwner, Data: taken}); err != nil {
		t.Fatal(err)
	}
	if another := must(b.driver.chooseUID("a"))(t); *another == *one {
		t.Errorf("%d is given twice", *one)
	}
}
