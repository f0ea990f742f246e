package cli

import (
	"github.com/spf13/cobra"
)

// superviseCommand is the process that an agent starts beside itself; people have no use for it.
func (s *session) superviseCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use: "supervise", Short: "Run the apps of an agent, beside it", Hidden: true, Args: cobra.NoArgs,
	}
	command.Flags().StringVar(&dir, "dir", "", "the directory that the agent names")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			return misused("--dir is missing", "agents start this command by themselves: see `setpoint run`")
		}
		return s.Supervise(cmd.Context(), dir, s.Version.Version)
	}
	return command
}
