package apps

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// TestMain lets the test's own program be the supervisor, and the apps that it runs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "as:supervisor":
			beSupervisor(os.Args[2])
			return
		case "as:server":
			beServer()
			return
		}
	}
	os.Exit(m.Run())
}

func beSupervisor(dir string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := supervise.Main(ctx, supervise.Options{Dir: dir, Version: "v1"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beServer answers with the release that it is, and what is asked of it: /exit?code=3 ends it.
func beServer() {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("APP_RELEASE")) })
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux, ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	fmt.Println("serving", os.Getenv("COLOR"))
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-ctx.Done()
}

// realBench is a bench with the real supervisor, and a build that is this program.
func realBench(t *testing.T) (*bench, *supervise.Client) {
	t.Helper()
	b := newBench(t)
	b.stop()
	self := must(os.Executable())(t)
	dir := filepath.Join(b.dir, "supervise")
	client := must(supervise.Connect(t.Context(), supervise.ConnectOptions{
		Dir: dir, Command: []string{self, "as:supervisor", dir}, Env: os.Environ(), Version: "v1",
	}))(t)
	t.Cleanup(func() {
		b.stop() // who is left would start it again
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := client.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if log, _ := os.ReadFile(filepath.Join(dir, "supervisor.log")); t.Failed() {
			t.Logf("supervisor.log:\n%s", log)
		}
		_ = client.Close()
	})
	b.real = client
	b.builds["one"] = fstest.MapFS{"bin/server": {Data: must(os.ReadFile(self))(t), Mode: 0o755}}
	b.start()
	return b, client
}

func freePort(t *testing.T) int {
	t.Helper()
	listener := must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// load asks an address without a pause until it is ended, and counts.
type load struct {
	done, failed atomic.Int64
	last         atomic.Value // the last failure
	stop         context.CancelFunc
	wg           sync.WaitGroup
}

func startLoad(address string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	for range 3 {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				if text, err := get(address); err != nil {
					l.failed.Add(1)
					l.last.Store(text + err.Error())
				}
				l.done.Add(1)
			}
		})
	}
	return l
}

func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	if l.failed.Load() > 0 || l.done.Load() < 100 {
		t.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.done.Load(), l.last.Load())
	}
}

func get(address string) (string, error) {
	response, err := http.Get(address)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", response.Status)
	}
	return string(text), err
}

// Under load, releases take over, fail to, and the agent is restarted in the middle, and no request is lost.
func TestWithARealSupervisor(t *testing.T) {
	b, client := realBench(t)
	port := freePort(t)
	address := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	spec := func(color, check string) *state.Object {
		return object(map[string]any{
			"processes": map[string]any{"web": map[string]any{
				"command": []any{"./bin/server", "as:server"}, "replicas": 2, "check": map[string]any{"http": check},
			}},
			"env": map[string]any{"COLOR": color}, "expose": map[string]any{"port": port},
			"release": map[string]any{"timeout": "20s", "drain": "10s"},
		})
	}
	b.converge(spec("green", "/"))
	b.until(func() bool { text, err := get(address); return err == nil && text == "1" }, func() string { return "release 1 to answer" })
	load := startLoad(address)

	b.converge(spec("blue", "/"))
	b.until(func() bool { text, _ := get(address); return text == "2" }, func() string { return "release 2 to answer" })

	red := spec("red", "/")
	b.apply(plan.Step{ID: red.ID(), Op: diff.Update, Want: red})
	b.stop()
	b.start()
	b.converge(red)
	b.until(func() bool { text, _ := get(address); return text == "3" }, func() string { return "release 3 to answer" })

	bad := object(map[string]any{
		"processes": map[string]any{"web": map[string]any{
			"command": []any{"./bin/server", "as:server"}, "replicas": 2, "check": map[string]any{"http": "/missing"},
		}},
		"expose": map[string]any{"port": port}, "release": map[string]any{"timeout": "1s"},
	})
	entry := b.loop(bad, "failure", func(e diff.Entry) bool { return e.Op == diff.None && e.Health.Final })
	if !strings.Contains(entry.Health.Message, "/missing") || !strings.Contains(entry.Health.Message, "404") {
		t.Errorf("health %+v", entry.Health)
	}
	b.converge(red)
	load.end(t)
	b.onlyRelease(client, 3, 2)

	want := spec("red", "/")
	b.killReal(client)
	entry = b.loop(want, "drift", func(e diff.Entry) bool { return e.Op == diff.Update })
	if len(entry.Fields) != 1 || entry.Fields[0].Old != `"killed by SIGKILL"` {
		t.Errorf("after a kill: %s", describe(entry))
	}
	b.converge(want)
	b.onlyRelease(client, 3, 2)

	b.apply(plan.Step{ID: want.ID(), Op: diff.Delete})
	b.until(func() bool { _, owned := b.journal.Get(want.ID()); return !owned }, func() string { return "its record to go" })
	if left := must(client.State(t.Context(), 0))(t); len(left.Processes)+len(left.Apps) > 0 {
		t.Errorf("left over: %+v", left)
	}
	if _, err := os.Lstat(string(b.driver.place("shop"))); err == nil {
		t.Error("its files are left")
	}
}

// onlyRelease waits until so many healthy processes of a release are all that runs.
func (b *bench) onlyRelease(client *supervise.Client, release, count int) {
	b.t.Helper()
	var seen supervise.State
	b.until(func() bool {
		seen = must(client.State(b.t.Context(), 0))(b.t)
		strange := func(s supervise.Status) bool { return s.ID.Release != release || !s.Healthy }
		return len(seen.Processes) == count && !slices.ContainsFunc(seen.Processes, strange)
	}, func() string { return fmt.Sprintf("release %d alone, have %+v", release, seen.Processes) })
}

func (b *bench) killReal(client *supervise.Client) {
	b.t.Helper()
	seen := must(client.State(b.t.Context(), 0))(b.t)
	if err := syscall.Kill(seen.Processes[0].PID, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
}

// Commands that cannot be started, for each reason: the release fails with it, and what serves goes on.
func TestCommandsThatCannotBeStarted(t *testing.T) {
	b, client := realBench(t)
	b.builds["one"].(fstest.MapFS)["notes"] = &fstest.MapFile{Data: []byte("x"), Mode: 0o644}
	good := object(map[string]any{"processes": web("./bin/server", "as:server")})
	b.converge(good)
	for command, saying := range map[string]string{"./none": "none", "./notes": "executable", "./bin/server $NONE": "$NONE"} {
		var words []any
		for word := range strings.FieldsSeq(command) {
			words = append(words, word)
		}
		entry := b.loop(object(map[string]any{"processes": web(words...)}), "failure of "+command,
			func(e diff.Entry) bool { return e.Op == diff.None && e.Health.Final })
		if !strings.Contains(entry.Health.Message, saying) || !strings.Contains(entry.Health.Message, "could not be started") {
			t.Errorf("%s: %+v", command, entry.Health)
		}
	}
	b.onlyRelease(client, 1, 1)
	b.apply(plan.Step{ID: good.ID(), Op: diff.Delete})
	b.until(func() bool { return len(b.driver.Apps()) == 0 }, func() string { return "its record to go" })
}
