package render

import (
	"errors"
	"fmt"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Found is one object that a renderer made.
type Found struct {
	Object *state.Object
	// Line gives the line of a field; nil when nobody knows.
	Line v1alpha1.Lines
	// Quoted says whether a field's text was written in quotes or as a block, and so is a text whatever it looks like; nil when nobody
	// knows.
	Quoted func(pointer string) bool
}

// Gather completes a result by what a renderer found, which is the same for every format: Setpoint's own kinds are decoded
// strictly while the lines of their fields are known, and an ID that is declared twice is an error that names both places.
func (r *Result) Gather(found []Found, errs []error) error {
	objects := make([]*state.Object, len(found))
	for i, one := range found {
		objects[i] = one.Object
		r.refuse(one.Object, v1alpha1.Check(one.Object, one.Line))
		r.refuse(one.Object, atOrigin(one.Object, encrypted(one.Object)))
	}
	set, duplicates := state.NewSet(objects)
	for _, twice := range duplicates {
		cause := fmt.Sprintf("declared twice, at %s and at %s", twice.First, twice.Second)
		errs = append(errs, fault.New(fault.Invalid, "render", twice.ID.String(), cause).
			WithHint("remove one of them, or give it another name or namespace"))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.Objects = set
	return nil
}

// refuse takes note of an error of one object, which must not quote what is secret in it.
func (r *Result) refuse(object *state.Object, err error) {
	if err == nil {
		return
	}
	err = diff.ScrubberOf(object).Error(err)
	if r.Wrong == nil {
		r.Wrong = map[state.ID]error{}
	}
	r.Wrong[object.ID()] = errors.Join(r.Wrong[object.ID()], err)
}

// Err joins what is wrong with single objects, in the order of their IDs, for whoever needs all of them to be right.
func (r *Result) Err() error {
	var errs []error
	for object := range r.Objects.All() {
		errs = append(errs, r.Wrong[object.ID()])
	}
	return errors.Join(errs...)
}
