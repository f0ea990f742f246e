package supervise

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of a test. None is expected to take anywhere near it.
const patience = 60 * time.Second

// bed is a supervisor to test, in a process of its own.
type bed struct {
	*Client
	t    *testing.T
	dir  string
	logs string
}

func selfPath(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func optionsFor(t testing.TB, dir, version string) ConnectOptions {
	return ConnectOptions{Dir: dir, Command: []string{selfPath(t), "as:supervisor", dir, version}, Env: os.Environ(), Version: version}
}

func newBed(t *testing.T) *bed { return newBedIn(t, filepath.Join(t.TempDir(), "supervisor")) }

func newBedIn(t *testing.T, dir string) *bed {
	t.Helper()
	client, err := Connect(t.Context(), optionsFor(t, dir, "v1"))
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{Client: client, t: t, dir: dir, logs: filepath.Join(t.TempDir(), "logs")}
	t.Cleanup(b.end)
	return b
}

// end stops everything, and sees to it that nothing is left over.
func (b *bed) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Shutdown(ctx); err != nil {
		b.t.Errorf("shut down: %v", err)
	}
	id, _ := b.home.id()
	for process, tasks := range marked(id) {
		for _, task := range tasks {
			b.t.Errorf("left over: pid %d of %s", task.pid, process)
			task.signal(syscall.SIGKILL)
		}
	}
	log, _ := os.ReadFile(filepath.Join(b.dir, logName))
	for _, trouble := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if bytes.Contains(log, []byte(trouble)) {
			b.t.Errorf("%s in the supervisor", trouble)
		}
	}
	if b.t.Failed() {
		b.t.Logf("supervisor.log:\n%s", log)
	}
	_ = b.Close()
}

// spec is a process of the test's own program.
func (b *bed) spec(index int, role string, args ...string) Process {
	return Process{
		ID: ProcessID{App: "shop", Release: 1, Type: "web", Index: index, Launch: 1},
		Launch: Launch{
			Dir: b.t.TempDir(), Command: append([]string{selfPath(b.t), role}, args...),
			Env: []string{"GREETING=hello", "PATH=/usr/bin:/bin", "GORACE=atexit_sleep_ms=0"},
		},
		Grace: 5 * time.Second, LogDir: filepath.Join(b.logs, "web"), LogSize: 1 << 20, LogFiles: 3,
	}
}

// server is one that listens and is checked.
func (b *bed) server(index int) Process {
	spec := b.spec(index, "as:server")
	spec.Check = Check{HTTP: "/healthz", Interval: 100 * time.Millisecond, Unhealthy: 2}
	return spec
}

func (b *bed) start(spec Process) {
	b.t.Helper()
	if err := b.Start(b.t.Context(), spec); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for a state.
func (b *bed) until(what string, reached func(State) bool) State {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	var state State
	for {
		next, err := b.State(ctx, state.Version)
		if err != nil {
			b.t.Fatalf("wait until %s: %v; last: %+v", what, err, state)
		}
		if state = next; reached(state) {
			return state
		}
	}
}

// status waits for a status of one process.
func (b *bed) status(id ProcessID, what string, reached func(Status) bool) Status {
	b.t.Helper()
	var found Status
	b.until(what, func(state State) bool {
		for _, status := range state.Processes {
			if status.ID == id && reached(status) {
				found = status
				return true
			}
		}
		return false
	})
	return found
}

func (b *bed) healthy(id ProcessID) Status {
	b.t.Helper()
	return b.status(id, id.String()+" is healthy", func(s Status) bool { return s.Healthy })
}

func (b *bed) exited(id ProcessID) Status {
	b.t.Helper()
	return b.status(id, id.String()+" has exited", func(s Status) bool { return s.Phase == Exited })
}

// kill kills the supervisor as a crash would, and gives its pid.
func (b *bed) kill() int {
	b.t.Helper()
	state, err := b.State(b.t.Context(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Kill(state.PID, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	eventually(b.t, "the supervisor is dead", b.home.free)
	return state.PID
}

// lines gives what a process type has written so far. A line is "time app/web.1 v1 stdout text".
func (b *bed) lines() []string {
	var lines []string
	paths, _ := filepath.Glob(filepath.Join(b.logs, "web", "*.log"))
	for _, path := range paths {
		content, _ := os.ReadFile(path)
		for line := range strings.Lines(string(content)) {
			if fields := strings.SplitN(line, " ", 5); len(fields) == 5 && strings.HasSuffix(line, "\n") {
				lines = append(lines, strings.TrimSuffix(fields[4], "\n"))
			}
		}
	}
	return lines
}

func (b *bed) wrote(text string) bool { return slices.Contains(b.lines(), text) }

// get asks a server on loopback.
func get(t *testing.T, port int, path string) string {
	t.Helper()
	body, err := tryGet(port, path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

var plainClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func tryGet(port int, path string) (string, error) {
	response, err := plainClient.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}

// eventually waits for a condition that nothing tells of.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
