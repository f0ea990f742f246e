package supervise

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, _ := strconv.Atoi(port)
	return number
}

// asOther runs a function on a thread of another user, which is thrown away afterwards.
func asOther(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			t.Errorf("become another: %v", errno)
			return
		}
		do()
	}()
	<-done
}

func TestHTTPCheck(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	port := b.healthy(spec.ID).Port
	get(t, port, "/set?status=503")
	sick := b.status(spec.ID, "it is not healthy", func(s Status) bool { return !s.Healthy })
	if sick.Failing != "GET /healthz: 503" || !sick.Ever || sick.Phase != Running {
		t.Errorf("%+v", sick)
	}
	get(t, port, "/set?status=302")
	if well := b.healthy(spec.ID); well.Failing != "" {
		t.Errorf("%+v", well)
	}
}

func TestCommandCheck(t *testing.T) {
	b := newBed(t)
	told := filepath.Join(t.TempDir(), "told")
	tell := func(code string) {
		if err := writeAtomic(told, []byte(code)); err != nil {
			t.Fatal(err)
		}
	}
	tell("2")
	spec := b.spec(1, "as:sleeper")
	// The environment of a check is the process's own, and its command is expanded like the process's.
	spec.Launch.Env = append(spec.Launch.Env, "SELF="+selfPath(t))
	spec.Check = Check{Command: []string{"$SELF", "as:told", told}, Interval: 50 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 2}
	b.start(spec)
	b.status(spec.ID, "the check has failed", func(s Status) bool { return s.Failing == "check $SELF: exited with code 2" && !s.Ever })
	tell("0")
	b.healthy(spec.ID)
	old := b.kill() // a successor reads the environment back
	b.until("another supervises", func(s State) bool { return s.PID != old })
	tell("3")
	b.status(spec.ID, "the check fails", func(s Status) bool { return s.Failing == "check $SELF: exited with code 3" && !s.Healthy })
	tell("0")
	b.healthy(spec.ID)
}

