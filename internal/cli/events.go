package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) eventsCommand() *cobra.Command {
	var since string
	command := s.asksAgent(&cobra.Command{
		Use:   "events [NAME]",
		Short: "Follow what happens, line by line",
		Long: `Follow what happens to every Sync, or to one, until Ctrl-C: changes of state, changes made, drift
with its culprit, new revisions and warnings. When the agent is restarted, it goes on by itself. -o
json gives one object per line.` + codes(),
		Example:           "  setpoint events\n  setpoint events shop --since 1h\n  setpoint events -o json | jq .message",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.syncNames,
	})
	command.Flags().StringVar(&since, "since", "",
		"begin with what the agent still knows from then on: a span (10m) or a time (2026-01-31T15:04:05Z)")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := s.since(since)
		if err != nil {
			return err
		}
		client, err := s.client()
		if err != nil {
			return err
		}
		query := httpapi.FollowQuery{Sync: optional(args), Since: from, Lost: s.lost}
		return client.Follow(cmd.Context(), query, func(event v1alpha1.Event) error {
			return s.out.ShowOne(s.format, event, func() { s.printEvent(event) })
		})
	}
	return command
}

// lost says that a stream from the agent broke, unless the agent itself has ended it.
func (s *session) lost(err error) {
	if err != nil {
		s.err.Line(s.err.Paint(term.Dim, "the connection to the agent is lost; trying again"))
	}
}

var eventStyles = map[string]term.Style{"drift": term.Warn, "warning": term.Bad, "source": term.Dim}

func (s *session) printEvent(event v1alpha1.Event) {
	style := eventStyles[event.Type]
	text := event.Message
	switch {
	case event.Type == "state" && event.Status != nil:
		style = lookOfSync(*event.Status).style
		text = event.Status.State
		if event.Message != "" {
			text += ": " + event.Message
		}
	case event.Change != nil:
		text = fmt.Sprintf("%s: %s", event.Change.Op, changeLine(s.out, *event.Change))
	}
	s.out.Line(s.out.Paint(term.Dim, event.Time.Local().Format("15:04:05")), "  ",
		s.out.Paint(term.Bold, term.Pad(term.Clean(event.Sync), 16)), "  ",
		s.out.Paint(style, term.Pad(event.Type, 8)+"  "+term.Clean(text)))
}
