package cli

import (
	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/agent"
)

func (s *session) execCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "exec app/NAME -- COMMAND [ARG...]",
		Short: "Run a command once in the environment of an app's current release",
		Long: `Run a command once with what the processes of an app's current release run with: its environment,
its user, its directory. It has the terminal of the caller, and its exit code is this command's: 128
and the number of the signal when one ended it. No shell is involved; to have one, run it.

It does not ask the agent but the supervisor of its apps, whose socket is in the data directory: only
root and the agent's user can reach it. So it also works while the agent is down.` + codes() +
			"\n  ...  what the command itself exits with",
		Example: `  setpoint exec app/web -- ./migrate --dry-run
  setpoint exec app/web -- sh -c 'echo "$DATABASE_URL"'
  setpoint exec app/web --data /var/lib/setpoint -- env`,
		Args:              appAndCommand,
		ValidArgsFunction: s.appNames,
	}
	settings := s.configured(command, "data")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		name, _ := appName(args[0])
		data, err := settings.data()
		if err != nil {
			return err
		}
		code, err := s.Exec(cmd.Context(), agent.ExecConfig{Data: data, App: name, Command: args[1:], In: s.In, Out: s.Out, Err: s.Err})
		if err == nil && code != exitDone {
			return exit(code)
		}
		return err
	}
	return command
}

// appAndCommand wants an app, two dashes, and a command: what is behind them is never taken for a flag of ours.
func appAndCommand(cmd *cobra.Command, args []string) error {
	example := "write it like `setpoint exec app/web -- ./migrate`"
	dashes := cmd.ArgsLenAtDash()
	before := args
	if dashes >= 0 {
		before = args[:dashes]
	}
	switch {
	case len(before) == 0:
		return misused("which app? Its name is missing", example)
	case dashes < 0 && len(args) > 1:
		return misused("-- is missing between the app and the command", example)
	case len(before) > 1:
		return misused("one app at a time", example)
	case len(args) == 1:
		return misused("the command is missing", example)
	}
	if _, ok := appName(args[0]); !ok {
		return misused("this is not the name of an app: "+args[0], example)
	}
	return nil
}
