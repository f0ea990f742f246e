package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// historyCall is one call of the command.
type historyCall struct {
	name          string
	limit         int
	before, since string
	deviation     bool
}

func (s *session) historyCommand() *cobra.Command {
	call := historyCall{}
	command := s.asksAgent(&cobra.Command{
		Use:   "history [NAME]",
		Short: "Show what was attempted, with its trigger, changes and outcome",
		Long: `Show what the loops of all Syncs, or of one, did: when, why (a new revision, drift, a retry, a
request, …), at which revision, with which outcome, and what they changed. Drift names the field,
both values, and who set it. -o json has every change.

With --deviation, show how far a Sync's target was from what is declared: now, in the last day, and for
each day how long, how many repairs drift took and because of whom, and how long revisions took from
being seen to everything being healthy.

Of an app (app/NAME), show the releases: which one runs, which ones failed and why, what each was made
of, and whether somebody went back to one.` + codes(),
		Example: `  setpoint history
  setpoint history shop --since 24h
  setpoint history shop -o json
  setpoint history shop --deviation
  setpoint history app/web`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.allNames,
	})
	flags := command.Flags()
	flags.IntVarP(&call.limit, "limit", "n", 20, "at most so many, 1 to 1000")
	flags.StringVar(&call.since, "since", "", "started after that: a span (90m, 24h) or a time (2026-01-31T15:04:05Z)")
	flags.StringVar(&call.before, "before", "", "the next page: the ID that the page before ended with")
	flags.BoolVar(&call.deviation, "deviation", false, "show how far the target was from what is declared, instead of attempts")
	for _, other := range []string{"limit", "since", "before"} {
		command.MarkFlagsMutuallyExclusive("deviation", other)
	}
	command.RunE = func(cmd *cobra.Command, args []string) error {
		call.name = optional(args)
		return s.history(cmd, call)
	}
	return command
}

