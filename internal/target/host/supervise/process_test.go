package supervise

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStartStop(t *testing.T) {
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	running := b.healthy(spec.ID)
	if got := get(t, running.Port, "/pid"); got != strconv.Itoa(running.PID) {
		t.Errorf("pid %s answers, want %d", got, running.PID)
	}
	b.start(spec)
	if again := b.healthy(spec.ID); again.PID != running.PID {
		t.Errorf("it was started twice: %d and %d", running.PID, again.PID)
	}
	if err := b.Stop(t.Context(), spec.ID, 0); err != nil {
		t.Fatal(err)
	}
	stopped := b.exited(spec.ID)
	if stopped.Exit.Signal != "SIGTERM" || stopped.Exit.Code != -1 || !stopped.Asked || !stopped.Ever || stopped.Healthy {
		t.Errorf("it ended as %+v, %+v", stopped, stopped.Exit)
	}
	if err := b.Forget(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	b.until("it is forgotten", func(s State) bool { return len(s.Processes) == 0 })
	if left, _ := os.ReadDir(filepath.Join(b.dir, processesName)); len(left) != 0 {
		t.Errorf("files are left: %v", left)
	}
}

func TestEnvironmentIsExactlyWhatIsGiven(t *testing.T) {
	t.Setenv("LEAK", "the supervisor's own")
	b := newBed(t)
	spec := b.server(1)
	b.start(spec)
	running := b.healthy(spec.ID)
	var got []string
	if err := json.Unmarshal([]byte(get(t, running.Port, "/env")), &got); err != nil {
		t.Fatal(err)
	}
	id, _ := b.home.id()
	want := append(slices.Clone(spec.Launch.Env), "SETPOINT_SUPERVISOR="+id, "SETPOINT_PROCESS=shop/1/web.1/1",
		"PORT="+strconv.Itoa(running.Port))
	if !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
	record, err := os.ReadFile(filepath.Join(b.dir, processesName, spec.ID.fileName()+".json"))
	if err != nil || strings.Contains(string(record), "GREETING=hello") {
		t.Errorf("the environment is on disk, or no record is: %v", err)
	}
}

func TestEnds(t *testing.T) {
	b := newBed(t)
	for i, test := range []struct {
		how, signal string
		code        int
	}{{"0", "", 0}, {"3", "", 3}, {"KILL", "SIGKILL", -1}} {
		spec := b.spec(i+1, "as:leaver", test.how, "one", "two")
		spec.Once = true
		b.start(spec)
		exit := b.exited(spec.ID).Exit
		if exit.Code != test.code || exit.Signal != test.signal || exit.Unknown || exit.Error != "" {
			t.Errorf("%s: %+v", test.how, exit)
		}
		slices.Sort(exit.Output) // two streams have no order
		if want := []string{"an end without a newline", "one", "two"}; !slices.Equal(exit.Output, want) {
			t.Errorf("%s: output %q, want %q", test.how, exit.Output, want)
		}
	}
}

func TestGraceThenKill(t *testing.T) {
	b := newBed(t)
	spec := b.spec(1, "as:stubborn")
	spec.Grace = 50 * time.Millisecond
	b.start(spec)
	eventually(t, "it ignores SIGTERM", func() bool { return b.wrote("stubborn") })
	if err := b.Stop(t.Context(), spec.ID, 0); err != nil {
		t.Fatal(err)
	}
	if exit := b.exited(spec.ID).Exit; exit.Signal != "SIGKILL" {
		t.Errorf("%+v", exit)
	}
}

// TestNothingIsLeftOver: children, children with a session of their own, and daemons that were forked twice end with their process,
// whether it was stopped, was killed, or ended by itself. The bed's end looks for the marks.
func TestNothingIsLeftOver(t *testing.T) {
	for _, how := range []string{"stopped", "killed", "left"} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t)
			var args []string
			if how == "left" {
				args = []string{"3"}
			}
			spec := b.spec(1, "as:tree", args...)
			spec.Grace = 100 * time.Millisecond
			b.start(spec)
			eventually(t, "it has children", func() bool { return b.wrote("grown") })
			switch how {
			case "stopped":
				if err := b.Stop(t.Context(), spec.ID, 0); err != nil {
					t.Fatal(err)
				}
			case "killed":
				_ = syscall.Kill(b.status(spec.ID, "it runs", func(s Status) bool { return s.PID > 0 }).PID, syscall.SIGKILL)
			}
			b.exited(spec.ID)
			id, _ := b.home.id()
			if left := marked(id); len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	b := newBed(t)
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "#!/bin/sh\n", 0o644)
	write("orphan", "#!/no/such/interpreter\n", 0o755)
	write("noise", "\x01\x02\x03", 0o755)
	for i, test := range []struct {
		change    func(*Process)
		text      string
		permanent bool
	}{
		{func(p *Process) { p.Launch.Command = []string{"./missing"} }, "./missing: command not found", true},
		{func(p *Process) { p.Launch.Command = []string{"missing"} }, "missing: command not found in the PATH of its environment", true},
		{func(p *Process) { p.Launch.Command = []string{"./plain"} }, "./plain: permission denied: the file is not executable", true},
		{func(p *Process) { p.Launch.Command = []string{"./orphan"} }, "./orphan: its interpreter /no/such/interpreter is missing", true},
		{func(p *Process) { p.Launch.Command = []string{"./noise"} },
			"./noise: exec format error: it is neither a program for this machine nor a script that begins with #!", true},
		{func(p *Process) { p.Launch.Command = []string{"."} }, ".: command not found in the PATH of its environment", true},
		{func(p *Process) { p.Launch.Command = []string{"./"} }, "./: it is a directory", true},
		{func(p *Process) { p.Launch.Command = []string{"./x", "$NOPE"} },
			"argument 1 of the command: $NOPE is not set (write $$ for a dollar sign)", true},
		{func(p *Process) { p.Launch.Dir = dir + "/gone" }, dir + "/gone: no such working directory", true},
		{func(p *Process) { p.Launch.Command = nil }, "no command is given", true},
	} {
		spec := b.spec(i+1, "as:sleeper")
		spec.Launch.Dir = dir
		test.change(&spec)
		b.start(spec)
		if exit := b.exited(spec.ID).Exit; exit.Error != test.text || exit.Permanent != test.permanent || exit.Code != -1 {
			t.Errorf("%+v, want %q", exit, test.text)
		}
	}
}

