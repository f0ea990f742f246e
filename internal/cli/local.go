package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/agent"
)

// standInFlags say what stands in for what is not on this machine.
type standInFlags struct {
	sources []string
	allowed string
}

func (f *standInFlags) on(command *cobra.Command) {
	command.Flags().StringArrayVar(&f.sources, "set-source", nil,
		"NAME=DIR: a directory that stands in for a source, by its URL, its name, or the place of an import; several times")
	command.Flags().StringVar(&f.allowed, "allow-environment", "",
		"environment variables that may be substituted, by their names with commas between them")
}

// standIns gives the directories by the names of sources.
func (f *standInFlags) standIns() (agent.StandIns, error) {
	dirs := agent.StandIns{}
	for _, given := range f.sources {
		name, dir, ok := cutLast(given)
		if !ok || name == "" || dir == "" {
			return nil, misused("--set-source "+given+" says not which directory stands in for which source", "--set-source base=../base")
		}
		dirs[name] = dir
	}
	return dirs, nil
}

// cutLast cuts a text at its last =: URLs have some.
func cutLast(text string) (before, after string, found bool) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}

// lookup gives the variables that may be substituted.
func (f *standInFlags) lookup(s *session) func(string) (string, bool) {
	variables := s.environment(f.allowed)
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

// localFlags are those of commands that render a folder.
type localFlags struct {
	standInFlags
	sync, release, namespace string
	objects, values          []string
}

func (f *localFlags) on(command *cobra.Command) {
	f.standInFlags.on(command)
	flags := command.Flags()
	flags.StringVar(&f.sync, "sync", "", "a Sync that is declared in the folder, or in one that it declares: render what that declares")
	flags.StringArrayVar(&f.objects, "objects", nil, "a file or folder with manifests that stand in for those of a cluster; several times")
	flags.StringArrayVar(&f.values, "values", nil, "a file with values for the chart in the folder; several times")
	flags.StringVar(&f.release, "release", "", "name of the chart's release (default \"release\")")
	flags.StringVar(&f.namespace, "namespace", "", "for objects that name none, and of the chart's release (default \"default\")")
}

// config says what to render.
func (f *localFlags) config(s *session, path string) (agent.LocalConfig, error) {
	dirs, err := f.standIns()
	if err != nil {
		return agent.LocalConfig{}, err
	}
	if f.sync != "" && (len(f.values) > 0 || f.release != "" || f.namespace != "") {
		return agent.LocalConfig{}, misused("--sync says everything: it goes with neither --values nor --release nor --namespace",
			"setpoint render "+path+" --sync "+f.sync)
	}
	return agent.LocalConfig{
		Path: path, Sync: f.sync, StandIns: dirs, Objects: f.objects, Values: f.values, Name: f.release, Namespace: f.namespace,
		Environment: f.lookup(s), SOPS: s.Getenv,
	}, nil
}
