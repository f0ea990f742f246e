package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// Bounds of what the status shows of one Sync; `tree` and -o json show all of it.
const (
	problemsShown = 5
	changesShown  = 5
	detailsAsked  = 20 // drifted Syncs whose culprits are looked up
)

func (s *session) statusCommand() *cobra.Command {
	var watch, byCode bool
	command := s.asksAgent(&cobra.Command{
		Use:   "status [NAME]",
		Short: "Show how every Sync, or one of them, is doing",
		Long: `Show how every Sync is doing: its state, its revision, how many of its objects are healthy, and since
when. What needs attention says why, who caused it, and what to do next. With a name, show that Sync
and those of its objects that are not well.

REVISION is the one in force, and after → the newest that was seen, where that is another; it stands
alone after → while none is in force yet.

DEVIATION is how many objects and fields differ from what is declared, or are not healthy (2/5), and how
that went in the last hour.

States: InSync; on the way: Pending, Rendering, Syncing, Settling; needing attention: Drifted, Held,
Failed, RolledBack; stopped by somebody: Suspended. An InSync with the mark ! is as the last revision
that is known declares, while its source cannot be reached: --exit-code takes it for InSync.` + codes(exitNotHealthy),
		Example: `  setpoint status
  setpoint status shop
  setpoint status --watch
  setpoint status shop --exit-code && echo "all is well"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.syncNames,
	})
	command.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing it whenever something changes")
	command.Flags().BoolVar(&byCode, "exit-code", false, "exit with 4 unless every Sync shown is InSync or Suspended")
	command.MarkFlagsMutuallyExclusive("watch", "exit-code")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := s.client()
		if err != nil {
			return err
		}
		if watch {
			return s.watchStatus(cmd.Context(), client, optional(args))
		}
		view, err := lookAt(cmd.Context(), client, optional(args))
		if err != nil {
			return err
		}
		if err := s.out.Show(s.format, view.value(), func() { view.print(s.out) }); err != nil {
			return err
		}
		if byCode && !view.healthy() {
			return exit(exitNotHealthy)
		}
		return nil
	}
	return command
}

// statusView is what the command shows: one Sync, or all.
type statusView struct {
	one *v1alpha1.SyncDetail
	all []shownSync
}

// shownSync is a Sync with the drift that makes it need attention.
type shownSync struct {
	v1alpha1.SyncStatus `json:",inline"`
	Changes             []v1alpha1.Change `json:"changes,omitempty"`
}

// lookAt asks the agent for one Sync, or for all, with the differences of those that drifted.
func lookAt(ctx context.Context, client *httpapi.Client, name string) (view statusView, err error) {
	if name != "" {
		detail, err := client.Sync(ctx, name)
		return statusView{one: &detail}, err
	}
	list, err := client.Syncs(ctx)
	if err != nil {
		return view, err
	}
	asked := 0
	view.all = []shownSync{}
	for _, status := range list.Syncs {
		shown := shownSync{SyncStatus: status}
		if needsAttention(status) && status.Objects.Different > 0 && asked < detailsAsked {
			asked++
			if detail, err := client.Sync(ctx, status.Name); err == nil { // it may be gone meanwhile
				shown.Changes = changesOf(detail.Items)
			}
		}
		view.all = append(view.all, shown)
	}
	return view, nil
}

func changesOf(items []v1alpha1.ObjectStatus) (changes []v1alpha1.Change) {
	for _, item := range items {
		if item.Change != nil && item.Change.Op != "none" {
			changes = append(changes, *item.Change)
		}
	}
	return changes
}

func (v statusView) value() any {
	if v.one != nil {
		return v.one
	}
	return map[string]any{"syncs": v.all}
}

func (v statusView) healthy() bool {
	if v.one != nil {
		return settled(v.one.SyncStatus)
	}
	for _, sync := range v.all {
		if !settled(sync.SyncStatus) {
			return false
		}
	}
	return true
}

func (v statusView) print(p *term.Printer) {
	if v.one != nil {
		printDetail(p, *v.one)
		return
	}
	if len(v.all) == 0 {
		p.Line("there are no Syncs yet")
		return
	}
	p.Line(summary(p, v.all))
	p.Line()
	rows := make([]term.Row, len(v.all))
	for i, sync := range v.all {
		rows[i] = statusRow(p, sync)
	}
	p.Table([]string{"", "NAME", "STATE", "REVISION", "OBJECTS", "DEVIATION", "SINCE", "MESSAGE"}, rows)
	for _, hint := range awayHints(v.all) {
		p.Line()
		p.Hint(hint)
	}
}

// awayHints gives what to do about the sources that cannot be reached, each once: one outage touches many Syncs.
func awayHints(syncs []shownSync) (hints []string) {
	for _, sync := range syncs {
		if sourceAway(sync.SyncStatus) && sync.Hint != "" && !slices.Contains(hints, sync.Hint) {
			hints = append(hints, sync.Hint)
		}
	}
	return hints
}

// summary says in a line what a newcomer wants to know first.
func summary(p *term.Printer, syncs []shownSync) string {
	attention, moving, suspended, away := 0, 0, 0, 0
	for _, sync := range syncs {
		switch {
		case needsAttention(sync.SyncStatus):
			attention++
		case sourceAway(sync.SyncStatus):
			away++
		case sync.State == "Suspended":
			suspended++
		case !settled(sync.SyncStatus):
			moving++
		}
	}
	var parts []string
	count := func(style term.Style, n int, what string) {
		if n == 0 {
			return
		}
		of := ""
		if len(parts) == 0 { // said once
			of = " of " + plural(len(syncs), "Sync")
		}
		parts = append(parts, p.Paint(style, fmt.Sprintf("%d%s %s", n, of, what)))
	}
	need := "need attention"
	if attention == 1 {
		need = "needs attention"
	}
	count(term.Bad, attention, need)
	count(term.Warn, moving, "on the way")
	count(term.Plain, suspended, "suspended")
	line := strings.Join(parts, ", ")
	if len(parts) == 0 {
		line = p.Paint(term.Good, fmt.Sprintf("%s in sync", plural(len(syncs), "Sync")))
	}
	if away > 0 {
		line += p.Paint(term.Warn, fmt.Sprintf("; the source of %d cannot be reached", away))
	}
	return line
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func statusRow(p *term.Printer, sync shownSync) term.Row {
	look := lookOfSync(sync.SyncStatus)
	row := term.Row{Cells: []term.Cell{
		{Text: look.sign, Style: look.style},
		{Text: sync.Name, Style: term.Bold},
		{Text: sync.State, Style: look.style},
		{Text: revisionOf(sync.SyncStatus)},
		{Text: fmt.Sprintf("%d/%d", sync.Objects.Healthy, sync.Objects.Total)},
		{Text: deviationShort(sync.SyncStatus)},
		{Text: p.Since(sync.Since)},
		{Text: messageOf(sync.SyncStatus)},
	}}
	row.Detail = controlDetails(p, sync.SyncStatus)
	if !needsAttention(sync.SyncStatus) {
		return row
	}
	for i, problem := range sync.Problems {
		if i == problemsShown {
			row.Detail = append(row.Detail, more(len(sync.Problems)-i, sync.Name))
			break
		}
		row.Detail = append(row.Detail, problemLines(problem)...)
	}
	for i, change := range sync.Changes {
		if i == changesShown {
			row.Detail = append(row.Detail, more(len(sync.Changes)-i, sync.Name))
			break
		}
		row.Detail = append(row.Detail, term.Cell{Text: "  ~ " + changeLine(p, change), Style: term.Warn})
	}
	if hint := hintOf(sync.SyncStatus, sync.Problems[:min(len(sync.Problems), problemsShown)]); hint != "" {
		row.Detail = append(row.Detail, term.Cell{Text: "  hint: " + hint, Style: term.Dim})
	}
	if next := p.Until(sync.NextTry); next != "" {
		row.Detail = append(row.Detail, term.Cell{Text: "  tries again " + next, Style: term.Dim})
	}
	return row
}

func more(n int, name string) term.Cell {
	return term.Cell{Text: fmt.Sprintf("  and %d more: `setpoint status %s`", n, name), Style: term.Dim}
}

func problemLines(problem v1alpha1.Problem) []term.Cell {
	lines := []term.Cell{{Text: "  ✗ " + problem.Message, Style: term.Bad}}
	if problem.Hint != "" {
		lines = append(lines, term.Cell{Text: "    hint: " + problem.Hint, Style: term.Dim})
	}
	return lines
}
