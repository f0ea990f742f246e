package render

import (
	"errors"
	"fmt"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Found is one object that a renderer made.
type Found struct {
	Object *state.Object
	// Line gives the line of a field; nil when nobody knows.
	Line v1alpha1.Lines
}

// Gather makes a set of what a renderer found, which is the same for every format: Setpoint's own kinds are decoded strictly
// while the lines of their fields are known, and an ID that is declared twice is an error that names both places.
func Gather(found []Found, errs []error) (state.Set, error) {
	objects := make([]*state.Object, len(found))
	for i, one := range found {
		objects[i] = one.Object
		if err := v1alpha1.Check(one.Object, one.Line); err != nil {
			errs = append(errs, err)
		}
	}
	set, duplicates := state.NewSet(objects)
	for _, twice := range duplicates {
		cause := fmt.Sprintf("declared twice, at %s and at %s", twice.First, twice.Second)
		errs = append(errs, fault.New(fault.Invalid, "render", twice.ID.String(), cause).
			WithHint("remove one of them, or give it another name or namespace"))
	}
	if err := errors.Join(errs...); err != nil {
		return state.Set{}, err
	}
	return set, nil
}
