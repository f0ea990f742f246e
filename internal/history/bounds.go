package history

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// What is kept of one attempt is bounded, because it comes from outside: a rejected ConfigMap may bring a megabyte into an
// error's message, and a field's old value another.
const (
	maxFields   = 50
	maxProblems = 100
	maxText     = 4 << 10 // bytes of a message
	maxValue    = 1 << 10 // bytes of a field's value
)

// bounded gives a copy of an attempt with at most MaxChanges changes, those with an error before the others, and with texts of
// bearable length. The copy shares nothing that the caller may still change.
func (h *History) bounded(a v1alpha1.Attempt) v1alpha1.Attempt {
	changes := a.Changes
	if len(changes) > h.options.MaxChanges {
		changes = slices.Clone(changes)
		slices.SortStableFunc(changes, func(a, b v1alpha1.Change) int { return rankOf(a) - rankOf(b) })
		a.Omitted += len(changes) - h.options.MaxChanges
		changes = changes[:h.options.MaxChanges]
	}
	a.Changes = make([]v1alpha1.Change, 0, len(changes))
	for _, change := range changes {
		a.Changes = append(a.Changes, boundedChange(change))
	}
	problems := a.Problems[:min(len(a.Problems), maxProblems)]
	a.Problems = make([]v1alpha1.Problem, 0, len(problems))
	for _, problem := range problems {
		problem.Message = clip(problem.Message, maxText)
		a.Problems = append(a.Problems, problem)
	}
	a.Message, a.Revision.Message = clip(a.Message, maxText), clip(a.Revision.Message, maxText)
	a.Durations = maps.Clone(a.Durations)
	return a
}

func rankOf(change v1alpha1.Change) int {
	if change.Error != nil {
		return 0
	}
	return 1
}

func boundedChange(change v1alpha1.Change) v1alpha1.Change {
	change.Fields = slices.Clone(change.Fields[:min(len(change.Fields), maxFields)])
	for i := range change.Fields {
		field := &change.Fields[i]
		field.Old, field.New = clip(field.Old, maxValue), clip(field.New, maxValue)
	}
	change.TookOver = slices.Clone(change.TookOver)
	if change.Error != nil {
		problem := *change.Error
		problem.Message = clip(problem.Message, maxText)
		change.Error = &problem
	}
	return change
}

// clip cuts a text to size bytes at a character's border, and says so with an ellipsis.
func clip(text string, size int) string {
	if len(text) <= size {
		return text
	}
	end := size
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.Clone(text[:end]) + "…"
}
