package apps

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

func TestProcessesThatEndAreDrift(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{})
	b.converge(want)
	b.supervisor.kill(t, "web", 1, supervise.Exit{Code: -1, Signal: "SIGKILL"})
	entry := b.loop(want, "drift", func(e diff.Entry) bool { return e.Op == diff.Update })
	if len(entry.Fields) != 1 || entry.Fields[0].Path != "/processes/web.1" || entry.Fields[0].Old != `"killed by SIGKILL"` ||
		entry.Fields[0].New != `"running"` || !entry.Lost {
		t.Fatalf("after a kill: %s", describe(entry))
	}
	b.converge(want)
	for range atOnce - 1 {
		b.supervisor.kill(t, "web", 1, supervise.Exit{Code: 2, Output: []string{"panic: boom"}})
		b.loop(want, "drift", func(e diff.Entry) bool { return e.Op == diff.Update })
		b.converge(want)
	}
	b.supervisor.kill(t, "web", 1, supervise.Exit{Code: 2, Output: []string{"panic: boom"}})
	entry = b.loop(want, "back-off", func(e diff.Entry) bool { return e.Health.Reason == reasonCrashLoop })
	if entry.Op != diff.None || entry.Health.Status != state.Degraded || !strings.Contains(entry.Health.Message, "panic: boom") {
		t.Fatalf("in back-off: %s", describe(entry))
	}
	entry = b.loop(want, "the end of the back-off", func(e diff.Entry) bool { return e.Op == diff.Update })
	if entry.Fields[0].Old != `"exited with code 2"` {
		t.Errorf("after the back-off: %s", describe(entry))
	}
	b.converge(want)
	if running := b.supervisor.running(); len(running) != 1 || running[0].Launch != atOnce+2 {
		t.Errorf("running: %v", running)
	}
}

func TestAProcessThatIsNotHealthyIsReplaced(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{"expose": map[string]any{"port": 80}})
	b.converge(want)
	b.supervisor.set(t, "web", 1, func(s *supervise.Status) {
		s.Healthy, s.Failing = false, "it no longer listens on port 20001"
	})
	entry := b.loop(want, "drift", func(e diff.Entry) bool { return e.Op == diff.Update })
	if entry.Fields[0].Old != `"not healthy: it no longer listens on port 20001"` || entry.Health.Reason != reasonUnhealthy {
		t.Fatalf("not healthy: %s", describe(entry))
	}
	b.converge(want)
	running := b.supervisor.running()
	if len(running) != 1 || running[0].Launch != 2 || !slices.Equal(b.supervisor.app("shop").Backends, running) {
		t.Errorf("running %v, balanced %v", running, b.supervisor.app("shop").Backends)
	}
}

