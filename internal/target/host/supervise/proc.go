package supervise

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A task is a process of this machine as /proc shows it.
type task struct {
	pid, parent, session int
	start                uint64 // in clock ticks since boot; with the pid it names the process for good
	dead                 bool   // only waits to be reaped
}

// readTask gives a process by its pid.
func readTask(pid int) (task, bool) {
	content, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return task{}, false
	}
	return parseStat(pid, content)
}

func procPath(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// parseStat reads /proc/PID/stat, see proc_pid_stat(5). The second field is the program's name and may contain anything, so that what
// follows is counted from its last parenthesis.
func parseStat(pid int, content []byte) (task, bool) {
	end := bytes.LastIndexByte(content, ')')
	if end < 0 {
		return task{}, false
	}
	fields := strings.Fields(string(content[end+1:]))
	if len(fields) < 20 {
		return task{}, false
	}
	parent, errParent := strconv.Atoi(fields[1])
	session, errSession := strconv.Atoi(fields[3])
	start, errStart := strconv.ParseUint(fields[19], 10, 64)
	if errors.Join(errParent, errSession, errStart) != nil {
		return task{}, false
	}
	dead := fields[0] == "Z" || fields[0] == "X"
	return task{pid: pid, parent: parent, session: session, start: start, dead: dead}, true
}

// tasks gives all processes that are alive.
func tasks() []task {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []task
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if t, ok := readTask(pid); ok && !t.dead {
			found = append(found, t)
		}
	}
	return found
}

// alive says whether a process is still the one that was started.
func alive(pid int, start uint64) bool {
	t, ok := readTask(pid)
	return ok && !t.dead && t.start == start
}

// environment gives the environment that a process was started with; nil for one of another user.
func environment(pid int) []string {
	content, err := os.ReadFile(procPath(pid, "environ"))
	if err != nil || len(content) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
}

// marks gives what a process was marked with: the directory of its supervisor, and its ID.
func (t task) marks() (supervisor, process string) {
	for _, variable := range environment(t.pid) {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case supervisorMark:
			supervisor = value
		case processMark:
			process = value
		}
	}
	return supervisor, process
}

// signal sends a signal to exactly this process, and to none that has got its pid since. Without pidfds, that is nearly certain.
func (t task) signal(signal unix.Signal) {
	fd, err := unix.PidfdOpen(t.pid, 0)
	if err != nil {
		if !errors.Is(err, unix.ESRCH) && alive(t.pid, t.start) {
			_ = unix.Kill(t.pid, signal)
		}
		return
	}
	defer func() { _ = unix.Close(fd) }()
	if alive(t.pid, t.start) {
		_ = unix.PidfdSendSignal(fd, signal, nil, 0)
	}
}
