// Package plan turns a difference into ordered steps. It is pure: no network, no clock.
package plan

import (
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Step is one operation on one object.
type Step struct {
	ID   state.ID
	Op   diff.Op
	Want *state.Object // nil for Delete
	// Ignore are the fields left to others, for this object.
	Ignore []diff.Ignore
	// Fields are what differs, for the record.
	Fields []diff.Field
}
