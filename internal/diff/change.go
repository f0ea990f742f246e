package diff

import (
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Change gives an entry in the form that is shown, sent and kept, with at most maxFields fields (0: 50).
func Change(entry Entry, cause string, maxFields int) v1alpha1.Change {
	if maxFields <= 0 {
		maxFields = 50
	}
	change := v1alpha1.Change{ID: entry.ID, Op: string(entry.Op), Cause: cause, Error: problem(entry.Err)}
	if entry.Want != nil {
		change.Origin = entry.Want.Origin().String()
	}
	for _, field := range entry.Fields[:min(len(entry.Fields), maxFields)] {
		change.Fields = append(change.Fields, v1alpha1.Field(field))
	}
	return change
}

// problem puts all parts of an error into one line.
func problem(err error) *v1alpha1.Problem {
	if err == nil {
		return nil
	}
	parts := fault.Flatten(err)
	lines := make([]string, len(parts))
	for i, part := range parts {
		lines[i] = part.Error()
	}
	return &v1alpha1.Problem{Kind: string(fault.KindOf(err)), Message: strings.Join(lines, "; "), Hint: fault.HintOf(err)}
}
