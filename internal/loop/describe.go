package loop

import (
	"fmt"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// describe names the worst of some objects with its reason, and counts the rest.
func describe(entries []diff.Entry) string {
	if len(entries) == 0 {
		return "nothing"
	}
	worst := entries[0]
	for _, entry := range entries[1:] {
		if entry.Health.Worse(worst.Health) {
			worst = entry
		}
	}
	text := worst.ID.String()
	switch {
	case worst.Health.Message != "":
		text += " (" + worst.Health.Message + ")"
	case worst.Health.Reason != "":
		text += " (" + worst.Health.Reason + ")"
	}
	if len(entries) > 1 {
		text += fmt.Sprintf(" and %d more", len(entries)-1)
	}
	return text
}

// describeSteps names a single step's object, and counts several by what is to be done.
func describeSteps(steps []plan.Step) string {
	counts := map[diff.Op]int{}
	for _, step := range steps {
		counts[step.Op]++
	}
	if len(steps) == 1 {
		return steps[0].ID.String()
	}
	var parts []string
	for _, op := range []diff.Op{diff.Create, diff.Update, diff.Replace, diff.Delete} {
		if counts[op] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[op], op))
		}
	}
	return fmt.Sprintf("%d objects: %s", len(steps), strings.Join(parts, ", "))
}

func worstOf(entries []diff.Entry) diff.Entry {
	var worst diff.Entry
	for _, entry := range entries {
		if entry.Health.Worse(worst.Health) {
			worst = entry
		}
	}
	return worst
}

func errorsOf(entries []diff.Entry) []error {
	var errs []error
	for _, entry := range entries {
		errs = append(errs, located(entry.Want, entry.Err)...)
	}
	return errs
}

// located gives the errors of an object with the place of its declaration in front, because that is where they are put right.
// What may go away by itself is not a matter of the declaration.
func located(want *state.Object, err error) []error {
	errs := fault.Flatten(err)
	for i, err := range errs {
		known := want == nil || want.Origin().File == "" || strings.Contains(err.Error(), want.Origin().File)
		if !known && fault.KindOf(err) != fault.Transient {
			errs[i] = &fault.Error{Op: want.Origin().String(), Err: err}
		}
	}
	return errs
}

// commonKind gives the kind that all errors share, or "".
func commonKind(errs []error) fault.Kind {
	kind := fault.KindOf(errs[0])
	for _, err := range errs[1:] {
		if fault.KindOf(err) != kind {
			return ""
		}
	}
	return kind
}

// earliest gives the earlier of two instants, where zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func orElse[T ~string](first, second T) T {
	if first != "" {
		return first
	}
	return second
}
