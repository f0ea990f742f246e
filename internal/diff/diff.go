// Package diff finds and describes the difference between desired and actual state. It is pure: no network, no clock.
package diff

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Op is what would make an object equal to what is declared.
type Op string

// The operations.
const (
	None    Op = "none"    // equal already
	Create  Op = "create"  // it is not there
	Update  Op = "update"  // some of its fields differ
	Replace Op = "replace" // a field that differs cannot be changed in place: delete, then create
	Delete  Op = "delete"  // it is owned, but no longer declared
)

// Field is one field that differs. Values are JSON, redacted where they are secret; "" is absent.
type Field struct {
	Path string // JSON pointer, RFC 6901
	Old  string // actual
	New  string // desired
	By   string // who set the actual value, where the target tells: a field manager, a process
	When time.Time
}

// Entry is the comparison of one object.
type Entry struct {
	ID     state.ID
	Op     Op
	Fields []Field
	Health state.Health
	// Want is the desired object; nil for Delete.
	Want *state.Object
	// Err says why Op cannot be carried out (a fault of kind Invalid, Denied, Conflict or NotFound); nil when it can.
	Err error
	// Terminating says that deletion has been asked for and is not finished; Health tells what it waits for.
	Terminating bool
	// Keep says that the object must not be deleted though Op is Delete (setpoint.dev/prune: disabled on the actual object).
	Keep bool
	// Wave of an object to be deleted, as the annotation on the actual object says.
	Wave int
	// Drift policy of the object itself ("correct", "report", "ignore"); "" for the Sync's.
	Drift string
	// Lost says that the object was there before, owned, and has disappeared or lost its ownership mark: only a
	// disturbance explains a Create or Update with Lost.
	Lost bool
	// Holds says, for Op Delete and Replace, what of others would go with the object: "12 objects of others, such as Secret/db/x".
	// Empty when nothing does.
	Holds string
}

// Report is the comparison of a Sync's objects on their targets.
type Report struct {
	Entries []Entry // in the order of their IDs
	// Unknown are the targets that could not be compared, when others could: nothing is known about their objects.
	Unknown []error
}

// Ignore names fields that are left to other writers.
type Ignore struct {
	ID     state.ID // empty parts match everything
	Fields []string // JSON pointers
}

// Matches says whether the rule speaks of an object.
func (r Ignore) Matches(id state.ID) bool {
	match := func(want, have string) bool { return want == "" || want == have }
	return match(r.ID.Group, id.Group) && match(r.ID.Kind, id.Kind) &&
		match(r.ID.Namespace, id.Namespace) && match(r.ID.Name, id.Name)
}
