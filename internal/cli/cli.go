// Package cli is the command line: one file per command. Commands that look at a running agent ask it over HTTP; what works
// without one comes in through Parts, so that this package knows no driver.
package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// Parts are what the commands are built on. main gives the real ones, tests their own.
type Parts struct {
	Version Version
	In      io.Reader // what commands that exec runs read
	Out     io.Writer // results
	Err     io.Writer // errors and progress
	Getenv  func(string) string
	Now     func() time.Time

	// Run is the agent. It returns nil when ctx ends, after the running step.
	Run func(ctx context.Context, config agent.Config) error
	// Preview compares a local folder with the cluster, changing nothing.
	Preview func(ctx context.Context, config agent.PreviewConfig) ([]agent.Previewed, error)
	// Exec runs a command once in the environment of an app, and gives its exit code.
	Exec func(ctx context.Context, config agent.ExecConfig) (int, error)
	// Supervise runs the apps of an agent beside it, and EndApps stops all of them, by the agent's data directory.
	Supervise func(ctx context.Context, dir, version string) error
	EndApps   func(ctx context.Context, data string) error
	// Render turns a local folder or file into objects, offline.
	Render func(ctx context.Context, config agent.LocalConfig) (render.Result, error)
	// CheckSource looks a source's revision up with its credentials, and gives it for people; CheckCluster names the cluster, its
	// version, and what the agent may do there.
	CheckSource  func(ctx context.Context, source v1alpha1.SourceSpec) (string, error)
	CheckCluster func(ctx context.Context, kubeconfig, context string) (string, error)
}

// Exit codes of every command.
const (
	exitDone       = 0
	exitError      = 1
	exitUsage      = 2
	exitDifferent  = 3
	exitNotHealthy = 4
)

// session is one call of the command line.
type session struct {
	Parts
	out, err *term.Printer
	format   term.Format
	url      string
	tokenAt  string // a file
	started  bool   // the command line was understood, and the command began
}

// Main carries out one command line and gives its exit code. It returns when ctx ends.
func Main(ctx context.Context, parts Parts, args []string) int {
	s, root := build(parts)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	return s.report(ctx, command, err)
}

// build makes the tree of commands.
func build(parts Parts) (*session, *cobra.Command) {
	s := &session{Parts: parts, format: term.FormatTable}
	s.out, s.err = term.New(parts.Out, parts.Getenv), term.New(parts.Err, parts.Getenv)
	s.out.Now, s.err.Now = parts.Now, parts.Now
	root := &cobra.Command{
		Use:   "setpoint",
		Short: "Keep running systems equal to what version control says they should be",
		Long: `Setpoint keeps running systems equal to what version control says they should be. It pulls desired
state from Git, registries, buckets and web servers, compares it with what really runs, and keeps
correcting the difference: on Kubernetes clusters and Linux hosts.

Start an agent with "setpoint run"; other commands look at it, work on local files, or release
versions of them to a registry.`,
		Example: `  setpoint run --source https://git.example.com/fleet.git --path clusters/eu-1
  setpoint status
  setpoint diff --path apps/shop`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// Cobra calls this when flags and arguments were right by themselves: errors before it are the user's, errors after it are not.
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			err := command.ValidateFlagGroups()
			s.started = err == nil
			return err
		},
	}
	root.SetOut(parts.Out)
	root.SetErr(parts.Err)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.DisableSuggestions = true // report gives them as a hint
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.VarP(&s.format, "output", "o", "how to show the result")
	for _, command := range []*cobra.Command{
		s.demoCommand(), s.initCommand(), s.installCommand(), s.runCommand(),
		s.statusCommand(), s.treeCommand(), s.diffCommand(), s.renderCommand(), s.historyCommand(), s.syncCommand(),
		s.suspendCommand(), s.resumeCommand(), s.approveCommand(), s.overrideCommand(), s.rollbackCommand(),
		s.logsCommand(), s.execCommand(),
		s.pushCommand(), s.pullCommand(), s.listCommand(), s.tagCommand(),
		s.eventsCommand(), s.doctorCommand(), s.schemaCommand(), s.versionCommand(), s.superviseCommand(),
	} {
		command.Flags().SortFlags = false
		root.AddCommand(command)
	}
	cobra.EnableCommandSorting = false
	return s, root
}

// client connects to the agent that the flags and the environment name.
func (s *session) client() (*httpapi.Client, error) {
	address := s.url
	if address == "" {
		address = s.Getenv("SETPOINT_URL")
	}
	token, err := s.readToken(s.tokenAt)
	if err != nil {
		return nil, err
	}
	client, err := httpapi.NewClient(address, token)
	if err != nil { // nobody was asked yet
		if wrong, ok := errors.AsType[*fault.Error](err); ok && s.url != "" {
			wrong.Item = "--url"
		}
		return nil, usage{err}
	}
	return client, nil
}

// asksAgent gives a command the flags that say where the agent is.
func (s *session) asksAgent(command *cobra.Command) *cobra.Command {
	command.Flags().StringVar(&s.url, "url", "", "where the agent listens [SETPOINT_URL] (default "+httpapi.DefaultURL+")")
	command.Flags().StringVar(&s.tokenAt, "token-file", "", "file with the agent's token [SETPOINT_TOKEN_FILE, or SETPOINT_TOKEN itself]")
	return command
}

// syncNames completes the name of a Sync by asking the agent.
func (s *session) syncNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(cmd, args, func(ctx context.Context, client *httpapi.Client) (names []string, err error) {
		list, err := client.Syncs(ctx)
		for _, status := range list.Syncs {
			names = append(names, status.Name)
		}
		return names, err
	})
}

// complete asks the agent for the names that a first argument can have. Without an answer there are none.
func (s *session) complete(
	cmd *cobra.Command, args []string, ask func(context.Context, *httpapi.Client) ([]string, error),
) ([]string, cobra.ShellCompDirective) {
	client, err := s.client()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	names, err := ask(ctx, client)
	if err != nil {
		names = nil
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// oneSync wants one name.
func oneSync(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misused("which Sync? Its name is missing", "`setpoint status` lists them")
	case 1:
		return nil
	}
	return misused("one Sync at a time", "give a single name")
}

// optional is the first argument, or "".
func optional(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