func TestACheckThatHangsIsKilled(t *testing.T) {
	b := newBed(t)
	told := filepath.Join(t.TempDir(), "told")
	if err := os.WriteFile(told, []byte("-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := b.spec(1, "as:sleeper")
	spec.Check = Check{Command: []string{selfPath(t), "as:told", told}, Timeout: 100 * time.Millisecond}
	b.start(spec)
	want := "check " + selfPath(t) + ": not done within 100ms"
	b.status(spec.ID, "the check has failed", func(s Status) bool { return s.Failing == want })
}

func TestRunningIsHealthyWithoutACheck(t *testing.T) {
	b := newBed(t)
	spec := b.spec(1, "as:sleeper")
	spec.Port = -1
	b.start(spec)
	status := b.healthy(spec.ID)
	if status.Port != 0 || status.Failing != "" {
		t.Errorf("%+v", status)
	}
}

// TestLostListener: a process that stops listening is out at once, long before its next check, and in again when it listens.
func TestLostListener(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	spec.Check = Check{TCP: true, Interval: time.Hour, Unhealthy: 100}
	b.start(spec)
	running := b.healthy(spec.ID)
	get(t, running.Port, "/deaf?for=700ms")
	deaf := b.status(spec.ID, "it is not healthy", func(s Status) bool { return !s.Healthy })
	if want := "it no longer listens on port " + strconv.Itoa(running.Port); deaf.Failing != want || !deaf.Ever {
		t.Errorf("%+v, want %q", deaf, want)
	}
	if again := b.healthy(spec.ID); again.PID != running.PID || again.Failing != "" {
		t.Errorf("%+v", again)
	}
}

// TestDrain: a process that is told to stop gets nothing new, finishes what it has, and is then stopped without waiting any longer.
func TestDrain(t *testing.T) {
	b := newBed(t)
	old, young := b.server(1), b.server(2)
	b.start(old)
	first := b.healthy(old.ID)
	app := App{Name: "shop", Release: 1, Listen: freeAddress(t), Backends: []ProcessID{old.ID}}
	if err := b.SetApp(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	port := portOf(t, app.Listen)
	answered := make(chan string, 1)
	go func() {
		body, err := tryGet(port, "/slow?for=1s")
		if err != nil {
			body = err.Error()
		}
		answered <- body
	}()
	b.start(young)
	second := b.healthy(young.ID)
	eventually(t, "the slow request is under way", func() bool {
		return len(connectionsOf(t, first.PID)) > 0
	})
	app.Backends = append(app.Backends, young.ID)
	if err := b.SetApp(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context(), old.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	b.status(old.ID, "it drains", func(s Status) bool { return s.Phase == Draining && s.Asked })
	for range 10 {
		eventually(t, "the new one answers", func() bool {
			body, err := tryGet(port, "/pid")
			return err == nil && body == strconv.Itoa(second.PID)
		})
	}
	if got := <-answered; got != strconv.Itoa(first.PID) {
		t.Errorf("the request under way got %q", got)
	}
	b.exited(old.ID)
}

// TestStopInAHurry: a second Stop with less time shortens what the first one gave.
func TestStopInAHurry(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	b.healthy(spec.ID)
	app := App{Name: "shop", Release: 1, Listen: freeAddress(t), Backends: []ProcessID{spec.ID}}
	if err := b.SetApp(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = tryGet(portOf(t, app.Listen), "/slow?for=1h")
	}()
	pid := b.healthy(spec.ID).PID
	eventually(t, "the request is under way", func() bool { return len(connectionsOf(t, pid)) > 0 })
	for _, drain := range []time.Duration{time.Hour, 0} {
		if err := b.Stop(t.Context(), spec.ID, drain); err != nil {
			t.Fatal(err)
		}
	}
	b.exited(spec.ID)
	<-answered
}

// connectionsOf gives the sockets that a process has beside the one that it listens on.
func connectionsOf(t *testing.T, pid int) []string {
	t.Helper()
	entries, _ := os.ReadDir(procPath(pid, "fd"))
	var sockets []string
	for _, entry := range entries {
		if to, err := os.Readlink(procPath(pid, "fd/"+entry.Name())); err == nil && len(to) > 6 && to[:6] == "socket" {
			sockets = append(sockets, to)
		}
	}
	if len(sockets) > 0 {
		sockets = sockets[1:]
	}
	return sockets
}

func TestPorts(t *testing.T) {
	b := newBed(t)
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	spec := b.server(1)
	spec.Port = port
	b.start(spec)
	want := "port " + strconv.Itoa(port) + " is taken by another program"
	if exit := b.exited(spec.ID).Exit; exit.Error != want || exit.Permanent {
		t.Errorf("%+v, want %q", exit, want)
	}
	_ = taken.Close()
	spec = b.server(2)
	spec.Port = port
	b.start(spec)
	if got := b.healthy(spec.ID).Port; got != port {
		t.Errorf("port %d, want %d", got, port)
	}
	rival := b.server(3)
	rival.Port = port
	b.start(rival)
	if exit := b.exited(rival.ID).Exit; exit.Error != "port "+strconv.Itoa(port)+" is taken by process shop/1/web.2/1" {
		t.Errorf("%+v", exit)
	}
}

func TestAddressInUse(t *testing.T) {
	b := newBed(t)
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetApp(t.Context(), App{Name: "shop", Release: 1, Listen: taken.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	b.until("the address is in use", func(s State) bool { return len(s.Apps) == 1 && s.Apps[0].Error != "" })
	_ = taken.Close()
	b.until("it is tried again", func(s State) bool { return s.Apps[0].Error == "" })
}

// TestManyProcesses: fifty start and stop at once, each with its own port, and leave no goroutine or descriptor behind.
func TestManyProcesses(t *testing.T) {
	b := newBed(t)
	state, err := b.State(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	goroutines := func() int {
		_ = os.Remove(filepath.Join(b.dir, "goroutines"))
		_ = syscall.Kill(state.PID, syscall.SIGUSR1)
		count := 0
		eventually(t, "goroutines are counted", func() bool {
			content, err := os.ReadFile(filepath.Join(b.dir, "goroutines"))
			count, _ = strconv.Atoi(string(content))
			return err == nil
		})
		return count
	}
	descriptors := func() int {
		entries, _ := os.ReadDir(procPath(state.PID, "fd"))
		return len(entries)
	}
	beforeGoroutines, beforeDescriptors := goroutines(), descriptors()
	const many = 50
	var starting sync.WaitGroup
	for i := range many {
		spec := b.spec(i+1, "as:sleeper")
		starting.Go(func() {
			if err := b.Start(t.Context(), spec); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	running := b.until("all are healthy", func(s State) bool {
		healthy := 0
		for _, p := range s.Processes {
			if p.Healthy {
				healthy++
			}
		}
		return healthy == many
	})
	ports, ids := map[int]bool{}, []ProcessID{}
	for _, p := range running.Processes {
		ports[p.Port] = true
		ids = append(ids, p.ID)
		if err := b.Stop(t.Context(), p.ID, 0); err != nil {
			t.Error(err)
		}
	}
	if len(ports) != many {
		t.Errorf("%d ports", len(ports))
	}
	b.until("all have exited", func(s State) bool {
		for _, p := range s.Processes {
			if p.Phase != Exited {
				return false
			}
		}
		return true
	})
	if err := b.Forget(t.Context(), ids...); err != nil {
		t.Fatal(err)
	}
	b.http.CloseIdleConnections()
	eventually(t, "goroutines have ended", func() bool { return goroutines() <= beforeGoroutines })
	eventually(t, "descriptors are closed", func() bool { return descriptors() <= beforeDescriptors })
}

func TestShutdownLeavesNothing(t *testing.T) {
	b := newBed(t)
	spec := b.spec(1, "as:tree")
	spec.Grace = 50 * time.Millisecond
	b.start(spec)
	if err := b.SetApp(t.Context(), App{Name: "shop", Release: 1, Listen: freeAddress(t)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has children", func() bool { return b.wrote("grown") })
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{processesName, appsName} {
		if left, _ := os.ReadDir(filepath.Join(b.dir, kind)); len(left) != 0 {
			t.Errorf("%s: %v", kind, left)
		}
	}
}
