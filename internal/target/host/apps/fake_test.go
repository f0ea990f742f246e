package apps

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
	"github.com/setpoint-dev/setpoint/internal/target/host/watch"
)

// supervisor is one that works, in memory: the first word of a command says how a process behaves. "serve" is healthy at once, "hang"
// never, "crash" exits with code 2, "true" and "false" end as they always do, "wait" goes on. It keeps what it was asked for.
type supervisor struct {
	mu      sync.Mutex
	version uint64
	news    chan struct{} // closed at the next change
	procs   map[supervise.ProcessID]supervise.Status
	asked   map[supervise.ProcessID]supervise.Process
	apps    map[string]supervise.App
	errs    map[string]string // by address: why it cannot be listened on
	starts  []supervise.ProcessID
	pid     int
}

func newSupervisor() *supervisor {
	return &supervisor{
		version: 1, news: make(chan struct{}), procs: map[supervise.ProcessID]supervise.Status{}, pid: 77,
		asked: map[supervise.ProcessID]supervise.Process{}, apps: map[string]supervise.App{}, errs: map[string]string{},
	}
}

// change changes something under the lock, and tells.
func (s *supervisor) change(do func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	s.version++
	close(s.news)
	s.news = make(chan struct{})
	return nil
}

func (s *supervisor) Start(_ context.Context, p supervise.Process) error {
	return s.change(func() {
		if _, known := s.procs[p.ID]; known {
			return
		}
		s.starts = append(s.starts, p.ID)
		s.asked[p.ID] = p
		status := supervise.Status{ID: p.ID, Phase: supervise.Running, Started: time.Now(), PID: 1000 + len(s.starts)}
		exit := func(e supervise.Exit) {
			e.Time = time.Now()
			status.Phase, status.Exit, status.PID = supervise.Exited, &e, 0
		}
		switch _, err := os.Stat(p.Launch.Dir); {
		case err != nil:
			exit(supervise.Exit{Error: "no such working directory", Permanent: true})
		case p.Launch.Command[0] == "serve":
			status.Healthy, status.Ever = true, true
		case p.Launch.Command[0] == "hang":
			status.Failing = "GET /healthz: 503"
		case p.Launch.Command[0] == "crash":
			exit(supervise.Exit{Code: 2, Output: []string{"starting", "panic: boom"}})
		case p.Launch.Command[0] == "true":
			exit(supervise.Exit{})
		case p.Launch.Command[0] == "false":
			exit(supervise.Exit{Code: 1, Output: []string{"no such table"}})
		}
		s.procs[p.ID] = status
	})
}

func (s *supervisor) Stop(_ context.Context, id supervise.ProcessID, _ time.Duration) error {
	return s.change(func() {
		if status, known := s.procs[id]; known && status.Phase != supervise.Exited {
			status.Phase, status.Asked, status.Healthy = supervise.Exited, true, false
			status.Exit = &supervise.Exit{Time: time.Now(), Code: -1, Signal: "SIGTERM"}
			s.procs[id] = status
		}
	})
}

func (s *supervisor) Forget(_ context.Context, ids ...supervise.ProcessID) error {
	return s.change(func() {
		for _, id := range ids {
			if s.procs[id].Phase == supervise.Exited {
				delete(s.procs, id)
			}
		}
	})
}

func (s *supervisor) SetApp(_ context.Context, app supervise.App) error {
	return s.change(func() { s.apps[app.Name] = app })
}

func (s *supervisor) RemoveApp(_ context.Context, name string) error {
	return s.change(func() { delete(s.apps, name) })
}

func (s *supervisor) State(ctx context.Context, after uint64) (supervise.State, error) {
	for {
		s.mu.Lock()
		news, now := s.news, s.state()
		s.mu.Unlock()
		if now.Version > after {
			return now, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return supervise.State{}, ctx.Err()
		}
	}
}

