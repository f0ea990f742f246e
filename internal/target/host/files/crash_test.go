package files_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// The environment of the process that is killed: where it works.
const (
	crashRoot = "SETPOINT_TEST_CRASH_ROOT"
	crashData = "SETPOINT_TEST_CRASH_DATA"
)

// TestMain lets the test's program be the process that is killed.
func TestMain(m *testing.M) {
	if os.Getenv(crashRoot) != "" {
		applyForever()
		return
	}
	os.Exit(m.Run())
}

// body is a content that shows whether it is whole.
func body(generation int) string {
	return strings.Repeat(fmt.Sprintf("generation %d\n", generation), 2000)
}

// crashing is what is declared in a generation: contents, modes and targets change, one path moves, and one object comes and goes.
func crashing(generation int) []*state.Object {
	all := []*state.Object{
		directory("conf", "/conf"),
		object("File", "adopted", spec{"path": "/adopted", "content": body(generation), "deletion": "restore"}),
		link("current", "/conf/current", fmt.Sprint("generation-", generation)),
		object("File", "moving", spec{"path": fmt.Sprint("/conf/moving-", generation%2), "content": body(generation)}),
	}
	for i := range 4 {
		mode := []string{"0644", "0640"}[generation%2]
		all = append(all, object("File", fmt.Sprint("file-", i), spec{"path": fmt.Sprint("/conf/file-", i), "content": body(generation), "mode": mode}))
	}
	if generation%3 == 0 {
		all = append(all, object("File", "sometimes", spec{"path": "/conf/sometimes", "content": body(generation)}))
	}
	return all
}

// applyForever applies one generation after the other until it is killed.
func applyForever() {
	h := &host{t: panicking{}, dir: os.Getenv(crashRoot), data: os.Getenv(crashData), env: map[string]string{}}
	h.start()
	fmt.Println("ready")
	for generation := rand.IntN(1000); ; generation++ {
		h.converge(crashing(generation))
	}
}

// panicking is a test that has nobody to tell: it ends the process.
type panicking struct{ testing.TB }

func (panicking) Helper()                   {}
func (panicking) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (panicking) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (panicking) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// converge makes the host as it is declared, and removes what is owned and not declared any more.
func (h *host) converge(all []*state.Object) {
	h.t.Helper()
	declared := map[state.ID]bool{}
	for _, want := range all {
		declared[want.ID()] = true
		if entry := h.compare(want); entry.Err != nil {
			h.t.Fatalf("%s: %v", entry.ID, entry.Err)
		} else if entry.Op != diff.None {
			h.put(want)
		}
	}
	surplus := h.journal.Surplus(owner, func(id state.ID) bool { return declared[id] })
	for _, record := range surplus {
		h.driver.Owned(context.Background(), record)
	}
	for _, record := range slices.Backward(surplus) {
		if result := h.remove(object(record.ID.Kind, record.ID.Name, nil)); result.Err != nil {
			h.t.Fatalf("%s: %v", record.ID, result.Err)
		}
	}
}

// A process that is killed at any instant leaves whole files, and the next one puts everything right, loses nothing that was there
// before, and leaves nothing behind.
func TestKilledAtRandomInstants(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 5
	}
	h := &host{t: t, dir: t.TempDir(), data: t.TempDir(), env: map[string]string{}}
	h.write("adopted", "theirs")
	for range kills {
		killOne(t, h)
		checkWhole(t, h)
		h.start()
		noLeftOvers(t, h)
		h.stop()
	}
	h.start()
	last := crashing(3)
	h.converge(last)
	for _, want := range last {
		h.equal(want)
	}
	if tree := h.tree(); len(tree) != 9 {
		t.Errorf("there is more or less than what is declared: %v", tree)
	}
	h.converge(nil)
	if tree := fmt.Sprint(h.tree()); tree != "map[/adopted:-rw-r--r-- theirs]" {
		t.Errorf("after everything was removed there is %.300s", tree)
	}
	h.stop()
}

// killOne starts a process and kills it at a random instant after it has begun.
func killOne(t *testing.T, h *host) {
	t.Helper()
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), crashRoot+"="+h.dir, crashData+"="+h.data)
	var complaint strings.Builder
	process.Stderr = &complaint
	out, err := process.StdoutPipe()
	h.must(err)
	h.must(process.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("it does not start: %q, %v, %s", line, err, complaint.String())
	}
	time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond) // the random instant; nothing waits for it
	h.must(process.Process.Kill())
	_ = process.Wait()
	if status := process.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Fatalf("it ended by itself: %v, %s", status, complaint.String())
	}
}

// checkWhole fails when a file is neither one nor another whole content.
func checkWhole(t *testing.T, h *host) {
	t.Helper()
	for path, what := range h.tree() {
		_, content, isFile := strings.Cut(what, " ")
		if !isFile || content == "directory" || strings.HasPrefix(what, "link to ") || rootfs.IsTemporary(filepath.Base(path)) {
			continue
		}
		var generation int
		if _, err := fmt.Sscanf(content, "generation %d\n", &generation); (err != nil || content != body(generation)) && content != "theirs" {
			t.Fatalf("%s is neither old nor new: %.80q", path, content)
		}
	}
}

func noLeftOvers(t *testing.T, h *host) {
	t.Helper()
	for path := range h.tree() {
		if rootfs.IsTemporary(filepath.Base(path)) {
			t.Errorf("%s is left over", path)
		}
	}
}
