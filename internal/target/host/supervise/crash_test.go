package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAdoption: a killed supervisor takes nothing with it. The processes answer all the time, and the next one knows everything that may
// be on disk, balances at once, and can stop what it did not start.
func TestAdoption(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	before := b.healthy(spec.ID)
	app := App{Name: "shop", Release: 1, Listen: freeAddress(t), Backends: []ProcessID{spec.ID},
		OneOff: Launch{Dir: t.TempDir(), Env: []string{"SECRET=hidden"}}}
	if err := b.SetApp(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	old := b.kill()
	if got := get(t, before.Port, "/pid"); got != strconv.Itoa(before.PID) {
		t.Errorf("pid %s answers, want %d", got, before.PID)
	}
	state := b.until("another supervises", func(s State) bool { return s.PID != old })
	if len(state.Processes) != 1 || len(state.Apps) != 1 {
		t.Fatalf("%+v", state)
	}
	after := state.Processes[0]
	if after.PID != before.PID || after.Port != before.Port || !after.Started.Equal(before.Started) || !after.Healthy || !after.Ever {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if got := get(t, portOf(t, app.Listen), "/pid"); got != strconv.Itoa(before.PID) {
		t.Errorf("the address is answered by %s", got)
	}
	if launch, _, err := b.OneOff(t.Context(), "shop"); err != nil || len(launch.Env) != 1 {
		t.Errorf("the client has not said again what may not be on disk: %v, %v", launch, err)
	}
	if err := b.Stop(t.Context(), spec.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	if exit := b.exited(spec.ID).Exit; !exit.Unknown || exit.Code != -1 {
		t.Errorf("nobody can know how it ended: %+v", exit)
	}
	secret, _ := exec.CommandContext(t.Context(), "grep", "-r", "hidden", b.dir).Output()
	if len(secret) != 0 {
		t.Errorf("a secret is on disk: %s", secret)
	}
}

// TestEndsWhileNobodyLooks: what ended without a supervisor is known to have ended, and its children with it.
func TestEndsWhileNobodyLooks(t *testing.T) {
	b := newBed(t)
	spec := b.spec(1, "as:tree")
	spec.Grace = 50 * time.Millisecond
	b.start(spec)
	eventually(t, "it has children", func() bool { return b.wrote("grown") })
	pid := b.status(spec.ID, "it runs", func(s Status) bool { return s.PID > 0 }).PID
	b.kill()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := b.exited(spec.ID).Exit; !exit.Unknown || !slices.Contains(exit.Output, "grown") {
		t.Errorf("%+v", exit)
	}
	id, _ := b.home.id()
	if left := marked(id); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestNoLineIsLost: what a process writes while supervisors are killed all arrives. A line may arrive twice.
func TestNoLineIsLost(t *testing.T) {
	b := newBed(t)
	const lines = 10_000
	spec := b.spec(1, "as:counter", strconv.Itoa(lines))
	spec.LogSize = 64 << 20
	b.start(spec)
	for range 5 {
		before := len(b.lines())
		eventually(t, "lines arrive", func() bool { return len(b.lines()) > before || before >= lines })
		b.kill()
		if _, err := b.State(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the last line arrives", func() bool { return b.wrote(fmt.Sprintf("line %d", lines-1)) })
	seen := map[string]bool{}
	for _, line := range b.lines() {
		seen[line] = true
	}
	for i := range lines {
		if !seen[fmt.Sprintf("line %d", i)] {
			t.Fatalf("line %d is lost", i)
		}
	}
}

// TestStopGoesOn: a process that was told to stop stops, though the supervisor that was told is killed.
func TestStopGoesOn(t *testing.T) {
	b := newBed(t)
	spec := b.spec(1, "as:stubborn")
	spec.Grace = 300 * time.Millisecond
	b.start(spec)
	eventually(t, "it ignores SIGTERM", func() bool { return b.wrote("stubborn") })
	if err := b.Stop(t.Context(), spec.ID, 0); err != nil {
		t.Fatal(err)
	}
	b.kill()
	if status := b.exited(spec.ID); !status.Asked {
		t.Errorf("%+v", status)
	}
}

// TestStartedInTheMomentOfACrash: a process of which only the intent is recorded is adopted, one of which nothing is recorded is ended,
// and an intent that came to nothing is forgotten, so that it can be started.
func TestStartedInTheMomentOfACrash(t *testing.T) {
	b := newBed(t)
	adopted, unknown, never := b.spec(1, "as:sleeper"), b.spec(2, "as:sleeper"), b.spec(3, "as:sleeper")
	id, _ := b.home.id()
	old := b.kill()
	for _, spec := range []Process{adopted, unknown} {
		command := exec.Command(spec.Launch.Command[0], spec.Launch.Command[1:]...)
		command.Env = append(spec.Launch.Env, supervisorMark+"="+id, processMark+"="+spec.ID.String())
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		reaped := make(chan struct{})
		go func() { defer close(reaped); _ = command.Wait() }()
		t.Cleanup(func() { _ = command.Process.Kill(); <-reaped })
	}
	eventually(t, "both carry their marks", func() bool { return len(marked(id)) == 2 })
	for _, spec := range []Process{adopted, never} {
		if err := writeRecord(b.home, record{Process: spec, Status: newProcess(spec).status, Boot: bootID()}); err != nil {
			t.Fatal(err)
		}
	}
	b.until("another supervises", func(s State) bool { return s.PID != old })
	b.status(adopted.ID, "it is adopted", func(s Status) bool { return s.PID > 0 && s.Phase == Running })
	eventually(t, "the unknown one is ended", func() bool { return len(marked(id)[unknown.ID.String()]) == 0 })
	b.start(never)
	b.status(never.ID, "it is started", func(s Status) bool { return s.PID > 0 && s.Phase == Running })
}

// TestSIGTERMLeavesProcesses: who ends the supervisor does not end what it supervises.
func TestSIGTERMLeavesProcesses(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	running := b.healthy(spec.ID)
	state, err := b.State(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(state.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	next := b.until("another supervises", func(s State) bool { return s.PID != state.PID })
	if len(next.Processes) != 1 || next.Processes[0].PID != running.PID || !next.Processes[0].Healthy {
		t.Errorf("%+v", next.Processes)
	}
}

// TestShutdownAfterACrash: what a killed supervisor has left behind is ended too.
func TestShutdownAfterACrash(t *testing.T) {
	b := newBed(t)
	b.start(b.spec(1, "as:sleeper"))
	eventually(t, "it runs", func() bool { return b.wrote("sleeping") })
	b.kill()
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, _ := b.home.id()
	if left := marked(id); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestUpgradeInPlace(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	running := b.healthy(spec.ID)
	app := App{Name: "shop", Release: 1, Listen: freeAddress(t), Backends: []ProcessID{spec.ID},
		OneOff: Launch{Dir: t.TempDir(), Env: []string{"SECRET=hidden"}}}
	if err := b.SetApp(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	port := portOf(t, app.Listen)
	get(t, port, "/pid")
	before, err := b.State(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	stop, failures := make(chan struct{}), make(chan error, 1)
	go func() { // somebody asks all the time, with a new connection each time
		defer close(failures)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := tryGet(port, "/slow?for=5ms"); err != nil {
				failures <- err
				return
			}
		}
	}()
	next, err := Connect(t.Context(), optionsFor(t, b.dir, "v2"))
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	after, err := next.State(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-failures; err != nil {
		t.Errorf("a request failed: %v", err)
	}
	if after.PID != before.PID || after.Binary != "v2" || after.Version <= before.Version {
		t.Errorf("before %d %s, after %d %s", before.PID, before.Binary, after.PID, after.Binary)
	}
	if after.Processes[0].PID != running.PID || after.Apps[0].Requests < before.Apps[0].Requests || after.Apps[0].Requests == 0 {
		t.Errorf("%+v", after)
	}
	if launch, _, err := next.OneOff(t.Context(), "shop"); err != nil || len(launch.Env) != 1 {
		t.Errorf("one-off: %v %v", launch, err)
	}
	_, _ = tryGet(running.Port, "/exit?code=5")
	if exit := b.exited(spec.ID).Exit; exit.Code != 5 {
		t.Errorf("it is still a child, so that its code is known: %+v", exit)
	}
}

func TestTwoConnectsAtOnceGiveOneSupervisor(t *testing.T) {
	b := newBed(t)
	b.kill()
	pids := make(chan int, 8)
	for range cap(pids) {
		go func() {
			client, err := Connect(t.Context(), optionsFor(t, b.dir, "v1"))
			if err != nil {
				t.Error(err)
				pids <- 0
				return
			}
			defer client.Close()
			state, err := client.State(t.Context(), 0)
			if err != nil {
				t.Error(err)
			}
			pids <- state.PID
		}()
	}
	first := <-pids
	for range cap(pids) - 1 {
		if pid := <-pids; pid != first {
			t.Errorf("supervisors %d and %d", first, pid)
		}
	}
}

func TestStartNever(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	options := optionsFor(t, dir, "v1")
	options.StartNever = true
	if _, err := Connect(t.Context(), options); err == nil {
		t.Error("there is no supervisor")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("something was made")
	}
	b := newBedIn(t, dir)
	client, err := Connect(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	b.kill()
	if _, err := client.State(t.Context(), 0); err == nil {
		t.Error("it was started")
	}
}

func TestEndsWhenIdle(t *testing.T) {
	dir := t.TempDir()
	options := optionsFor(t, dir, "v1")
	options.Command = append(options.Command, "50ms")
	client, err := Connect(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	eventually(t, "it ends by itself", client.home.free)
	if err := client.Shutdown(t.Context()); err != nil {
		t.Errorf("shutting down nothing: %v", err)
	}
}

func TestAFailingCommandIsSaid(t *testing.T) {
	options := optionsFor(t, t.TempDir(), "v1")
	options.Command = []string{selfPath(t), "as:leaver", "1", "no"}
	if _, err := Connect(t.Context(), options); err == nil || !strings.Contains(err.Error(), "it ended at once") {
		t.Error(err)
	}
}

// TestOneOwner: the socket is for its owner alone, at any depth of directories.
func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	for range 6 {
		dir = filepath.Join(dir, strings.Repeat("deep", 15))
	}
	b := newBedIn(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, socketName): 0o600,
		filepath.Join(dir, logName): 0o600, filepath.Join(dir, processesName): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	if os.Geteuid() != 0 {
		return // nobody else can be tried; the mode has been
	}
	for _, open := range []string{dir, filepath.Join(dir, socketName)} {
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	asOther(t, func() {
		connection, err := b.dial(t.Context())
		if err != nil {
			return // refused by the directories above
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(patience))
		_, _ = connection.Write([]byte("POST /state HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"))
		if n, err := connection.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("another user was answered")
		}
	})
}
