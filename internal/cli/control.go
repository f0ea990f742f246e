package cli

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// contended is the reason of objects that somebody else changes back again and again.
const contended = "Contended"

var contendedLook = look{"⇄", term.Warn}

// printControl shows what guards, damping and people have decided about a Sync: what is held back, what is not tried again, what is
// contended.
func printControl(p *term.Printer, status v1alpha1.SyncStatus) {
	if status.Plan != nil {
		p.Line()
		printPlan(p, status.Name, status.Plan)
	}
	if status.Quarantine != nil {
		p.Line()
		printQuarantine(p, status)
	}
	if len(status.Contended) > 0 {
		p.Line()
	}
	for i, one := range status.Contended {
		printContention(p, one)
		if one.Remedy != "" && (i > 0 || status.Reason != contended || status.Hint == "") { // else the Sync's own hint is about this one
			p.Line("    ", p.Paint(term.Dim, "hint: "), term.Clean(one.Remedy))
		}
	}
}

// printQuarantine shows the revision that is not tried again by itself, why, and what has it tried again.
func printQuarantine(p *term.Printer, status v1alpha1.SyncStatus) {
	q := status.Quarantine
	line := p.Paint(term.Warn, "quarantined") + ": " + term.Clean(describe(q.Revision))
	if since := p.Since(q.Since); since != "" {
		line += p.Paint(term.Dim, "  for "+since)
	}
	p.Line("  ", line)
	if q.By != "" {
		p.Line("    ", term.Clean(strings.TrimSuffix(q.By+" went back from it: "+q.Message, ": ")))
	} else {
		p.Line("    ", p.Paint(term.Bad, "✗ "), term.Clean(healthMessage(v1alpha1.Health{Reason: q.Reason, Message: q.Message})))
	}
	for i, id := range q.Until {
		if i == objectsShown {
			p.Line("    ", p.Paint(term.Dim, fmt.Sprintf("and %d more", len(q.Until)-i)))
			break
		}
		p.Line("    is tried again when ", term.Clean(nameOf(id)), " is well")
	}
	if status.State != "RolledBack" || status.Hint == "" { // else the Sync's own hint says it
		p.Line("    ", p.Paint(term.Dim, "hint: "), "the next revision is tried by itself, this one with `setpoint sync ",
			term.Clean(status.Name), "`")
	}
}

// printContention shows what is changed back again and again, and by whom.
func printContention(p *term.Printer, one v1alpha1.Contention) {
	line := p.Paint(contendedLook.style, contendedLook.sign+" "+contended) + ": " + term.Clean(contendedItem(one))
	line += p.Paint(term.Dim, fmt.Sprintf("  corrected %s in %s", times(one.Rounds), p.Since(one.Since)))
	p.Line("  ", line)
	if one.Path != "" {
		p.Line("    ", becomes(one), ", declared is ", value(one.Ours))
	} else {
		p.Line("    ", writer(one.By), " undoes what is declared")
	}
	if until := p.Until(one.RetryAt); until != "" {
		p.Line("    it is corrected again ", until)
	}
}

// becomes says what a contended field is set to again and again.
func becomes(one v1alpha1.Contention) string {
	if one.By == "" {
		return "it becomes " + value(one.Theirs)
	}
	return writer(one.By) + " sets " + value(one.Theirs)
}

// contendedItem names the field, or the object, that is contended.
func contendedItem(one v1alpha1.Contention) string {
	if one.Path == "" {
		return nameOf(one.ID)
	}
	return nameOf(one.ID) + " " + one.Path
}

// contendedLine says in one line what is contended.
func contendedLine(p *term.Printer, one v1alpha1.Contention) string {
	line := contendedItem(one)
	if one.Path != "" {
		line += fmt.Sprintf(" %s, declared is %s", value(one.Theirs), value(one.Ours))
	}
	line += ", by " + writer(one.By)
	if next := p.Until(one.RetryAt); next != "" {
		line += ", corrected again " + next
	}
	return line
}

// writer names who changes things back, where that is known.
func writer(by string) string {
	if by == "" {
		return "somebody"
	}
	return term.Clean(by)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// overrideOf says until when windows are overridden, by whom and why; "" when they are not, or not any more.
func overrideOf(p *term.Printer, override *v1alpha1.WindowOverride) string {
	if override == nil || !override.Until.After(p.Now()) {
		return ""
	}
	text := "overridden by " + override.By
	if until := p.Until(override.Until); until != "" {
		text += ", ends " + until
	}
	if override.Comment != "" {
		text += ": " + override.Comment
	}
	return text
}

// controlDetails are the lines about a Sync's guards, damping and causes in the table of all Syncs.
func controlDetails(p *term.Printer, status v1alpha1.SyncStatus) (lines []term.Cell) {
	if _, what, _ := strings.Cut(status.RootCause, ": "); status.RootCause != "" && !strings.Contains(status.Message, what) {
		lines = append(lines, term.Cell{Text: "  root cause: " + status.RootCause, Style: term.Warn})
	}
	if plan := status.Plan; plan != nil {
		line := fmt.Sprintf("  plan %s: %s; `setpoint diff %s` shows it", shortDigest(plan.Digest), planSum(plan), status.Name)
		lines = append(lines, term.Cell{Text: line, Style: term.Dim})
	}
	for i, one := range status.Contended {
		if i == changesShown {
			lines = append(lines, more(len(status.Contended)-i, status.Name))
			break
		}
		lines = append(lines, term.Cell{Text: "  " + contendedLook.sign + " " + contendedLine(p, one), Style: term.Warn})
	}
	return lines
}
