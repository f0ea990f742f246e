package witness

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a directory of /proc. Once it is open, it is never that of another process with the same number.
type process struct{ dir *os.Root }

func openProcess(proc string, pid int) (process, error) {
	dir, err := os.OpenRoot(filepath.Join(proc, strconv.Itoa(pid)))
	return process{dir: dir}, err
}

func (p process) close() { _ = p.dir.Close() }

// facts is what a process is.
type facts struct {
	command       string
	parent        int // pid
	user, started uint32
}

func (p process) facts() (facts, error) {
	status, err := p.read("status")
	if err != nil {
		return facts{}, err
	}
	f, err := parseStatus(status)
	if err != nil {
		return facts{}, err
	}
	comm, err := p.read("comm")
	if err != nil {
		return facts{}, err
	}
	exe, _ := p.dir.Readlink("exe") // of a kernel thread, and of one that only waits to be reaped, there is none
	f.command = nameOf(strings.TrimSuffix(string(comm), "\n"), exe, p.arguments)
	return f, nil
}

// maxRead bounds what is read of a file of /proc. What is looked for stands at the beginning.
const maxRead = 8 << 10

func (p process) read(name string) ([]byte, error) {
	f, err := p.dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

// parseStatus reads /proc/PID/status, see proc_pid_status(5).
func parseStatus(status []byte) (f facts, err error) {
	var hasParent, hasUser bool
	for line := range bytes.Lines(status) {
		field, value, _ := strings.Cut(string(line), ":")
		values := strings.Fields(value)
		switch {
		case field == "PPid" && len(values) == 1:
			f.parent, err = strconv.Atoi(values[0])
			hasParent = err == nil
		case field == "Uid" && len(values) == 4: // real, effective, saved, and that for files
			var okStarted, okUser bool
			f.started, okStarted = parseUser(values[0])
			f.user, okUser = parseUser(values[3])
			hasUser = okStarted && okUser
		}
	}
	if !hasParent || !hasUser {
		return facts{}, fmt.Errorf("no parent or no user in the status of a process")
	}
	return f, nil
}

// login gives as whom the person logged in that the process comes from. sudo and su do not change it.
func (p process) login() uint32 {
	content, err := p.read("loginuid")
	if err != nil {
		return nobody // the kernel does not audit
	}
	user, ok := parseUser(strings.TrimSpace(string(content)))
	if !ok {
		return nobody
	}
	return user
}

func parseUser(text string) (uint32, bool) {
	user, err := strconv.ParseUint(text, 10, 32)
	return uint32(user), err == nil
}

// arguments gives the first two words of the command line: the program, and for an interpreter its script. Others may be secret.
func (p process) arguments() []string {
	content, err := p.read("cmdline")
	if err != nil {
		return nil
	}
	words := strings.SplitN(string(content), "\x00", 3)
	return words[:min(2, len(words))]
}

// commLength is how much of a program's name the kernel keeps, in bytes.
const commLength = 15

// nameOf gives a program's name. What the kernel calls it is best, because for a script it is the script's name; a name cut short is
// completed from what the program is, or was called with, and a name that says nothing is replaced.
func nameOf(comm, exe string, arguments func() []string) string {
	program := ""
	if exe != "" {
		program = filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	}
	if (comm == "" || comm == "exe") && program != "" { // "exe": it started itself anew through /proc/self/exe
		return program
	}
	if len(comm) < commLength {
		return comm
	}
	for _, longer := range append([]string{program}, arguments()...) {
		if longer = filepath.Base(longer); len(longer) <= maxName && strings.HasPrefix(longer, comm) {
			return longer
		}
	}
	return comm
}

// maxName bounds a program's name, in bytes: a file's name may be no longer.
const maxName = 255
