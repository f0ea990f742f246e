// Package host is this Linux host as a target: files, directories, links, apps and commands, in the API group host.setpoint.dev.
package host

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
)

// driver drives the objects of some kinds; packages files, apps and commands each have one. The host has made sure already that a Sync
// sees only what it owns or nobody does, and leaves to the driver everything that is about the content. Safe for concurrent use, but
// never called twice at once for the same object.
type driver interface {
	// Compare gives the entry of a wanted object. The record is the zero value when nothing was ever done about it.
	Compare(ctx context.Context, owner state.Owner, want *state.Object, record journal.Record) diff.Entry
	// Owned gives the entry of an object that is owned and not wanted any more: Delete, with its health.
	Owned(ctx context.Context, record journal.Record) diff.Entry
	// Apply carries out a step, and writes the journal: before it touches anything, and after. A deleted object's record is removed.
	Apply(ctx context.Context, owner state.Owner, step plan.Step) target.Result
	// Watch tells of every object that may have changed, until ctx ends; all, when something may have been missed: so it begins with
	// all, as soon as it hears. One call at a time.
	Watch(ctx context.Context, changed func(all bool, ids ...state.ID)) error
	// Close gives back what the driver holds.
	Close() error
}
