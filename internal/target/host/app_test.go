package host

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// TestMain is also the supervisor that a host of the tests starts, and an agent that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "supervise" {
		if err := supervise.Main(context.Background(), supervise.Options{Dir: os.Args[3], Version: "test"}); err != nil {
			panic(err)
		}
		return
	}
	if len(os.Args) == 4 && os.Args[1] == "as:agent" {
		beAgent(os.Args[2], os.Args[3])
		return
	}
	os.Exit(m.Run())
}

// output is where lines are forwarded to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// eventually waits until something holds, which is no measure of speed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// An app comes and goes through the host, with a real supervisor: it is created, healthy, heard of, and removed.
func TestAnAppComesAndGoes(t *testing.T) {
	dir, said := t.TempDir(), &output{}
	program, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(t.Context(), Config{
		Dir: dir, Root: "/", Agent: shop.Agent, SecretKey: secretKey, Log: slog.New(slog.DiscardHandler),
		Program: program, Version: "test", AppLogs: said,
		Builds: func(string) (fs.FS, error) { return fstest.MapFS{"README": {Data: []byte("x"), Mode: 0o644}}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		endSupervisor(t, SupervisorDir(dir))
	})
	app := sleeper()
	told := &hearing{}
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = h.Watch(ctx, shop, told.notify) })
	defer watching.Wait()
	defer cancel()

	carry := func(step plan.Step) {
		t.Helper()
		err := h.Apply(t.Context(), shop, []plan.Step{step}, func(result target.Result) {
			if result.Err != nil {
				t.Error(result.Err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	compare := func(want state.Set) []diff.Entry {
		t.Helper()
		report, err := h.Compare(t.Context(), target.Query{Owner: shop, Want: want})
		if err != nil {
			t.Fatal(err)
		}
		return report.Entries
	}
	carry(creating(app))
	eventually(t, "the app is healthy", func() bool {
		entry := compare(set(app))[0]
		return entry.Op == diff.None && entry.Health.Ready()
	})
	var release any
	query := target.Query{Owner: shop, Want: set(app), Assess: func(_ state.ID, content func() map[string]any) (state.Health, bool) {
		status, _ := content()["status"].(map[string]any)
		release = status["release"]
		return state.Health{}, false
	}}
	if _, err := h.Compare(t.Context(), query); err != nil || release != int64(1) {
		t.Errorf("rules see release %v (%v), want the first", release, err)
	}
	eventually(t, "its owner is told of it", func() bool {
		_, about := told.heard(app.ID())
		return about > 0
	})
	eventually(t, "what it writes is forwarded", func() bool { return strings.Contains(said.String(), "hello") })
	carry(deleting(app))
	eventually(t, "it is gone", func() bool { return len(compare(set())) == 0 })
}

// sleeper is an app that writes a word and stays.
func sleeper() *state.Object {
	spec := map[string]any{
		"build":     map[string]any{"directory": "app", "digest": strings.Repeat("a", 64)},
		"processes": map[string]any{"main": map[string]any{"command": []any{"sh", "-c", "echo hello; exec sleep 1000"}, "grace": "1s"}},
	}
	if os.Getuid() == 0 {
		spec["user"] = "0" // one of its own could not enter the test's directory
	}
	return state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "App", "metadata": map[string]any{"name": "sleeper"}, "spec": spec,
	}, state.Origin{})
}

// endSupervisor ends a supervisor and what it runs, however the test went.
func endSupervisor(t *testing.T, dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := supervise.Connect(ctx, supervise.ConnectOptions{Dir: dir, StartNever: true})
	if err != nil {
		return // it never came to that
	}
	defer func() { _ = client.Close() }()
	if err := client.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
