// Package target says what a system that can be driven towards a desired state has to offer. Its sub-packages are the
// systems: kube, host, self, inmem; targettest is the conformance suite that each of them passes.
package target

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// A Target is a system that can be driven towards a desired state. Every method is idempotent, and safe for concurrent use.
// Errors are faults (package fault); a method error means that nothing is known, errors of single objects are in the entries
// and results.
type Target interface {
	// Compare says what differs between want and the target, and how every object is doing; it changes nothing. Objects that
	// could not be applied as they are (schema, permission, admission, owner) carry their error: all of them, not the first.
	// Comparing what was compared before and has not changed since must be cheap: no request.
	Compare(ctx context.Context, query Query) (diff.Report, error)
	// Apply carries out steps of one stage, in parallel where it can, and reports each as it finishes, from any goroutine but
	// never two at once. It does not wait for health.
	Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(Result)) error
	// Watch tells when something about the owner's objects may have changed: drift, disappearance, health. It blocks until ctx
	// ends, and then gives nil. An event says only "look again": doubling one changes nothing. The first event, without IDs, says
	// that the watch has begun; another one without IDs says that something may have been missed.
	Watch(ctx context.Context, owner state.Owner, notify func(Event)) error
	// Owned reads the owner's inventory from the target itself.
	Owned(ctx context.Context, owner state.Owner) ([]state.ID, error)
}

// Query asks for a comparison.
type Query struct {
	Owner state.Owner
	Want  state.Set // the whole desired state of the owner on this target
	// Only limits the answer to these objects (wanted or owned); nil asks for all of them and for what is owned but not wanted.
	Only []state.ID
	// Ignore are the fields left to others.
	Ignore []diff.Ignore
	// Exact asks the target itself about every change (Kubernetes: server-side dry-run) even where its schema would do. For
	// previews and approvals.
	Exact bool
	// Assess, when set, is asked first how an object is doing; false leaves it to the target. The content is read lazily, because most
	// objects are not asked about. It is called from any goroutine and must be pure.
	Assess func(id state.ID, content func() map[string]any) (state.Health, bool)
}

// Reader is a target whose objects can be read as they are, for rules that look at what a change replaces.
type Reader interface {
	// Read gives the actual object, nil without error when it is not there, or when the target has no content for it (an App).
	// Secret values are in it: it is for deciding, and never shown.
	Read(ctx context.Context, id state.ID) (*state.Object, error)
}

// Result is the outcome of one step.
type Result struct {
	ID      state.ID
	Op      diff.Op
	Changed bool // false when the target found nothing to change
	Adopted bool // it existed and belonged to nobody
	// TookOver are the writers whose fields were taken, with the fields, as "kubectl-edit: /spec/replicas".
	TookOver []string
	Health   state.Health
	Err      error
	Duration time.Duration
}

// Event says that some objects should be looked at again; no IDs means all of them.
type Event struct {
	IDs []state.ID
}