// history shows what was asked for: the attempts of all Syncs or of one, the deviation of one, or the releases of an app.
func (s *session) history(cmd *cobra.Command, call historyCall) error {
	from, err := s.since(call.since)
	if err != nil {
		return err
	}
	ofApp := strings.HasPrefix(call.name, appPrefix)
	switch {
	case call.limit < 1 || call.limit > 1000:
		return misused("--limit is out of range", "give a number from 1 to 1000")
	case call.deviation && (call.name == "" || ofApp):
		return misused("--deviation is that of one Sync", "write it like `setpoint history shop --deviation`")
	case ofApp && call.before != "":
		return misused("--before is for attempts: the releases of an app have no pages", "leave it out, and use --limit")
	case ofApp:
		if err := wantApp(cmd, call.name); err != nil {
			return err
		}
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	switch {
	case ofApp:
		app, _ := appName(call.name)
		return s.showReleases(cmd.Context(), client, releaseQuery{app: app, limit: call.limit, since: from})
	case call.deviation:
		return s.showDeviation(cmd.Context(), client, call.name)
	}
	return s.showAttempts(cmd.Context(), client, store.AttemptQuery{Sync: call.name, Limit: call.limit, Before: call.before, Since: from})
}

// showAttempts is the history of all Syncs, or of one.
func (s *session) showAttempts(ctx context.Context, client *httpapi.Client, query store.AttemptQuery) error {
	page, err := client.History(ctx, query)
	if err != nil {
		return err
	}
	if query.Sync != "" && len(page.Attempts) == 0 {
		if err := everWas(ctx, client, query.Sync); err != nil {
			return err
		}
	}
	return s.out.Show(s.format, page, func() { s.printHistory(page) })
}

// everWas fails for a name that no Sync has, and of which the history knows none that had it.
func everWas(ctx context.Context, client *httpapi.Client, name string) error {
	_, missing := client.Sync(ctx, name)
	if fault.KindOf(missing) != fault.NotFound {
		return missing
	}
	page, err := client.History(ctx, store.AttemptQuery{Sync: name, Limit: 1})
	if err == nil && len(page.Attempts) == 0 {
		return missing
	}
	return err
}

// since reads a span before now, or a time; "" is the zero time.
func (s *session) since(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if span, err := time.ParseDuration(text); err == nil && span >= 0 {
		return s.Now().Add(-span), nil
	}
	if when, err := time.Parse(time.RFC3339, text); err == nil {
		return when, nil
	}
	return time.Time{}, usage{fault.New(fault.Invalid, "read", "--since", fmt.Sprintf("%q is neither a span nor a time", text)).
		WithHint("write it like 90m, 24h or 2026-01-31T15:04:05Z")}
}

var outcomeStyles = map[string]term.Style{
	"Succeeded": term.Good, "Failed": term.Bad, "Unhealthy": term.Bad,
	"Running": term.Warn, "Held": term.Warn, "Interrupted": term.Warn, "Superseded": term.Dim,
}

func (s *session) printHistory(page v1alpha1.History) {
	if len(page.Attempts) == 0 {
		s.out.Line("nothing was attempted")
		return
	}
	rows := make([]term.Row, len(page.Attempts))
	for i, attempt := range page.Attempts {
		rows[i] = s.attemptRow(attempt)
	}
	s.out.Table([]string{"AGO", "SYNC", "TRIGGER", "REVISION", "OUTCOME", "TOOK", "CHANGES", "MESSAGE"}, rows)
	if page.Next != "" {
		s.out.Hint("older ones: --before " + page.Next)
	}
}

func (s *session) attemptRow(attempt v1alpha1.Attempt) term.Row {
	took := ""
	if !attempt.Finished.IsZero() {
		took = term.Span(attempt.Finished.Sub(attempt.Started))
	}
	message := attempt.Message
	if message == "" && attempt.Trigger == "revision" {
		message = attempt.Revision.Message
	}
	revision := "-"
	if attempt.Revision.ID != "" {
		revision = attempt.Revision.Short()
	}
	row := term.Row{Cells: []term.Cell{
		{Text: s.out.Since(attempt.Started)}, {Text: attempt.Sync, Style: term.Bold}, {Text: attempt.Trigger}, {Text: revision},
		{Text: attempt.Outcome, Style: outcomeStyles[attempt.Outcome]}, {Text: took},
		{Text: fmt.Sprint(len(attempt.Changes) + attempt.Omitted)}, {Text: message},
	}}
	row.Detail = decisions(s.out, attempt)
	for i, change := range attempt.Changes {
		if i == changesShown {
			more := len(attempt.Changes) - i + attempt.Omitted
			row.Detail = append(row.Detail, term.Cell{Text: fmt.Sprintf("  and %s: -o json", plural(more, "more change")), Style: term.Dim})
			break
		}
		row.Detail = append(row.Detail, term.Cell{Text: "  " + changeLine(s.out, change), Style: term.Dim})
	}
	for _, problem := range attempt.Problems {
		row.Detail = append(row.Detail, problemLines(problem)...)
	}
	return row
}

// decisions are what people, or the loop in their place, had decided before an attempt.
func decisions(p *term.Printer, attempt v1alpha1.Attempt) (lines []term.Cell) {
	for _, moved := range attempt.Moved {
		lines = append(lines, term.Cell{Text: "  moved: " + moved})
	}
	if from := attempt.RolledBackFrom; from != nil {
		lines = append(lines, term.Cell{Text: "  ↩ rolled back from " + describe(*from), Style: term.Warn})
	}
	if approval := attempt.Approval; approval != nil {
		text := "  approved by " + approval.By
		if ago := p.Since(approval.Time); ago != "" {
			text += " " + ago + " ago"
		}
		if approval.Comment != "" {
			text += ": " + approval.Comment
		}
		lines = append(lines, term.Cell{Text: text})
	}
	return lines
}
