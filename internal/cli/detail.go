package cli

import (
	"fmt"
	"slices"
	"strings"

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
	p.Hint(hintOfDetail(status))
	p.Line()
	printFacts(p, factsOf(p, status))
	printControl(p, status)
	if len(status.Problems) > 0 {
		p.Line()
	}
	for _, problem := range status.Problems {
		p.Problem("  ", problem)
	}
	printObjects(p, detail.Items)
}

// hintOfDetail is a Sync's hint, unless something that is shown with it gives the same.
func hintOfDetail(status v1alpha1.SyncStatus) string {
	if status.Plan != nil && slices.ContainsFunc(status.Plan.Verdicts, func(v v1alpha1.Verdict) bool { return v.Remedy == status.Hint }) {
		return ""
	}
	return hintOf(status, status.Problems)
}

// fact is a line of a Sync's description.
type fact struct{ name, text string }

// factsOf are what a Sync is, and how it is doing, in the order in which people ask.
func factsOf(p *term.Printer, status v1alpha1.SyncStatus) []fact {
	facts := []fact{
		{"source", status.Source}, {"path", status.Path}, {"to", status.To}, {"parent", status.Parent},
		{"in force", describe(status.Applied)},
	}
	if status.Revision.ID != status.Applied.ID {
		facts = append(facts, fact{"newest", describe(status.Revision)})
	}
	facts = append(facts, fact{"objects", countsOf(status.Objects)}, fact{"deviation", deviationOf(p, status)},
		fact{"windows", overrideOf(p, status.Override)})
	first := ""
	if cause := status.Cause; cause != nil {
		first = strings.TrimSuffix(nameOf(cause.ID)+": "+cause.Message, ": ")
		facts = append(facts, fact{"cause", first})
	}
	if status.RootCause != first {
		facts = append(facts, fact{"root cause", status.RootCause})
	}
	return append(facts, fact{"next try", p.Until(status.NextTry)})
}

// printFacts shows those that there are, below each other.
func printFacts(p *term.Printer, facts []fact) {
	facts = slices.DeleteFunc(facts, func(f fact) bool { return f.text == "" })
	width := 0
	for _, f := range facts {
		width = max(width, len(f.name))
	}
	for _, f := range facts {
		p.Line("  ", p.Paint(term.Dim, term.Pad(f.name, width+2)), term.Clean(f.text))
	}
}

// deviationOf says how far the target is from what is declared, since when, and how that went.
func deviationOf(p *term.Printer, status v1alpha1.SyncStatus) string {
	if status.Deviation.None() && trend(status.Trend) == "" {
		return ""
	}
	text := deviationWords(status.Deviation)
	if since := p.Since(status.Deviation.Since); since != "" {
		text += ", since " + since
	}
	return strings.TrimRight(text+"  "+trend(status.Trend), " ")
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
	if revision.Signer != "" {
		text += ", signed by " + revision.Signer
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
		look := lookOfHealth(item.Health)
		if item.Health.Status != state.Healthy && item.Health.Status != "" {
			rows = append(rows, term.Row{Cells: []term.Cell{
				{Text: "  " + look.sign, Style: look.style},
				{Text: item.ID.String()}, {Text: string(item.Health.Status), Style: look.style},
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