func TestCPUWithoutControlGroups(t *testing.T) {
	b := newBed(t)
	id, _ := b.home.id()
	spec := b.spec(1, "as:sleeper")
	spec.Launch.CPU = 500
	b.start(spec)
	if findGroups(id).base != "" {
		b.status(spec.ID, "it runs in a group", func(s Status) bool { return s.PID > 0 && s.Phase == Running })
		return
	}
	if exit := b.exited(spec.ID).Exit; !exit.Permanent || !strings.Contains(exit.Error, "control groups") {
		t.Errorf("%+v", exit)
	}
}

func TestLimits(t *testing.T) {
	b := newBed(t)
	spec := b.spec(1, "as:files", "77")
	spec.Launch.Files = 77
	b.start(spec)
	eventually(t, "files are limited", func() bool { return b.wrote("limited") })
	plain := b.spec(2, "as:sleeper")
	plain.Launch.Memory = 64 << 30
	b.start(plain)
	pid := b.status(plain.ID, "it runs", func(s Status) bool { return s.PID > 0 }).PID
	id, _ := b.home.id()
	if findGroups(id).base == "" {
		limits, err := os.ReadFile(procPath(pid, "limits"))
		if err != nil || !strings.Contains(string(limits), strconv.Itoa(64<<30)) {
			t.Errorf("memory is not limited: %v\n%s", err, limits)
		}
	}
}

// TestUser: root starts processes as others, without their other groups; anybody else is told that it cannot.
func TestUser(t *testing.T) {
	b := newBed(t)
	uid, gid := uint32(54321), uint32(54322)
	dir := t.TempDir()
	for _, open := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(selfPath(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own"), content, 0o755); err != nil {
		t.Fatal(err)
	}
	spec := b.spec(1, "as:sleeper")
	spec.Launch.Dir, spec.Launch.Command[0], spec.Launch.UID, spec.Launch.GID = dir, "./own", &uid, &gid
	b.start(spec)
	if os.Geteuid() != 0 {
		want := "it cannot run as uid 54321: only root can start processes of another user"
		if exit := b.exited(spec.ID).Exit; exit.Error != want || !exit.Permanent {
			t.Errorf("%+v, want %q", exit, want)
		}
		return
	}
	eventually(t, "it runs", func() bool { return b.wrote("sleeping") })
	pid := b.status(spec.ID, "it runs", func(s Status) bool { return s.PID > 0 }).PID
	status, _ := os.ReadFile(procPath(pid, "status"))
	for _, want := range []string{"Uid:\t54321\t54321", "Gid:\t54322\t54322", "Groups:\t \n", "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
}
