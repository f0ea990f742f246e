package host

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/targettest"
)

// command declares a shell script of tests, whose variables are the shell's own; the spec's other fields follow as pairs.
func command(name, script string, more ...any) *state.Object {
	spec := map[string]any{"command": []any{"sh", "-c", strings.ReplaceAll(script, "$", "$$")}}
	for i := 0; i < len(more); i += 2 {
		spec[more[i].(string)] = more[i+1]
	}
	return state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "Command", "metadata": map[string]any{"name": name}, "spec": spec,
	}, state.Origin{})
}

// commandHost is a host with a supervisor of its own, which can be left and opened anew.
type commandHost struct {
	*Host
	t   *testing.T
	dir string
}

func openCommands(t *testing.T) *commandHost {
	t.Helper()
	c := &commandHost{t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		c.leave()
		endSupervisor(t, SupervisorDir(c.dir))
	})
	c.open()
	return c
}

func (c *commandHost) open() {
	c.t.Helper()
	program, err := filepath.Abs(os.Args[0])
	if err != nil {
		c.t.Fatal(err)
	}
	c.Host, err = Open(context.Background(), Config{
		Dir: c.dir, Root: "/", Agent: shop.Agent, SecretKey: secretKey, Log: slog.New(slog.DiscardHandler),
		Program: program, Version: "test",
		Builds: func(string) (fs.FS, error) {
			return fstest.MapFS{"README": {Data: []byte("of the app"), Mode: 0o644}}, nil
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// leave is the end of the agent.
func (c *commandHost) leave() {
	if err := c.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *commandHost) carry(steps ...plan.Step) {
	c.t.Helper()
	err := c.Apply(c.t.Context(), shop, steps, func(result target.Result) {
		if result.Err != nil {
			c.t.Error(result.Err)
		}
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *commandHost) entry(want *state.Object) diff.Entry {
	c.t.Helper()
	report, err := c.Compare(c.t.Context(), target.Query{Owner: shop, Want: set(want), Only: []state.ID{want.ID()}})
	if err != nil || len(report.Entries) != 1 {
		c.t.Fatalf("%+v, %v; want one entry", report.Entries, err)
	}
	return report.Entries[0]
}

// becomes waits until a command is doing so, and gives its entry, which has to be one that asks for nothing.
func (c *commandHost) becomes(want *state.Object, reason string) diff.Entry {
	c.t.Helper()
	eventually(c.t, want.ID().Name+" is "+reason, func() bool { return c.entry(want).Health.Reason == reason })
	entry := c.entry(want)
	if entry.Op != diff.None || entry.Err != nil {
		c.t.Errorf("entry = %+v, want nothing to do", entry)
	}
	return entry
}

func content(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func TestACommandRunsOnceForEachDeclaration(t *testing.T) {
	c, file := openCommands(t), filepath.Join(t.TempDir(), "ran")
	script := "echo $WORD >> " + file + "; pwd >> " + file + "; echo PATH=$PATH"
	first := command("once", script, "env", map[string]any{"WORD": "first"})
	if entry := c.entry(first); entry.Op != diff.Create || entry.Health.Status != state.Missing {
		t.Errorf("entry = %+v, want it to be created", entry)
	}
	c.carry(creating(first))
	if entry := c.becomes(first, "Succeeded"); !entry.Health.Ready() {
		t.Errorf("health = %+v", entry.Health)
	}
	c.carry(creating(first)) // a step that is repeated
	c.leave()
	c.open()
	c.becomes(first, "Succeeded")

	second := command("once", script, "env", map[string]any{"WORD": "second"}, "directory", "/usr")
	entry := c.entry(second)
	if entry.Op != diff.Update || len(entry.Fields) != 2 {
		t.Errorf("entry = %+v, want an update of two fields", entry)
	}
	c.carry(plan.Step{ID: second.ID(), Op: diff.Update, Want: second})
	c.becomes(second, "Succeeded")
	if got, want := content(t, file), "first\n/\nsecond\n/usr\n"; got != want {
		t.Errorf("it did %q, want %q", got, want)
	}
	c.carry(deleting(second))
	eventually(t, "it is gone", func() bool { return c.entry(second).Health.Status == state.Missing })
	if _, err := os.Stat(filepath.Join(c.dir, "commands", "once")); !os.IsNotExist(err) {
		t.Errorf("its output is still there: %v", err)
	}
}

func TestAFailedCommandSaysWhatItWrote(t *testing.T) {
	c := openCommands(t)
	failing := command("failing", `for i in 1 2 3 4; do echo "line $i $(printf '%0400d' $i)"; done; printf 'last \033[31mwords\n'; exit 3`)
	missing := command("missing", "true")
	missing = state.NewObject(func() map[string]any {
		content := missing.Content()
		content["spec"].(map[string]any)["command"] = []any{"no-such-program"}
		return content
	}(), state.Origin{})
	c.carry(creating(failing), creating(missing))
	health := c.becomes(failing, "CommandFailed").Health
	if health.Status != state.Degraded || !health.Final || !strings.Contains(health.Message, "exited with code 3") {
		t.Errorf("health = %+v", health)
	}
	if !strings.Contains(health.Message, "last [31mwords") || strings.Contains(health.Message, "line 1") ||
		strings.ContainsAny(health.Message, "\n\033") || len(health.Message) > 1<<10 {
		t.Errorf("message of %d bytes: %q", len(health.Message), health.Message)
	}
	if health := c.becomes(missing, "CannotStart").Health; health.Status != state.Degraded || !health.Final {
		t.Errorf("health = %+v", health)
	}
}

// The whole group goes: what a command has started in the background, too.
func TestACommandIsEndedWhenItsTimeIsUp(t *testing.T) {
	c, pids := openCommands(t), filepath.Join(t.TempDir(), "pids")
	slow := command("slow", "sleep 1000 & echo $! > "+pids+"; echo $$ >> "+pids+"; wait", "timeout", "1s")
	c.carry(creating(slow))
	health := c.becomes(slow, "TimedOut").Health
	if health.Status != state.Degraded || !health.Final || !strings.Contains(health.Message, "1s") {
		t.Errorf("health = %+v", health)
	}
	for word := range strings.FieldsSeq(content(t, pids)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "process "+word+" is gone", func() bool { return syscall.Kill(pid, 0) != nil })
	}
}

// An agent that comes back finds the command as it is: running, or done meanwhile. It starts nothing twice.
func TestACommandSurvivesTheAgent(t *testing.T) {
	c, dir := openCommands(t), t.TempDir()
	started, gate := filepath.Join(dir, "started"), filepath.Join(dir, "gate")
	script := "echo x >> " + started + "; until [ -e " + gate + " ]; do sleep 0.05; done; exit $CODE"
	good := command("good", script, "env", map[string]any{"CODE": "0"})
	bad := command("bad", script, "env", map[string]any{"CODE": "7"})
	c.carry(creating(good), creating(bad))
	for range 3 { // at any instant: before it has started, and while it runs
		c.leave()
		c.open()
	}
	eventually(t, "both run", func() bool { return content(t, started) == strings.Repeat("x\n", 2) })
	c.becomes(good, "Running")
	c.leave()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.open()
	c.becomes(good, "Succeeded")
	if message := c.becomes(bad, "CommandFailed").Health.Message; !strings.Contains(message, "code 7") {
		t.Errorf("message = %q", message)
	}
	if got := content(t, started); got != strings.Repeat("x\n", 2) {
		t.Errorf("they were started %d times", strings.Count(got, "x"))
	}
}

// Another declaration, and none any more, end the run that is under way.
func TestACommandIsStopped(t *testing.T) {
	c, file := openCommands(t), filepath.Join(t.TempDir(), "said")
	script := "trap 'echo ended >> " + file + "; exit 0' TERM; echo $WORD >> " + file + "; while :; do sleep 0.05; done"
	one := command("stopped", script, "env", map[string]any{"WORD": "one"})
	two := command("stopped", script, "env", map[string]any{"WORD": "two"})
	c.carry(creating(one))
	eventually(t, "it runs", func() bool { return content(t, file) == "one\n" })
	c.carry(plan.Step{ID: two.ID(), Op: diff.Update, Want: two})
	eventually(t, "the next runs", func() bool { return content(t, file) == "one\nended\ntwo\n" })
	c.carry(deleting(two))
	c.leave()
	c.open()
	eventually(t, "it is gone", func() bool { return c.entry(two).Health.Status == state.Missing })
	if got := content(t, file); got != "one\nended\ntwo\nended\n" {
		t.Errorf("it said %q", got)
	}
}

func TestACommandRunsInAnApp(t *testing.T) {
	c, file := openCommands(t), filepath.Join(t.TempDir(), "said")
	content0 := sleeper().Content()
	content0["spec"].(map[string]any)["env"] = map[string]any{"COLOUR": "red", "SHAPE": "round"}
	app := state.NewObject(content0, state.Origin{})
	inside := command("inside", "cat README > "+file+"; echo :$APP_NAME:$COLOUR:$SHAPE >> "+file, "app", "sleeper",
		"env", map[string]any{"SHAPE": "square"})
	c.carry(creating(inside))
	eventually(t, "it waits for the app", func() bool { return c.entry(inside).Health.Reason == "Waiting" })
	c.carry(creating(app))
	c.becomes(inside, "Succeeded")
	if got, want := content(t, file), "of the app:sleeper:red:square\n"; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
}

func TestCommandsOfOthersAreRefused(t *testing.T) {
	c := openCommands(t)
	one := command("mine", "true")
	c.carry(creating(one))
	other := state.Owner{Agent: shop.Agent, Sync: "other"}
	err := c.Apply(t.Context(), other, []plan.Step{creating(one)}, func(result target.Result) {
		if fault.KindOf(result.Err) != fault.Conflict {
			t.Errorf("%v, want a conflict", result.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c.becomes(one, "Succeeded")
}

func TestAnOwnerHearsOfItsCommands(t *testing.T) {
	c, told := openCommands(t), &hearing{}
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = c.Watch(ctx, shop, told.notify) })
	defer watching.Wait()
	defer cancel()
	one := command("heard", "true")
	c.carry(creating(one))
	eventually(t, "its owner is told of it", func() bool {
		_, about := told.heard(one.ID())
		return about > 0
	})
	c.becomes(one, "Succeeded")
}

// The suite, but for what only somebody who changes a file could do.
func TestCommandConformance(t *testing.T) {
	c := openCommands(t)
	targettest.Run(t, targettest.Harness{
		New:    func(*testing.T) target.Target { return patient{c} },
		Object: func(name, value string) *state.Object { return command(shorten(name), "true "+value) },
		Exists: func(_ *testing.T, id state.ID) bool {
			_, known := c.journal.Get(id)
			return known
		},
	})
}

// patient waits for what it has applied: commands end, and go, when they will.
type patient struct{ *commandHost }

func (p patient) Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	err := p.commandHost.Apply(ctx, owner, steps, report)
	eventually(p.t, "all commands are done", func() bool {
		for _, record := range p.journal.All() {
			if data := string(record.Data); !strings.Contains(data, `"settled":true`) || strings.Contains(data, `"removing":true`) {
				return false
			}
		}
		return true
	})
	return err
}

// shorten keeps the end of a name, which tells it from others.
func shorten(name string) string { return strings.Trim(name[max(0, len(name)-40):], "-") }
