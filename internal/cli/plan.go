package cli

import (
	"fmt"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// shortDigest is a plan's digest for people: enough of it to approve the plan by.
func shortDigest(digest string) string { return state.Digest(digest).Short() }

// approvable says whether a person's consent lifts anything of what holds a plan back.
func approvable(plan *v1alpha1.HeldPlan) bool {
	return plan != nil && slices.ContainsFunc(plan.Verdicts, func(v v1alpha1.Verdict) bool { return v.Approvable })
}

// approveLine is the command line that approves a plan.
func approveLine(sync string, plan *v1alpha1.HeldPlan) string {
	return fmt.Sprintf("setpoint approve %s --plan %s", sync, shortDigest(plan.Digest))
}

// planSum counts a plan's changes: "3 to delete, 1 to create".
func planSum(plan *v1alpha1.HeldPlan) string {
	if sum := term.SumOf(plan.Changes); sum != "" {
		return sum
	}
	return "no changes"
}

// printPlan shows a change that guards hold back: what it is, and what each guard says.
func printPlan(p *term.Printer, sync string, plan *v1alpha1.HeldPlan) {
	line := p.Paint(term.Warn, "held back") + ": " + planSum(plan)
	if plan.Revision.ID != "" {
		line += ", of " + term.Clean(describe(plan.Revision))
	}
	p.Line("  ", line)
	p.Line("  ", p.Paint(term.Dim, "plan "), shortDigest(plan.Digest))
	for _, verdict := range plan.Verdicts {
		printVerdict(p, verdict)
	}
	if void := plan.Void; void != nil {
		p.Line("  ", p.Paint(term.Warn, fmt.Sprintf("the approval of %s, %s ago, does not count: the plan has changed since",
			term.Clean(void.By), p.Since(void.Time))))
	}
	if approvable(plan) {
		p.Line("  approve it with `", approveLine(term.Clean(sync), plan), "`")
	}
}

// printVerdict shows what one guard says, and what can be done.
func printVerdict(p *term.Printer, verdict v1alpha1.Verdict) {
	sign := p.Paint(term.Warn, "!")
	if verdict.Outcome == "deny" {
		sign = p.Paint(term.Bad, "✗")
	}
	line := "    " + sign + " " + term.Clean(verdict.Check+": "+verdict.Message)
	if until := p.Until(verdict.Until); until != "" {
		line += p.Paint(term.Dim, "  lets go by itself "+until)
	}
	p.Line(line)
	if verdict.Remedy != "" {
		p.Line("      ", p.Paint(term.Dim, "hint: "), term.Clean(verdict.Remedy))
	}
}
