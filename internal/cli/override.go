package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// longestOverride is what the agent takes at most.
const longestOverride = 7 * 24 * time.Hour

func (s *session) overrideCommand() *cobra.Command {
	var span time.Duration
	var end bool
	var comment string
	command := s.asksAgent(&cobra.Command{
		Use:   "override NAME",
		Short: "Let a Sync act outside its windows for a while",
		Long: `Let a Sync act outside the windows that its declaration or its policies set, for a while: at most 7
days, after which the windows hold again by themselves. Every other guard goes on holding. With --end,
let the windows hold again now.

` + claims + codes(),
		Example: `  setpoint override shop --for 2h --comment "hotfix for the checkout"
  setpoint override shop --end`,
		Args:              oneSync,
		ValidArgsFunction: s.syncNames,
	})
	command.Flags().DurationVar(&span, "for", 0, "for how long, as 30m or 2h")
	command.Flags().BoolVar(&end, "end", false, "let the windows hold again")
	command.Flags().StringVar(&comment, "comment", "", "why; shown as long as it lasts")
	command.MarkFlagsMutuallyExclusive("for", "end")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if !end && (span <= 0 || span > longestOverride) {
			return misused("for how long? Say it with --for, up to 168h, or end it with --end", "setpoint override "+args[0]+" --for 2h")
		}
		client, err := s.client()
		if err != nil {
			return err
		}
		before, err := client.Sync(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		until, err := agentTime(cmd.Context(), client, span)
		if err != nil {
			return err
		}
		override := v1alpha1.WindowOverride{Until: until, By: s.person(), Comment: comment}
		status, err := client.OverrideWindows(cmd.Context(), args[0], override)
		if err != nil {
			return err
		}
		return s.out.Show(s.format, status, func() { s.printOverride(before.SyncStatus, status) })
	}
	return command
}

// agentTime gives the end of a span from now by the agent's own clock, because those of two machines may differ; the zero time for no
// span.
func agentTime(ctx context.Context, client *httpapi.Client, span time.Duration) (time.Time, error) {
	if span <= 0 {
		return time.Time{}, nil
	}
	info, err := client.Agent(ctx)
	return info.Time.Add(span), err
}

func (s *session) printOverride(before, status v1alpha1.SyncStatus) {
	name := term.Clean(status.Name)
	if status.Override == nil {
		s.out.Line("the windows of ", name, " hold again")
		return
	}
	s.out.Line(name, " may act outside its windows until ", clock(status.Override.Until))
	if noWindowHolds(before) {
		s.out.Line("no window holds anything of it back now")
	}
	s.out.Hint("end it before with `setpoint override " + name + " --end`")
}

// noWindowHolds says whether it is certain that no window keeps anything of a Sync back: what it has to do is known, and it was not let
// through by an override before.
func noWindowHolds(before v1alpha1.SyncStatus) bool {
	const check = "OutsideWindow"
	switch {
	case before.Override != nil:
		return false
	case before.State == "InSync":
		return true
	}
	return before.Plan != nil && before.Reason != check &&
		!slices.ContainsFunc(before.Plan.Verdicts, func(v v1alpha1.Verdict) bool { return v.Check == check })
}

// clock gives a time of day or a date with it, where the person is.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
