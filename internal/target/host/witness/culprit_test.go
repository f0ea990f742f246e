package witness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// fakeProcess is what /proc shows of one.
type fakeProcess struct {
	pid, parent int
	comm, exe   string
	uids, login string // "" for root, and for no login
	cmdline     string
}

func fakeProc(t *testing.T, processes ...fakeProcess) string {
	t.Helper()
	proc := t.TempDir()
	for _, p := range processes {
		dir := filepath.Join(proc, strconv.Itoa(p.pid))
		if p.uids == "" {
			p.uids = "0 0 0 0"
		}
		if p.login == "" {
			p.login = "4294967295"
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{
			"comm": p.comm + "\n", "loginuid": p.login, "cmdline": strings.ReplaceAll(p.cmdline, " ", "\x00"),
			"status": fmt.Sprintf("Name:\t%s\nState:\tS (sleeping)\nPid:\t%d\nPPid:\t%d\nUid:\t%s\n", p.comm, p.pid, p.parent, p.uids),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if p.exe != "" {
			if err := os.Symlink(p.exe, filepath.Join(dir, "exe")); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proc
}

func TestWhoProcessesAre(t *testing.T) {
	init := fakeProcess{pid: 1, comm: "systemd", exe: "/usr/lib/systemd/systemd"}
	for _, test := range []struct {
		name      string
		processes []fakeProcess // the first is the culprit
		want      culprit
	}{
		{
			"editor", []fakeProcess{{pid: 7, parent: 1, comm: "vim", exe: "/usr/bin/vim.basic", uids: "5 5 5 5"}},
			culprit{command: "vim", user: 5, started: 5, login: nobody},
		},
		{
			"rights of a file's owner", []fakeProcess{{pid: 7, parent: 1, comm: "passwd", uids: "5 0 0 0", login: "6"}},
			culprit{command: "passwd", user: 0, started: 5, login: 6},
		},
		{
			"script with a long name",
			[]fakeProcess{{pid: 7, parent: 1, comm: "ansible-playboo", exe: "/usr/bin/python3.12",
				cmdline: "/usr/bin/python3 /opt/bin/ansible-playbook --password s3cret"}},
			culprit{command: "ansible-playbook", login: nobody},
		},
		{
			"tool of a script",
			[]fakeProcess{
				{pid: 7, parent: 6, comm: "sed"}, {pid: 6, parent: 5, comm: "sh"}, {pid: 5, parent: 4, comm: "deploy.sh", exe: "/usr/bin/bash"},
				{pid: 4, parent: 1, comm: "cron"},
			},
			culprit{command: "sed", origin: "deploy.sh", login: nobody},
		},
		{
			"tool of a person",
			[]fakeProcess{
				{pid: 7, parent: 6, comm: "cp"}, {pid: 6, parent: 5, comm: "sudo"}, {pid: 5, parent: 4, comm: "bash"},
				{pid: 4, parent: 3, comm: "sshd"}, {pid: 3, parent: 1, comm: "other"},
			},
			culprit{command: "cp", login: nobody},
		},
		{
			"tool whose parent has ended", []fakeProcess{{pid: 7, parent: 6, comm: "cp"}},
			culprit{command: "cp", login: nobody},
		},
		{
			"tool that is its own parent, as it were", []fakeProcess{{pid: 7, parent: 7, comm: "cp"}},
			culprit{command: "cp", login: nobody},
		},
		{
			"started itself", []fakeProcess{{pid: 7, parent: 1, comm: "exe", exe: "/usr/bin/runner (deleted)"}},
			culprit{command: "runner", login: nobody},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCulprits(fakeProc(t, append(test.processes, init)...), 1234)
			if got := c.of(event{pid: 7, pidfd: noPidfd}, time.Unix(0, 0)); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestCulpritsAreRememberedForAMoment(t *testing.T) {
	now := time.Unix(0, 0)
	vim, gofmt := fakeProcess{pid: 7, comm: "vim"}, fakeProcess{pid: 7, comm: "gofmt"}
	c := newCulprits(fakeProc(t, vim), 1234)
	who := func(pid, pidfd int, after time.Duration) string {
		now = now.Add(after)
		found := c.of(event{pid: pid, pidfd: pidfd}, now)
		return found.command + found.note
	}
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	check("at first", who(7, noPidfd, 0), "vim")
	c.proc = fakeProc(t, gofmt)
	check("in the same moment", who(7, noPidfd, fresh-1), "vim")
	check("as another program", who(7, noPidfd, fresh), "gofmt")
	c.proc = t.TempDir()
	check("when it has ended", who(7, noPidfd, fresh), "gofmt")
	c.proc = fakeProc(t, gofmt)
	check("still the same", who(7, noPidfd, fresh), "gofmt")
	c.proc = fakeProc(t, vim)
	check("soon after it was the same", who(7, noPidfd, 2*fresh-1), "gofmt")
	check("later", who(7, noPidfd, 1), "vim")
	c.proc = t.TempDir()
	check("when it has ended, says the kernel", who(7, unix.FAN_NOPIDFD, fresh), "vim")
	check("when the number may be another's", who(7, noPidfd, reuse), ended.note)
	check("never seen", who(8, unix.FAN_NOPIDFD, 0), ended.note)
	check("in another namespace", who(0, unix.FAN_NOPIDFD, 0), hidden.note)
	check("without a descriptor", who(7, unix.FAN_EPIDFD, 0), hidden.note)
	check("the agent", who(1234, noPidfd, 0), self.note)
	for pid := range 10 * maxSeen {
		c.remember(pid, sighting{})
	}
	if len(c.seen) > maxSeen {
		t.Errorf("%d are remembered", len(c.seen))
	}
}

// The number of a process that has ended may be another's: the pidfd tells.
func TestThePidfdDecides(t *testing.T) {
	other := start(t, "other", uint32(os.Geteuid()))
	pidfd, err := unix.PidfdOpen(other.cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	c := newCulprits("/proc", 0)
	this := event{pid: os.Getpid(), pidfd: pidfd}
	if _, ok := c.look(this); !ok {
		t.Error("it is there, and was not seen")
	}
	_ = other.cmd.Process.Kill()
	other.end()
	if who, ok := c.look(this); ok {
		t.Errorf("%+v is another", who)
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct{ comm, exe, arguments, want string }{
		{"vim", "/usr/bin/vim.basic", "", "vim"},
		{"deploy.sh", "/usr/bin/bash", "/bin/bash ./deploy.sh", "deploy.sh"},
		{"unattended-upgr", "/usr/bin/python3.12", "/usr/bin/python3 /usr/bin/unattended-upgrade", "unattended-upgrade"},
		{"systemd-tmpfile", "/usr/bin/systemd-tmpfiles", "", "systemd-tmpfiles"},
		{"fifteen-letters", "/usr/bin/other", "other --password=fifteen-letters", "fifteen-letters"},
		{"exe", "/usr/bin/runc", "", "runc"},
		{"", "/usr/bin/runc", "", "runc"},
		{"exe", "", "", "exe"},
		{"kworker/0:1", "", "", "kworker/0:1"},
	} {
		if got := nameOf(test.comm, test.exe, func() []string { return strings.Fields(test.arguments) }); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestBrokenStatus(t *testing.T) {
	for _, status := range []string{"", "PPid:\t1\n", "Uid:\t0\t0\t0\t0\n", "PPid:\tx\nUid:\t0\t0\t0\t0\n", "PPid:\t1\nUid:\t0\t0\n", "PPid:\t1\nUid:\t0\t0\t0\t-1\n"} {
		if f, err := parseStatus([]byte(status)); err == nil {
			t.Errorf("%q: %+v", status, f)
		}
	}
}

func TestSay(t *testing.T) {
	p := people{names: map[uint32]string{0: "root", 5: "alice", 6: "bob"}, since: time.Now()}
	for want, c := range map[string]culprit{
		"vim (alice)": {command: "vim", user: 5, started: 5, login: nobody},
		"vim (bob)":   {command: "vim", user: 6, started: 6, login: 6},
		"sed from deploy.sh (root, logged in as bob)": {command: "sed", origin: "deploy.sh", login: 6},
		"passwd (root, started by alice)":             {command: "passwd", started: 5, login: nobody},
		"vim (uid 4000000001)":                        {command: "vim", user: 4000000001, started: 4000000001, login: nobody},
		`"vim (root)" (alice)`:                        {command: "vim (root)", user: 5, started: 5, login: nobody},
		`"\x1b[2J\n" (root)`:                          {command: "\x1b[2J\n", login: nobody},
		ended.note:                                    ended,
	} {
		if got := p.say(c); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for id := range uint32(2 * maxNames) {
		p.name(4_000_000_000 + id)
	}
	if len(p.names) > maxNames {
		t.Errorf("%d names are kept", len(p.names))
	}
}

func TestWhyThereIsNone(t *testing.T) {
	for err, want := range map[error]fault.Kind{
		unix.EPERM: fault.Denied, unix.ENOSYS: fault.Denied, unix.EINVAL: fault.Denied, unix.EMFILE: fault.Transient, unix.ENOMEM: fault.Transient,
	} {
		if got := explain(err); fault.KindOf(got) != want {
			t.Errorf("%v: %s, want %s", got, fault.KindOf(got), want)
		}
	}
}
