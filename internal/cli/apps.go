package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// appPrefix tells the name of an app from that of a Sync.
const appPrefix = "app/"

// appName gives the name of the app that an argument names: "app/web" is web. Anything else is no app.
func appName(argument string) (name string, ok bool) {
	name, ok = strings.CutPrefix(argument, appPrefix)
	return name, ok && name != ""
}

// wantApp fails for an argument that names no app, and shows how it is written.
func wantApp(cmd *cobra.Command, argument string) error {
	if _, ok := appName(argument); ok {
		return nil
	}
	word := strings.TrimPrefix(argument, appPrefix)
	if word == "" {
		word = "web"
	}
	return misused("this is not the name of an app: "+argument, "write it like `"+cmd.CommandPath()+" "+appPrefix+word+"`")
}

// oneApp wants the name of one app.
func oneApp(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misused("which app? Its name is missing", "write it like `"+cmd.CommandPath()+" app/web`")
	case 1:
		return wantApp(cmd, args[0])
	}
	return misused("one app at a time", "give a single name, like `"+cmd.CommandPath()+" app/web`")
}

// appNames completes the name of an app by asking the agent.
func (s *session) appNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(cmd, args, func(ctx context.Context, client *httpapi.Client) (names []string, err error) {
		list, err := client.Apps(ctx)
		for _, app := range list.Apps {
			names = append(names, appPrefix+app.Name)
		}
		return names, err
	})
}

// allNames completes the name of a Sync or an app.
func (s *session) allNames(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	syncs, _ := s.syncNames(cmd, args, begun)
	apps, directive := s.appNames(cmd, args, begun)
	return append(syncs, apps...), directive
}

// releaseLooks are those of a release's state.
var releaseLooks = map[string]look{
	v1alpha1.ReleaseActive:     {"✓", term.Good},
	v1alpha1.ReleasePending:    {"◌", term.Warn},
	v1alpha1.ReleaseSuperseded: {"", term.Dim},
	v1alpha1.ReleaseFailed:     {"✗", term.Bad},
}

// inState gives the number of the newest release in a state, 0 for none.
func inState(releases []v1alpha1.Release, state string) int {
	for _, release := range releases {
		if release.State == state {
			return release.Number
		}
	}
	return 0
}

// newest gives the number of the newest release that has not failed, 0 for none: it is what going forward leads to.
func newest(releases []v1alpha1.Release) int {
	for _, release := range releases {
		if release.State != v1alpha1.ReleaseFailed {
			return release.Number
		}
	}
	return 0
}

// forward is the command line that ends a rollback.
func forward(releases v1alpha1.Releases) string {
	return rollbackTo(releases.App, newest(releases.Releases))
}
