package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// denies is the outcome of a guard that only another declaration satisfies.
const denies = "deny"

// shortDigest is a plan's digest for people: enough of it to approve the plan by.
func shortDigest(digest string) string { return state.Digest(digest).Short() }

// approvable says whether a person's consent lifts anything of what holds a plan back.
func approvable(plan *v1alpha1.HeldPlan) bool {
	if plan == nil {
		return false
	}
	_, stands := unliftable(plan)
	return !stands
}

// unliftable gives the verdict that makes an approval pointless: one that denies, or the first where no approval lifts any.
func unliftable(plan *v1alpha1.HeldPlan) (verdict v1alpha1.Verdict, stands bool) {
	if at := slices.IndexFunc(plan.Verdicts, func(v v1alpha1.Verdict) bool { return v.Outcome == denies }); at >= 0 {
		return plan.Verdicts[at], true
	}
	if slices.ContainsFunc(plan.Verdicts, func(v v1alpha1.Verdict) bool { return v.Approvable }) {
		return v1alpha1.Verdict{}, false
	}
	if len(plan.Verdicts) > 0 {
		verdict = plan.Verdicts[0]
	}
	return verdict, true
}

// letsGo says when a guard lets go by itself; "" when it does not. The time of a window without an end is only when it is looked at again.
func letsGo(p *term.Printer, verdict v1alpha1.Verdict) string {
	until := p.Until(verdict.Until)
	if until == "" || strings.Contains(verdict.Message, "no end is in sight") {
		return ""
	}
	return "lets go by itself " + until
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
	if verdict.Outcome == denies {
		sign = p.Paint(term.Bad, "✗")
	}
	line := "    " + sign + " " + term.Clean(verdict.Check+": "+verdict.Message)
	if until := letsGo(p, verdict); until != "" {
		line += p.Paint(term.Dim, "  "+until)
	}
	p.Line(line)
	if verdict.Remedy != "" {
		p.Line("      ", p.Paint(term.Dim, "hint: "), term.Clean(verdict.Remedy))
	}
}
