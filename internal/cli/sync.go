package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
)

// askAgain is how often --wait asks when no event comes: events are the mechanism, this is the safety net.
const askAgain = time.Second

func (s *session) syncCommand() *cobra.Command {
	var wait bool
	var timeout time.Duration
	command := s.asksAgent(&cobra.Command{
		Use:   "sync NAME",
		Short: "Look at a Sync's source and target now",
		Long: `Ask the agent to look at a Sync's source and target now, without waiting for its interval or
back-off. With --wait, show how it goes on, and exit when the Sync is in sync (0), or cannot become
so without help (4).` + codes(exitNotHealthy),
		Example:           "  setpoint sync shop\n  setpoint sync shop --wait --timeout 10m",
		Args:              oneSync,
		ValidArgsFunction: s.syncNames,
	})
	command.Flags().BoolVar(&wait, "wait", false, "wait until the Sync is in sync, or needs attention")
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
		if !wait {
			return s.out.Show(s.format, accepted, func() { s.out.Line("asked ", args[0], " to look now") })
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		detail, err := s.waitFor(ctx, client, args[0], accepted.Time)
		if err != nil {
			return err
		}
		if err := s.out.Show(s.format, detail, func() { printDetail(s.out, detail) }); err != nil {
			return err
		}
		if !settled(detail.SyncStatus) {
			return exit(exitNotHealthy)
		}
		return nil
	}
	return command
}

// waitFor shows a Sync's progress until it has looked after a time, and come to an end.
func (s *session) waitFor(
	ctx context.Context, client *httpapi.Client, name string, asked time.Time,
) (detail v1alpha1.SyncDetail, err error) {
	wake := make(chan struct{}, 1)
	following, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Without events the questions of askAgain are enough.
		_ = client.Follow(following, httpapi.FollowQuery{Sync: name}, func(v1alpha1.Event) error {
			select {
			case wake <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	defer func() { stop(); <-ended }()
	progress := s.err.Progress()
	defer progress.End()
	for {
		detail, err = client.Sync(ctx, name)
		switch {
		case err == nil && detail.Looked.After(asked) && (settled(detail.SyncStatus) || needsAttention(detail.SyncStatus)):
			return detail, nil
		case err == nil:
			progress.Now(lineOf(detail.SyncStatus))
		case fault.KindOf(err) != fault.Transient:
			return detail, err
		}
		select {
		case <-wake:
		case <-time.After(askAgain):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return detail, fault.New(fault.Transient, "wait for", name, "it did not come to an end in time").
					WithHint("`setpoint status " + name + "` shows what it waits for")
			}
			return detail, ctx.Err()
		}
	}
}
