package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func (s *session) syncCommand() *cobra.Command {
	var waits bool
	var timeout time.Duration
	command := s.asksAgent(&cobra.Command{
		Use:   "sync NAME",
		Short: "Look at a Sync's source and target now",
		Long: `Ask the agent to look at a Sync's source and target now, without waiting for its interval or
back-off. With --wait, show how it goes on, and exit when the Sync is in sync (0), or has looked and
cannot become so without help or others (4): it needs attention, it is suspended, what it depends on
is not ready and nothing is on the way to change that, or its source cannot be reached. When --timeout
is over before, exit with 1.` + codes(exitNotHealthy),
		Example:           "  setpoint sync shop\n  setpoint sync shop --wait --timeout 10m",
		Args:              oneSync,
		ValidArgsFunction: s.syncNames,
	})
	command.Flags().BoolVar(&waits, "wait", false, "wait until the Sync is in sync, or cannot become so by itself")
	command.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "of --wait")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := s.client()
		if err != nil {
			return err
		}
		accepted, err := client.Request(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if !waits {
			return s.out.Show(s.format, accepted, func() { s.out.Line("asked ", args[0], " to look now") })
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		return s.await(ctx, &wait{client: client, name: args[0], asked: accepted.Time})
	}
	return command
}

// await shows how a Sync goes on, and how that ends.
func (s *session) await(ctx context.Context, w *wait) error {
	detail, err := s.waitFor(ctx, w)
	if err != nil {
		return err
	}
	if err := s.out.Show(s.format, detail, func() { printDetail(s.out, detail) }); err != nil {
		return err
	}
	if !w.reached(detail.SyncStatus) {
		return exit(exitNotHealthy)
	}
	return nil
}
