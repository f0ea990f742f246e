package cli

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// look is how a state or a health appears: a sign and a style, the same in every command.
type look struct {
	sign  string
	style term.Style
}

var looks = map[string]look{
	"InSync":     {"✓", term.Good},
	"Pending":    {"◌", term.Warn},
	"Rendering":  {"◌", term.Warn},
	"Syncing":    {"◌", term.Warn},
	"Settling":   {"◌", term.Warn},
	"Drifted":    {"~", term.Warn},
	"Held":       {"!", term.Warn},
	"Failed":     {"✗", term.Bad},
	"RolledBack": {"↩", term.Bad},
	"Suspended":  {"‖", term.Dim},

	string(state.Healthy):     {"✓", term.Good},
	string(state.Progressing): {"◌", term.Warn},
	string(state.Unknown):     {"?", term.Warn},
	string(state.Missing):     {"✗", term.Bad},
	string(state.Degraded):    {"✗", term.Bad},
}

// lookOfHealth is lookOf of an object's health, with a sign of its own for one that somebody else keeps changing back.
func lookOfHealth(health state.Health) look {
	if health.Reason == contended {
		return contendedLook
	}
	return lookOf(string(health.Status))
}

func lookOf(word string) look {
	if l, ok := looks[word]; ok {
		return l
	}
	return look{"?", term.Plain}
}

// lookOfSync is lookOf of a Sync's state, with a mark on one that is as it should be only as far as can be known.
func lookOfSync(status v1alpha1.SyncStatus) look {
	if sourceAway(status) {
		return look{"!", term.Warn}
	}
	return lookOf(status.State)
}

// sourceAway says whether a Sync is in sync with the last revision that is known, while its source cannot be reached: nothing
// for the target to worry about, but what was declared since is not there.
func sourceAway(status v1alpha1.SyncStatus) bool {
	return status.State == "InSync" && status.Reason == "SourceFailed"
}

// needsAttention says whether somebody should look at a Sync.
func needsAttention(status v1alpha1.SyncStatus) bool {
	switch status.State {
	case "Drifted", "Held", "Failed", "RolledBack":
		return true
	}
	return false
}

// settled says whether a Sync is as it should be: in sync, or stopped on purpose.
func settled(status v1alpha1.SyncStatus) bool {
	return status.State == "InSync" || status.State == "Suspended"
}

// revisionOf shows the revision in force, and the newest one where that is another, or where none is in force yet.
func revisionOf(status v1alpha1.SyncStatus) string {
	applied, seen := status.Applied, status.Revision
	switch {
	case applied.ID == "" && seen.ID == "":
		return "-"
	case applied.ID == "":
		return "→ " + seen.Short()
	case seen.ID == "" || applied.ID == seen.ID:
		return applied.Short()
	}
	return applied.Short() + " → " + short(seen)
}

func short(revision state.Revision) string { return state.Revision{ID: revision.ID}.Short() }

// messageOf says why a Sync is in its state, without repeating what its problems say.
func messageOf(status v1alpha1.SyncStatus) string {
	message := status.Message
	if status.State == "InSync" && !sourceAway(status) {
		return ""
	}
	if status.State == "Suspended" {
		switch status.SuspendedBy {
		case "person":
			message = "by a person: `setpoint resume " + status.Name + "`"
		case "declaration":
			message = "by its declaration"
		}
		if status.Deleting && status.SuspendedBy != "" {
			message = "suspended " + message
		}
	}
	if message == "" {
		message = status.Reason
	}
	if status.Deleting {
		message = strings.TrimSuffix("being deleted: "+message, ": ")
	}
	return message
}

// hintOf is a Sync's hint, unless one of the problems shown with it gives the same.
func hintOf(status v1alpha1.SyncStatus, shown []v1alpha1.Problem) string {
	for _, problem := range shown {
		if problem.Hint == status.Hint {
			return ""
		}
	}
	return status.Hint
}

// lineOf says in one line how a Sync is doing.
func lineOf(status v1alpha1.SyncStatus) string {
	line := fmt.Sprintf("%s  %s  %s  %d/%d", status.Name, status.State, revisionOf(status), status.Objects.Healthy, status.Objects.Total)
	return strings.TrimSpace(line + "  " + messageOf(status))
}

// changeLine says in one line what differs: "apps/Deployment/shop/web /spec/replicas 5 → 2 by kubectl-edit 3m ago".
func changeLine(p *term.Printer, change v1alpha1.Change) string {
	return strings.TrimSpace(change.ID.String() + " " + difference(p, change))
}

// difference is changeLine without the object.
func difference(p *term.Printer, change v1alpha1.Change) string {
	line := ""
	switch {
	case len(change.Fields) > 0:
		field := change.Fields[0]
		line = fmt.Sprintf("%s %s → %s", field.Path, value(field.Old), value(field.New))
		if field.By != "" {
			line += " by " + field.By
		}
		if since := p.Since(field.When); since != "" {
			line += " " + since + " ago"
		}
		if more := len(change.Fields) - 1; more > 0 {
			line += fmt.Sprintf(", and %s", plural(more, "more field"))
		}
	case change.Op != "update" && change.Op != "none":
		line = change.Op
	}
	if change.Error != nil {
		line = strings.TrimSpace(line + ": " + change.Error.Message)
	}
	return line
}

// value shows one side of a difference in a line.
func value(json string) string {
	if json == "" {
		return "(absent)"
	}
	return term.Cut(term.Clean(json), 40)
}
