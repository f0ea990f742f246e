package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/cli/demo"
)

func (s *session) demoCommand() *cobra.Command {
	var auto bool
	command := &cobra.Command{
		Use:   "demo",
		Short: "See it at work in a minute: an app, files and a Git repository in a temporary directory",
		Long: `See Setpoint at work, with no more than this program. In a temporary directory it makes a Git
repository with an app of two process types, files, and overlays for staging and production; it
starts an agent that keeps this host so; and it says what to try next. It needs no rights, changes
nothing outside that directory, and leaves nothing behind.` + codes(),
		Example: `  setpoint demo
  setpoint demo --auto`,
		Args: cobra.NoArgs,
	}
	command.Flags().BoolVar(&auto, "auto", false, "go through the tour without a person, check each step, and end")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		return demo.Run(cmd.Context(), demo.Options{
			Auto: auto, Out: s.out, Version: s.Version.Version, Run: s.Run, End: s.EndApps,
		})
	}
	sample := demo.Sample{Out: s.Parts.Out, Getenv: s.Getenv}
	command.AddCommand(
		hidden("serve", "the web process of the demonstration's app", sample.Serve),
		hidden("work", "the worker of the demonstration's app", sample.Work),
	)
	return command
}

// hidden makes a command that people do not call.
func hidden(use, short string, run func(ctx context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) },
	}
}
