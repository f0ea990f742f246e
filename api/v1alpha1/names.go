package v1alpha1

import "github.com/setpoint-dev/setpoint/internal/state"

// The values that wire types are made of, under names that other modules can use.
type (
	// ObjectID is an object's identity.
	ObjectID = state.ID
	// Revision is one immutable state of a source.
	Revision = state.Revision
	// Health is an object's health with its reason.
	Health = state.Health
)

// IsName says whether a text can name a Sync, a Source or a namespace: a DNS label of RFC 1123.
func IsName(text string) bool { return formName.MatchString(text) }
