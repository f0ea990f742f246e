package apps

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mattn/go-shellwords"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	procfileName = "Procfile"
	maxProcfile  = 64 << 10
	maxTypes     = 100
	// typeHook is the line of a Procfile that is no process type, but the command before the switch to a release.
	typeHook = "release"
)

var formType = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// parseProcfile reads lines "name: command line". A command line is split into words as a shell does it, and nothing else: variables
// are for the moment of the start, and there is no shell that could understand operators.
func parseProcfile(text string) (map[string][]string, error) {
	commands := map[string][]string{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		item := procfileName + ":" + itoa(number)
		name, rest, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		_, twice := commands[name]
		switch {
		case !found:
			return nil, fault.New(fault.Invalid, "read", item, "it is no line \"name: command\"")
		case !formType.MatchString(name) || name == typePre || name == "exec":
			return nil, fault.New(fault.Invalid, "read", item, "\""+printable(name)+"\" is not the name of a process type").
				WithHint("want at most 31 of a-z, 0-9 and -, beginning with a letter, and neither pre nor exec")
		case twice:
			return nil, fault.New(fault.Invalid, "read", item, "the process type "+name+" is there twice")
		case len(commands) == maxTypes:
			return nil, fault.New(fault.Invalid, "read", item, "it has more than "+itoa(maxTypes)+" process types")
		}
		words, err := splitWords(rest)
		if err != nil {
			return nil, &fault.Error{Op: "read", Item: item, Err: err}
		}
		commands[name] = words
	}
	return commands, nil
}

func splitWords(line string) ([]string, error) {
	parser := shellwords.NewParser()
	parser.ParseEnv, parser.ParseBacktick, parser.ParseComment = false, false, false
	words, err := parser.Parse(line)
	switch {
	case err != nil:
		return nil, fault.New(fault.Invalid, "", "", "the command cannot be split into words: a quote or bracket is never closed")
	case parser.Position >= 0: // it stopped at an operator
		return nil, fault.New(fault.Invalid, "", "", "the command has an operator of a shell, and no shell runs it").
			WithHint("write sh -c '...'")
	case len(words) == 0:
		return nil, fault.New(fault.Invalid, "", "", "the command is empty")
	}
	return words, nil
}

// readProcfile reads the Procfile of unpacked files; none is no error.
func readProcfile(dir string) (map[string][]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, diskFault("open", dir, err)
	}
	defer root.Close()
	content, err := readBounded(root, procfileName, maxProcfile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fault.Wrap(fault.KindOf(err), "read", filepath.Base(dir)+"/"+procfileName, err)
	}
	return parseProcfile(string(bytes.ToValidUTF8(content, nil)))
}

// formationOf gives the process types of a release with their commands, and the Procfile's own command before the switch.
func formationOf(b *blueprint, procfile map[string][]string) (types map[string]v1alpha1.Process, hook []string, err error) {
	types = maps.Clone(b.Processes)
	if types == nil {
		types = map[string]v1alpha1.Process{}
	}
	hook = procfile[typeHook]
	if len(b.Processes) == 0 {
		for name := range procfile {
			if name != typeHook {
				types[name] = v1alpha1.Process{}
			}
		}
	}
	if len(types) == 0 {
		return nil, nil, fault.New(fault.Invalid, "read", "spec.processes", "nothing is declared to run, and the build has no Procfile").
			WithHint("declare spec.processes, or put a Procfile into the root of the build")
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		process := types[name]
		if len(process.Command) == 0 {
			process.Command = procfile[name]
		}
		if len(process.Command) == 0 {
			return nil, nil, fault.New(fault.Invalid, "read", "spec.processes."+name,
				"it has no command, and the build's Procfile does not name it").
				WithHint("declare its command, or add a line \"" + name + ": ...\" to the Procfile")
		}
		types[name] = process
	}
	return types, hook, nil
}