func (s *supervisor) state() supervise.State {
	now := supervise.State{Version: s.version, PID: s.pid}
	for _, status := range s.procs {
		now.Processes = append(now.Processes, status)
	}
	slices.SortFunc(now.Processes, func(a, b supervise.Status) int { return compareIDs(a.ID, b.ID) })
	for _, app := range s.apps {
		app.OneOff.Env = nil
		now.Apps = append(now.Apps, supervise.AppStatus{App: app, Error: s.errs[app.Listen]})
	}
	return now
}

// set changes the status of the running process of a seat, and gives its ID.
func (s *supervisor) set(t *testing.T, kind string, index int, change func(*supervise.Status)) supervise.ProcessID {
	t.Helper()
	var found supervise.ProcessID
	_ = s.change(func() {
		for id, status := range s.procs {
			if id.Type == kind && id.Index == index && status.Phase == supervise.Running {
				change(&status)
				s.procs[id], found = status, id
			}
		}
	})
	if found.App == "" {
		t.Fatalf("no process %s.%d runs", kind, index)
	}
	return found
}

func (s *supervisor) kill(t *testing.T, kind string, index int, exit supervise.Exit) supervise.ProcessID {
	exit.Time = time.Now()
	return s.set(t, kind, index, func(status *supervise.Status) {
		status.Phase, status.Exit, status.Healthy = supervise.Exited, &exit, false
	})
}

// running gives the processes that live, in order.
func (s *supervisor) running() []supervise.ProcessID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []supervise.ProcessID
	for id, status := range s.procs {
		if status.Phase != supervise.Exited {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, compareIDs)
	return ids
}

func (s *supervisor) request(id supervise.ProcessID) supervise.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[id]
}

func (s *supervisor) app(name string) supervise.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[name]
}

// builds are trees by their digest.
type builds map[string]fs.FS

func (b builds) Open(digest string) (fs.FS, error) {
	if files, ok := b[digest]; ok {
		return files, nil
	}
	return nil, fault.New(fault.Transient, "open", digest, "the source does not have it yet")
}

// bench is a driver on real files with a real journal, as an agent would have it.
type bench struct {
	t          *testing.T
	dir        string // of the agent
	files      string // of the host
	root       *rootfs.Root
	watcher    *watch.Watcher
	journal    *journal.Journal
	supervisor *supervisor
	real       supervise.Supervisor // nil: supervisor is used
	builds     builds
	env        map[string]string
	driver     *Driver
	changed    chan struct{}
	endWatch   context.CancelFunc
	watched    chan struct{}
}

var testOwner = state.Owner{Agent: "agent", Sync: "shop"}

