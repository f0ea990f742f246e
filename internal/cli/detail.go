package cli

import (
	"fmt"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// printDetail shows one Sync: what it is, what is wrong, and the objects that are not well.
func printDetail(p *term.Printer, detail v1alpha1.SyncDetail) {
	status := detail.SyncStatus
	look := lookOfSync(status)
	p.Line(p.Paint(look.style, look.sign), " ", p.Paint(term.Bold, term.Clean(status.Name)), "  ",
		p.Paint(look.style, status.State), p.Paint(term.Dim, "  for "+p.Since(status.Since)))
	if message := messageOf(status); message != "" {
		p.Line("  ", term.Clean(message))
	}
	p.Hint(hintOf(status, status.Problems))
	p.Line()
	fact := func(name, text string) {
		if text != "" {
			p.Line("  ", p.Paint(term.Dim, term.Pad(name, 10)), term.Clean(text))
		}
	}
	fact("source", status.Source)
	fact("path", status.Path)
	fact("to", status.To)
	fact("parent", status.Parent)
	fact("in force", describe(status.Applied))
	if status.Revision.ID != status.Applied.ID {
		fact("newest", describe(status.Revision))
	}
	fact("objects", countsOf(status.Objects))
	fact("next try", p.Until(status.NextTry))
	if len(status.Problems) > 0 {
		p.Line()
	}
	for _, problem := range status.Problems {
		p.Problem("  ", problem)
	}
	printObjects(p, detail.Items)
}

// describe gives a revision with its author and message.
func describe(revision state.Revision) string {
	if revision.ID == "" {
		return ""
	}
	text := revision.Short()
	if revision.Author != "" {
		text += "  " + revision.Author
	}
	if revision.Message != "" {
		text += ": " + revision.Message
	}
	return text
}

func countsOf(counts v1alpha1.Counts) string {
	text := fmt.Sprintf("%d of %d healthy", counts.Healthy, counts.Total)
	if counts.Different > 0 {
		text += fmt.Sprintf(", %d different", counts.Different)
	}
	if counts.Failed > 0 {
		text += fmt.Sprintf(", %d failed", counts.Failed)
	}
	return text
}

// printObjects shows the objects that are not healthy, and those that differ from what is declared.
func printObjects(p *term.Printer, items []v1alpha1.ObjectStatus) {
	var rows []term.Row
	for _, item := range items {
		if item.Health.Status != state.Healthy && item.Health.Status != "" {
			rows = append(rows, term.Row{Cells: []term.Cell{
				{Text: "  " + lookOf(string(item.Health.Status)).sign, Style: lookOf(string(item.Health.Status)).style},
				{Text: item.ID.String()}, {Text: string(item.Health.Status), Style: lookOf(string(item.Health.Status)).style},
				{Text: healthMessage(item.Health)},
			}})
		}
	}
	if len(rows) > 0 {
		p.Line()
		p.Table([]string{"", "NOT HEALTHY", "", ""}, rows)
	}
	if changes := changesOf(items); len(changes) > 0 {
		p.Line()
		p.Line(p.Paint(term.Dim, "DIFFERENT"))
		p.Changes(changes)
	}
}

func healthMessage(health state.Health) string {
	switch {
	case health.Reason == "":
		return health.Message
	case health.Message == "":
		return health.Reason
	}
	return health.Reason + ": " + health.Message
}
