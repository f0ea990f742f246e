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

func (s *session) historyCommand() *cobra.Command {
	var limit int
	var before, since string
	command := s.asksAgent(&cobra.Command{
		Use:   "history [NAME]",
		Short: "Show what was attempted, with its trigger, changes and outcome",
		Long: `Show what the loops of all Syncs, or of one, did: when, why (a new revision, drift, a retry, a
request, …), at which revision, with which outcome, and what they changed. Drift names the field,
both values, and who set it. -o json has every change.

Of an app (app/NAME), show the releases: which one runs, which ones failed and why, what each was made
of, and whether somebody went back to one.` + codes(),
		Example: `  setpoint history
  setpoint history shop --since 24h
  setpoint history shop -o json
  setpoint history app/web`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.allNames,
	})
	command.Flags().IntVarP(&limit, "limit", "n", 20, "at most so many, 1 to 1000")
	command.Flags().StringVar(&since, "since", "", "started after that: a span (90m, 24h) or a time (2026-01-31T15:04:05Z)")
	command.Flags().StringVar(&before, "before", "", "the next page: the ID that the page before ended with")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := s.since(since)
		if err != nil {
			return err
		}
		if limit < 1 || limit > 1000 {
			return misused("--limit is out of range", "give a number from 1 to 1000")
		}
		client, err := s.client()
		if err != nil {
			return err
		}
		if name := optional(args); strings.HasPrefix(name, appPrefix) {
			if err := wantApp(cmd, name); err != nil {
				return err
			}
			app, _ := appName(name)
			if before != "" {
				return misused("--before is for attempts: the releases of an app have no pages", "leave it out, and use --limit")
			}
			return s.showReleases(cmd.Context(), client, releaseQuery{app: app, limit: limit, since: from})
		}
		page, err := client.History(cmd.Context(), store.AttemptQuery{Sync: optional(args), Limit: limit, Before: before, Since: from})
		if err != nil {
			return err
		}
		if name := optional(args); name != "" && len(page.Attempts) == 0 {
			if err := everWas(cmd.Context(), client, name); err != nil {
				return err
			}
		}
		return s.out.Show(s.format, page, func() { s.printHistory(page) })
	}
	return command
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
	"Running": term.Warn, "Interrupted": term.Warn, "Superseded": term.Dim,
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