func TestFilesOfAReleaseAreRestored(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{})
	b.converge(want)
	dir := b.driver.place("shop").release(1)
	before := must(os.Stat(dir))(t)
	if err := unseal(dir); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Remove(filepath.Join(dir, "README")), os.WriteFile(filepath.Join(dir, "README"), []byte("no\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "bin", "evil"), []byte("x"), 0o700), os.Remove(filepath.Join(dir, "bin", "serve")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	entry := b.loop(want, "drift", func(e diff.Entry) bool { return e.Op == diff.Update && len(e.Fields) > 4 })
	for _, path := range []string{"/files/README", "/files/bin~1evil", "/files/bin~1serve"} {
		if !slices.ContainsFunc(entry.Fields, func(f diff.Field) bool { return f.Path == path }) {
			t.Errorf("%s is not named: %s", path, describe(entry))
		}
	}
	b.converge(want)
	if content, err := os.ReadFile(filepath.Join(dir, "README")); err != nil || string(content) != "hi\n" {
		t.Errorf("README is %q, %v", content, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "bin", "evil")); err == nil {
		t.Error("what was added is left")
	}
	b.sealedRelease()
	if after := must(os.Stat(dir))(t); !os.SameFile(before, after) || len(b.supervisor.starts) != 1 {
		t.Error("processes that run there have lost their directory")
	}
}

func TestSecretsMakeReleasesAndShowNowhere(t *testing.T) {
	b := newBench(t)
	b.env["DB_PASSWORD"] = "hunter2-of-the-agent"
	file, host := b.write("token", "hunter2-of-a-file\n"), b.write("app.env", "API_KEY=hunter2-of-the-host\nCOLOR=blue\n")
	want := object(map[string]any{
		"env":     map[string]any{"COLOR": "green", "TOKEN": "overridden"},
		"envFrom": []any{map[string]any{"hostFile": host}},
		"secrets": map[string]any{"TOKEN": map[string]any{"file": file}, "PASSWORD": map[string]any{"env": "DB_PASSWORD"}},
	})
	b.converge(want)
	env := b.supervisor.request(b.supervisor.running()[0]).Launch.Env
	for _, line := range []string{"API_KEY=hunter2-of-the-host", "COLOR=green", "TOKEN=hunter2-of-a-file", "PASSWORD=hunter2-of-the-agent"} {
		if !slices.Contains(env, line) {
			t.Errorf("%s is not in %v", line, env)
		}
	}
	b.write("token", "hunter2-changed\n")
	entry := b.loop(want, "drift", func(e diff.Entry) bool { return e.Op == diff.Update })
	if len(entry.Fields) != 1 || entry.Fields[0].Path != "/release" || !entry.Lost || strings.Contains(describe(entry), "hunter2") {
		t.Fatalf("after a secret has changed: %s", describe(entry))
	}
	b.converge(want)
	b.until(func() bool { return len(b.supervisor.running()) == 1 }, func() string { return "the old to end" })
	if id := b.supervisor.running()[0]; id.Release != 2 || !slices.Contains(b.supervisor.request(id).Launch.Env, "TOKEN=hunter2-changed") {
		t.Errorf("%v runs with %v", id, b.supervisor.request(id).Launch.Env)
	}
	record, _ := b.journal.Get(want.ID())
	if strings.Contains(string(record.Data), "hunter2") {
		t.Errorf("a secret is in the journal: %s", record.Data)
	}
	b.env["SETPOINT_TOKEN"] = "x"
	refused := b.compare(object(map[string]any{"secrets": map[string]any{"A": map[string]any{"env": "SETPOINT_TOKEN"}}}))
	if refused.Err == nil {
		t.Errorf("the agent's own token is given away")
	}
	missing := b.compare(object(map[string]any{"secrets": map[string]any{"A": map[string]any{"env": "NOT_SET"}}}))
	if fault.KindOf(missing.Err) != fault.NotFound || fault.HintOf(missing.Err) == "" {
		t.Errorf("a secret that is not there: %v", missing.Err)
	}
}

func TestChangesOfADeclaration(t *testing.T) {
	b := newBench(t)
	before := object(map[string]any{"env": map[string]any{"COLOR": "green", "GONE": "1", "API_TOKEN": "abc", "URL": "http://u:p@h"}})
	data := must(json.Marshal(before))(t)
	after := object(map[string]any{"env": map[string]any{"COLOR": "blue", "API_TOKEN": "def", "URL": "http://u:q@h"}})
	var got []string
	for _, f := range b.driver.changes(data, after) {
		got = append(got, f.Path+" "+f.Old+" "+f.New)
		if strings.Contains(f.Old+f.New, "abc") || strings.Contains(f.Old+f.New, "u:") {
			t.Errorf("a secret shows: %+v", f)
		}
	}
	if len(got) != 4 || got[1] != `/spec/env/COLOR "green" "blue"` || got[2] != `/spec/env/GONE "1" ` {
		t.Errorf("changes %q", got)
	}
}

func TestNeedsThatCannotBeReached(t *testing.T) {
	b := newBench(t)
	listener := must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	b.env["DB"] = "postgres://user:hunter2@" + listener.Addr().String() + "/shop"
	want := object(map[string]any{
		"secrets": map[string]any{"DATABASE_URL": map[string]any{"env": "DB"}},
		"needs":   []any{map[string]any{"url": "$DATABASE_URL", "interval": "1s"}},
	})
	b.converge(want)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	entry := b.loop(want, "the need as the cause", func(e diff.Entry) bool { return e.Health.Reason == reasonNeed })
	if strings.Contains(entry.Health.Message, "hunter2") || !strings.Contains(entry.Health.Message, listener.Addr().String()) ||
		!strings.Contains(entry.Health.Message, "cannot be reached") {
		t.Errorf("health %+v", entry.Health)
	}
}

func TestAnAddressInUse(t *testing.T) {
	b := newBench(t)
	b.supervisor.errs["127.0.0.1:81"] = "address already in use"
	b.loop(object(map[string]any{"expose": map[string]any{"port": 81}}), "the address as the cause", func(e diff.Entry) bool {
		return e.Health.Reason == reasonAddress && e.Op == diff.None
	})
}

func TestABuildThatIsNotThereYet(t *testing.T) {
	b := newBench(t)
	want := object(map[string]any{"build": map[string]any{"directory": ".", "digest": "late"}})
	b.loop(want, "the build as the cause", func(e diff.Entry) bool {
		return e.Op == diff.None && e.Health.Status == state.Progressing && strings.Contains(e.Health.Message, "does not have it yet")
	})
	b.stop()
	b.builds["late"] = b.builds["one"]
	b.start()
	b.converge(want)
}
