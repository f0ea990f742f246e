package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/cli/service"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/scaffold"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// installation is what `setpoint install` made, or removed.
type installation struct {
	Files []installed `json:"files"`
	// Next are commands, to be given as root: they are never carried out here.
	Next []string `json:"next"`
}

// installed is one file of an installation.
type installed struct {
	Path    string `json:"path"`
	State   string `json:"state"` // shown, written, unchanged, there, removed, missing
	Content string `json:"content,omitempty"`
}

// installFlags are those that are no settings of the agent.
type installFlags struct {
	user, prefix                         string
	kubernetesOnly, write, remove, force bool
}

func (s *session) installCommand() *cobra.Command {
	var given installFlags
	command := &cobra.Command{
		Use:   "install",
		Short: "Show, or write, a systemd unit that runs an agent on this host",
		Long: `Show the systemd unit of an agent, and the file with its settings; with --write, put them where
systemd looks for them. Nothing is started: the commands for that are printed.

The flags are those of "setpoint run", and the same variables are read. Credentials are no flags: they
belong into the file with the settings, which only root can read.

A file that somebody has changed is not replaced without --force. --remove says what to stop and
delete, in order; with --write it deletes the two files.` + codes(),
		Example: `  setpoint install --source https://git.example.com/fleet.git --path hosts/web-1
  sudo setpoint install --source https://git.example.com/fleet.git --path hosts/web-1 --write
  sudo setpoint install --remove --write`,
		Args: cobra.NoArgs,
	}
	settings := s.configured(command)
	flags := command.Flags()
	flags.StringVar(&given.user, "user", "", "that the agent runs as (default: root, who can write every file and choose users of apps)")
	flags.BoolVar(&given.kubernetesOnly, "kubernetes-only", false, "drive nothing of this host: the unit closes it to the agent")
	flags.StringVar(&given.prefix, "prefix", "/", "directory that stands for / when files are written")
	flags.BoolVar(&given.write, "write", false, "write the files, or with --remove delete them")
	flags.BoolVar(&given.remove, "remove", false, "say how to remove the service")
	flags.BoolVar(&given.force, "force", false, "replace or delete files that somebody has changed")
	command.RunE = func(*cobra.Command, []string) error {
		if given.remove {
			return s.uninstall(given)
		}
		options, err := s.serviceOptions(settings, given)
		if err != nil {
			return err
		}
		return s.install(options, given)
	}
	return command
}

var userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,30}$`) // as systemd has it

// serviceOptions reads what the unit is to say, by the rules of the agent's own configuration.
func (s *session) serviceOptions(c *configuration, given installFlags) (options service.Options, err error) {
	options = service.Options{User: given.user, KubernetesOnly: given.kubernetesOnly}
	if given.user == "root" {
		options.User = ""
	} else if given.user != "" && !userName.MatchString(given.user) {
		return options, usage{fault.New(fault.Invalid, "read", "--user", "this is no name of a user").
			WithHint("want letters, digits, _ and -, beginning with a letter")}
	}
	if given.kubernetesOnly && c.get("kubernetes") == "off" {
		return options, misused("--kubernetes-only and --kubernetes off leave nothing to drive", "keep one of them")
	}
	if _, err := c.source(); err != nil {
		return options, err
	}
	if err := c.checkRoot(agent.Config{Path: c.get("path"), Name: c.get("name"), Namespace: c.get("namespace")}); err != nil {
		return options, err
	}
	if options.Program, err = os.Executable(); err != nil {
		return options, fault.Wrap(fault.Internal, "find", "this program", err)
	}
	for _, d := range settings {
		value := c.get(d.flag)
		if value == "" || value == d.standard {
			continue
		}
		if isPath[d.flag] { // the service does not run in this directory
			if value, err = filepath.Abs(value); err != nil {
				return options, err
			}
		}
		if d.flag == "data" && value != service.DataPath {
			options.Data = value
		}
		options.Settings = append(options.Settings, service.Setting{Variable: d.variable(), Value: value})
	}
	return options, nil
}

// isPath are the settings that name something on this machine.
var isPath = map[string]bool{"data": true, "token-file": true, "kubeconfig": true, "host-root": true}

func (s *session) install(options service.Options, given installFlags) error {
	unit, err := options.Unit()
	if err != nil {
		return usage{err}
	}
	env, err := options.Env()
	if err != nil {
		return usage{err}
	}
	files := []scaffold.File{{Path: service.UnitPath, Content: unit}, {Path: service.EnvPath, Content: env, Private: true}}
	made := installation{Next: []string{
		"systemctl daemon-reload", "systemctl enable setpoint", "systemctl restart setpoint", "setpoint status",
	}}
	if !given.write {
		for _, file := range files {
			made.Files = append(made.Files, installed{Path: "/" + file.Path, State: "shown", Content: string(file.Content)})
		}
		return s.out.Show(s.format, made, func() { s.printFiles(made.Files) })
	}
	s.warnOfProgram(options.Program)
	placed, err := scaffold.Place(given.prefix, files, given.force)
	if err != nil {
		return err
	}
	for _, one := range placed {
		made.Files = append(made.Files, installed{Path: filepath.Join(given.prefix, one.Path), State: one.State})
	}
	return s.out.Show(s.format, made, func() { s.printInstallation(made) })
}

// warnOfProgram tells of a program that others than root can replace, and so become root.
func (s *session) warnOfProgram(program string) {
	for _, place := range []string{"/home", "/root", os.TempDir(), "/tmp"} {
		if strings.HasPrefix(program, place+"/") {
			s.err.Line(s.err.Paint(term.Warn, "setpoint:"), " the service would run ", term.Clean(program))
			s.err.Hint("copy it to /usr/local/bin, owned by root, and call it from there")
			return
		}
	}
}

func (s *session) printFiles(files []installed) {
	for i, file := range files {
		if i > 0 {
			s.out.Line()
		}
		s.out.Line(s.out.Paint(term.Bold, "# "+file.Path))
		s.out.Line(strings.TrimSuffix(file.Content, "\n"))
	}
	s.err.Line()
	s.err.Hint("--write puts them there")
}

func (s *session) printInstallation(made installation) {
	for _, file := range made.Files {
		s.out.Line(term.Pad(file.State, 10), term.Clean(file.Path))
	}
	s.out.Line()
	s.out.Line("Next, as root:")
	s.out.Line()
	for _, command := range made.Next {
		s.out.Line("  ", command)
	}
}

// uninstall deletes what install wrote, or says in which order everything goes.
func (s *session) uninstall(given installFlags) error {
	made := installation{Next: []string{
		"systemctl disable --now setpoint", "systemctl kill setpoint", "setpoint install --remove --write", "systemctl daemon-reload",
	}}
	var refused []error
	if given.write {
		made.Next = made.Next[3:]
		refused = append(refused, stillEnabled(given))
	}
	for _, name := range []string{service.UnitPath, service.EnvPath} {
		at := filepath.Join(given.prefix, name)
		state, err := removable(at, given.force)
		refused = append(refused, err)
		made.Files = append(made.Files, installed{Path: at, State: state})
	}
	if err := errors.Join(refused...); err != nil {
		return err
	}
	for i, file := range made.Files {
		if given.write && file.State != "missing" {
			if err := os.Remove(file.Path); err != nil {
				return fault.Wrap(fault.Denied, "remove", file.Path, pathless(err))
			}
			made.Files[i].State = "removed"
		}
	}
	return s.out.Show(s.format, made, func() { s.printInstallation(made) })
}

// stillEnabled refuses to take the unit away from a service that the next start of the machine would look for.
func stillEnabled(given installFlags) error {
	link := filepath.Join(given.prefix, service.WantedPath)
	if _, err := os.Lstat(link); err != nil || given.force {
		return nil //nolint:nilerr // no link, or no matter
	}
	return fault.New(fault.Conflict, "remove", "the service", "it is still enabled").
		WithHint("first `systemctl disable --now setpoint`, then `systemctl kill setpoint` for its apps")
}

// removable says whether a file is there, and refuses one that is not ours to delete.
func removable(at string, force bool) (state string, err error) {
	file, err := os.Open(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "missing", nil
	case err != nil:
		return "", fault.Wrap(fault.Denied, "read", at, pathless(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	start := make([]byte, len(service.Mark))
	if n, _ := io.ReadFull(file, start); string(start[:n]) != service.Mark && !force {
		return "", fault.New(fault.Conflict, "remove", at, "`setpoint install` did not write it").
			WithHint("--force deletes it all the same; nothing has been deleted")
	}
	return "there", nil
}
