package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
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
	services                 bool
}

func (f *localFlags) on(command *cobra.Command) {
	f.standInFlags.on(command)
	flags := command.Flags()
	flags.StringVar(&f.sync, "sync", "", "a Sync that is declared in the folder, or in one that it declares: render what that declares")
	flags.StringArrayVar(&f.objects, "objects", nil, "a file or folder with manifests that stand in for those of a cluster; several times")
	flags.StringArrayVar(&f.values, "values", nil, "a file with values for the chart in the folder; several times")
	flags.StringVar(&f.release, "release", "", "name of the chart's release (default \"release\")")
	flags.StringVar(&f.namespace, "namespace", "", "for objects that name none, and of the chart's release (default \"default\")")
	flags.BoolVar(&f.services, "sops-services", false,
		"ask the key services that SOPS documents name (AWS, GCP, Azure, Vault): the only use of the network")
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
	if err := f.check(path); err != nil {
		return agent.LocalConfig{}, err
	}
	return agent.LocalConfig{
		Path: path, Sync: f.sync, StandIns: dirs, Objects: f.objects, Values: f.values, Name: f.release, Namespace: f.namespace,
		Environment: f.lookup(s), SOPS: s.Getenv, SOPSServices: f.services,
	}, nil
}

// check finds what is wrong before anything is read.
func (f *localFlags) check(path string) error {
	if f.namespace != "" && !v1alpha1.IsName(f.namespace) {
		return misused(fmt.Sprintf("--namespace %q is not the name of a namespace", f.namespace),
			"write a DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit")
	}
	if len(f.values) > 0 && !isChart(path) {
		return misused("--values are for a chart, and "+path+" holds no Chart.yaml",
			"name the folder of the chart, or leave --values out; a kustomization names values of its helmCharts itself")
	}
	return nil
}

// usedRight makes wrong usage of an error about a path that was named and is not there.
func (f *localFlags) usedRight(path string, err error) error {
	wrong, ok := errors.AsType[*fault.Error](err)
	if !ok || wrong.Kind != fault.NotFound || wrong.Op != "open" && wrong.Op != "read" {
		return err
	}
	named := slices.Concat([]string{path}, f.objects, f.values)
	for _, given := range f.sources {
		_, dir, _ := cutLast(given)
		named = append(named, dir)
	}
	if !slices.Contains(named, wrong.Item) {
		return err
	}
	if wrong.Hint == "" {
		wrong.Hint = "give the path of one that is there"
	}
	return usage{err}
}

func isChart(path string) bool {
	_, err := os.Stat(filepath.Join(path, "Chart.yaml"))
	return err == nil
}
