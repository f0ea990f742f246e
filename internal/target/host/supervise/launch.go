package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The variables that mark a process: they are how its children are found, wherever they have gone.
const (
	supervisorMark = "SETPOINT_SUPERVISOR"
	processMark    = "SETPOINT_PROCESS"
	portVariable   = "PORT"
)

// A refusal is why a process cannot be started. Its text is the same each time, and contains no value of an environment variable.
type refusal struct {
	text string
	// permanent: trying again is of no use as long as nothing else changes.
	permanent bool
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

func never(format string, args ...any) error {
	return &refusal{text: fmt.Sprintf(format, args...), permanent: true}
}

func notNow(format string, args ...any) error { return &refusal{text: fmt.Sprintf(format, args...)} }

// A program is a launch made ready: what execve takes.
type program struct {
	path string
	argv []string
	env  []string
}

// prepare expands a command and finds its file. The marks are added to the environment as they are.
func prepare(launch Launch, marks ...string) (program, error) {
	env := withMarks(launch.Env, marks)
	argv, err := expand(launch.Command, env)
	if err != nil {
		return program{}, err
	}
	if info, err := os.Stat(launch.Dir); err != nil || !info.IsDir() {
		return program{}, never("%s: no such working directory", launch.Dir)
	}
	path, err := find(argv[0], launch, env)
	return program{path: path, argv: argv, env: env}, err
}

// withMarks adds variables, and drops others of the same names.
func withMarks(env, marks []string) []string {
	marked := make([]string, 0, len(env)+len(marks))
	for _, entry := range env {
		if name, _, _ := strings.Cut(entry, "="); !defined(marks, name) {
			marked = append(marked, entry)
		}
	}
	return append(marked, marks...)
}

// withoutMarks is the environment as it was asked for.
func withoutMarks(env []string) []string {
	var plain []string
	for _, entry := range env {
		switch name, _, _ := strings.Cut(entry, "="); name {
		case supervisorMark, processMark, portVariable:
		default:
			plain = append(plain, entry)
		}
	}
	return plain
}

// expand replaces $NAME, ${NAME} and $$ in a command. A variable that is not set is an error: an argument that has silently become
// empty is the worse surprise.
func expand(command, env []string) ([]string, error) {
	if len(command) == 0 {
		return nil, never("no command is given")
	}
	argv := make([]string, len(command))
	for i, word := range command {
		missing := ""
		argv[i] = os.Expand(word, func(name string) string {
			if name == "$" {
				return "$"
			}
			if !defined(env, name) && missing == "" {
				missing = name
			}
			return variable(env, name)
		})
		if missing != "" {
			return nil, never("argument %d of the command: $%s is not set (write $$ for a dollar sign)", i, missing)
		}
	}
	if argv[0] == "" {
		return nil, never("the command's first word is empty")
	}
	return argv, nil
}

// variable gives the value of an environment variable; the last one of a name counts.
func variable(env []string, name string) string {
	for _, entry := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func defined(env []string, name string) bool {
	for _, entry := range env {
		if strings.HasPrefix(entry, name+"=") {
			return true
		}
	}
	return false
}

// find gives the file of a command: relative to the working directory when its name has a slash, else by the app's own PATH. Refusals
// show the command as it was before its variables were expanded.
func find(name string, launch Launch, env []string) (string, error) {
	shown := launch.Command[0]
	if strings.Contains(name, "/") {
		file := absolute(name, launch.Dir)
		return file, executable(file, shown)
	}
	refused := never("%s: command not found in the PATH of its environment", shown)
	for _, place := range filepath.SplitList(variable(env, "PATH")) {
		file := filepath.Join(absolute(place, launch.Dir), name)
		info, err := os.Stat(file)
		if err != nil || info.IsDir() {
			continue
		}
		if refused = executable(file, shown); refused == nil {
			return file, nil
		}
	}
	return "", refused
}

func absolute(name, dir string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func executable(file, name string) error {
	info, err := os.Stat(file)
	switch {
	case os.IsPermission(err):
		return never("%s: permission denied: its directory cannot be entered", name)
	case err != nil:
		return never("%s: command not found", name)
	case info.IsDir():
		return never("%s: it is a directory", name)
	case info.Mode().Perm()&0o111 == 0:
		return never("%s: permission denied: the file is not executable", name)
	}
	return nil
}

// checkLaunch refuses what no launch can be.
func checkLaunch(launch Launch) error {
	bad := func(cause string) error { return fault.New(fault.Invalid, "start", "a process", cause) }
	if !filepath.IsAbs(launch.Dir) {
		return bad("its working directory is not absolute")
	}
	for _, entry := range launch.Env {
		if name, _, ok := strings.Cut(entry, "="); !ok || name == "" || strings.Contains(entry, "\x00") {
			return bad("an entry of its environment is not NAME=value")
		}
	}
	for _, word := range launch.Command {
		if strings.Contains(word, "\x00") {
			return bad("its command contains a zero byte")
		}
	}
	if launch.Memory < 0 || launch.CPU < 0 || launch.Files < 0 {
		return bad("a limit is negative")
	}
	return nil
}

func portMark(port int) []string {
	if port <= 0 {
		return nil
	}
	return []string{portVariable + "=" + strconv.Itoa(port)}
}
