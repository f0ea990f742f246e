package cli

import "github.com/spf13/cobra"

func (s *session) suspendCommand() *cobra.Command {
	return s.holdCommand(true, &cobra.Command{
		Use:   "suspend NAME",
		Short: "Stop a Sync: change nothing until it is resumed",
		Long: `Stop a Sync. Nothing of it is changed, neither for a new revision nor for drift, until "setpoint
resume NAME": processes of its apps that end are not started again either. How it is doing is still
looked at and shown. The agent remembers that across restarts. To say it for good and to everybody, write
spec.suspend: true into the declaration.` + codes(),
		Example: "  setpoint suspend shop",
	})
}

func (s *session) resumeCommand() *cobra.Command {
	return s.holdCommand(false, &cobra.Command{
		Use:     "resume NAME",
		Short:   "Let a suspended Sync go on",
		Long:    "Let a Sync go on that was stopped by \"setpoint suspend NAME\"." + codes(),
		Example: "  setpoint resume shop",
	})
}

func (s *session) holdCommand(on bool, command *cobra.Command) *cobra.Command {
	command.Args = oneSync
	command.ValidArgsFunction = s.syncNames
	command.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := s.client()
		if err != nil {
			return err
		}
		status, err := client.Suspend(cmd.Context(), args[0], on)
		if err != nil {
			return err
		}
		return s.out.Show(s.format, status, func() {
			switch {
			case on:
				s.out.Line(args[0], " is suspended; `setpoint resume ", args[0], "` lets it go on")
			case status.SuspendedBy == "declaration":
				s.out.Line(args[0], " stays suspended: its declaration says so")
			default:
				s.out.Line(args[0], " goes on")
			}
		})
	}
	return s.asksAgent(command)
}