func newBench(t *testing.T) *bench {
	t.Helper()
	top := t.TempDir()
	for _, dir := range []string{filepath.Dir(top), top} { // apps of an agent that is root run as other users
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{
		t: t, dir: filepath.Join(top, "data"), files: filepath.Join(top, "host"), supervisor: newSupervisor(), env: map[string]string{},
		builds: builds{"one": fstest.MapFS{"bin/serve": {Data: []byte("#!/bin/sh\n"), Mode: 0o755}, "README": {Data: []byte("hi\n"), Mode: 0o644}}},
	}
	for _, dir := range []string{b.dir, b.files} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.builds["two"] = b.builds["one"]
	b.root, b.watcher = must(rootfs.Open("/"))(t), nil
	b.journal = must(journal.Open(filepath.Join(b.dir, "journal"), journal.Options{}))(t)
	t.Cleanup(func() { _ = raze(filepath.Join(b.dir, "apps")) }) // sealed directories are more than RemoveAll can do
	t.Cleanup(func() { _ = b.journal.Close() })
	t.Cleanup(func() { _ = b.root.Close() })
	b.start()
	t.Cleanup(b.stop)
	return b
}

func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func (b *bench) config() Config {
	return Config{
		Dir: b.dir, Journal: b.journal, Builds: b.builds, Files: b.root, UID: os.Getuid(), Redact: diff.Redactor{Key: []byte("0123456789abcdef")},
		Getenv: func(name string) (string, bool) { value, set := b.env[name]; return value, set },
		Supervisor: func(context.Context) (supervise.Supervisor, error) {
			if b.real != nil {
				return b.real, nil
			}
			return b.supervisor, nil
		},
	}
}

// start is the start of an agent.
func (b *bench) start() {
	cfg := b.config()
	b.watcher = must(watch.New(b.root, slog.New(slog.DiscardHandler)))(b.t)
	cfg.Watcher = b.watcher
	b.driver = New(cfg)
	b.changed, b.watched = make(chan struct{}, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	b.endWatch = cancel
	changed, watched, driver := b.changed, b.watched, b.driver
	go func() {
		defer close(watched)
		if err := driver.Watch(ctx, func(bool, ...state.ID) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}); err != nil {
			b.t.Error(err)
		}
	}()
}

// stop is its end; it may have ended already.
func (b *bench) stop() {
	if b.driver == nil {
		return
	}
	b.endWatch()
	<-b.watched
	if err := b.driver.Close(); err != nil {
		b.t.Error(err)
	}
	_ = b.watcher.Close()
	b.driver = nil
}

// object makes an App of its spec.
func object(spec map[string]any) *state.Object {
	if _, said := spec["build"]; !said {
		spec["build"] = map[string]any{"directory": ".", "digest": "one"}
	}
	switch processes, said := spec["processes"]; {
	case !said:
		spec["processes"] = map[string]any{"web": map[string]any{"command": []any{"serve"}}}
	case processes == nil: // those of the Procfile
		delete(spec, "processes")
	}
	return state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "App", "metadata": map[string]any{"name": "shop"}, "spec": spec,
	}, state.Origin{File: "app.yaml"})
}

func (b *bench) compare(want *state.Object) diff.Entry {
	record, _ := b.journal.Get(want.ID())
	return b.driver.Compare(b.t.Context(), testOwner, want, record)
}

// loop does what the loop does: compare, and apply what differs, until something is true of the entry.
func (b *bench) loop(want *state.Object, what string, done func(diff.Entry) bool) diff.Entry {
	b.t.Helper()
	var entry diff.Entry
	b.until(func() bool {
		entry = b.compare(want)
		if done(entry) {
			return true
		}
		if entry.Op != diff.None && entry.Err == nil && !entry.Terminating {
			b.apply(plan.Step{ID: want.ID(), Op: entry.Op, Want: want, Fields: entry.Fields})
		}
		return false
	}, func() string { return what + ", have " + describe(entry) })
	return entry
}

func describe(e diff.Entry) string {
	text := string(e.Op) + " " + string(e.Health.Status) + " " + e.Health.Reason + " " + e.Health.Message
	for _, f := range e.Fields {
		text += " [" + f.Path + " " + f.Old + " → " + f.New + "]"
	}
	if e.Err != nil {
		text += " error: " + e.Err.Error()
	}
	return text
}

func (b *bench) until(done func() bool, what func() string) {
	b.t.Helper()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-b.changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			b.t.Fatalf("waited in vain for %s; processes %v", what(), b.supervisor.running())
		}
	}
}

func (b *bench) apply(step plan.Step) target.Result {
	b.t.Helper()
	result := b.driver.Apply(b.t.Context(), testOwner, step)
	if result.Err != nil {
		b.t.Fatalf("%s: %v (%s)", step.Op, result.Err, fault.HintOf(result.Err))
	}
	return result
}

func healthy(e diff.Entry) bool { return e.Op == diff.None && e.Health.Ready() }

func (b *bench) converge(want *state.Object) diff.Entry {
	b.t.Helper()
	return b.loop(want, "health", healthy)
}

func (b *bench) write(name, content string) string {
	b.t.Helper()
	name = filepath.Join(b.files, name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return name
}
