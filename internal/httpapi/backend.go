// Package httpapi serves the agent's HTTP API: JSON under /api/v1alpha1, server-sent events, health, metrics, OpenAPI.
package httpapi

import (
	"context"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// Backend is what the API shows and asks: the agent. Safe for concurrent use. A Sync that is not there is a fault of kind
// NotFound.
type Backend interface {
	// Syncs gives the status of every Sync, in the order of their names.
	Syncs() []v1alpha1.SyncStatus
	// Sync gives one with its objects.
	Sync(name string) (v1alpha1.SyncDetail, error)
	// Attempts reads the history, the newest first.
	Attempts(ctx context.Context, query store.AttemptQuery) ([]v1alpha1.Attempt, error)
	// Follow gives the events after an ID (0: only new ones; 1: all that are kept, so IDs begin above 1), until ctx ends; the
	// channel is closed when the follower is too slow or the agent stops.
	Follow(ctx context.Context, after uint64) <-chan v1alpha1.Event
	// Request asks a Sync to look at its source and its target now.
	Request(name string) error
	// Refresh asks the source that a Sync follows to look for a new revision now, and nothing else.
	Refresh(name string) error
	// Suspend stops a Sync, or lets it go on; it is remembered across restarts.
	Suspend(ctx context.Context, name string, on bool) error
	// Diff says what a revision (any that the source knows; "" for the newest) would change, asking the target itself. When guards hold
	// that revision back, the changes are those of the plan that they hold, which it gives too.
	Diff(ctx context.Context, name, revision string) (v1alpha1.Diff, error)
	// Rendered gives the objects that a Sync wants now, as JSON, secret values redacted.
	Rendered(name string) ([]byte, error)
	AppBackend
	ControlBackend
	// Ready says why the agent is not ready yet, or nil: it has read its root and compared it once.
	Ready() error
}
