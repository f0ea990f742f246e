// Package store says what the agent needs to remember; sub-packages are the databases. What is lost with the store is history
// and what people asked for (suspensions), never ownership: that lives in the targets.
package store

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Store keeps attempts and small records. Safe for concurrent use. A write that returned is still there after the process is
// killed at any instant. Errors are faults: NotFound, Transient (locked, disk full), Internal.
type Store interface {
	// PutAttempt inserts an attempt, or replaces the one with its ID. In the same transaction it removes the attempts that
	// this one stands for from now on (see v1alpha1.Attempt.Repeats), by their IDs.
	PutAttempt(ctx context.Context, attempt v1alpha1.Attempt, standsFor ...string) error
	// Attempts gives attempts, the newest first.
	Attempts(ctx context.Context, query AttemptQuery) ([]v1alpha1.Attempt, error)
	// DropAttempts removes finished attempts that started before a time, but keeps the newest keep of each Sync; it gives the
	// number removed.
	DropAttempts(ctx context.Context, before time.Time, keep int) (int, error)
	// Put writes a record; an equal value costs no write.
	Put(ctx context.Context, bucket Bucket, key string, value []byte) error
	// Get reads a record; a missing one is a fault of kind NotFound.
	Get(ctx context.Context, bucket Bucket, key string) ([]byte, error)
	// List reads all records of a bucket.
	List(ctx context.Context, bucket Bucket) (map[string][]byte, error)
	// Delete removes a record; a missing one is no error.
	Delete(ctx context.Context, bucket Bucket, key string) error
	// Close ends the store's use.
	Close() error
}

// Bucket is a kind of record.
type Bucket string

// The buckets.
const (
	// Declared holds child Syncs and Sources by name: the inventory of the agent as a target.
	Declared Bucket = "declared"
	// Status holds the last v1alpha1.SyncStatus of every Sync by name.
	Status Bucket = "status"
	// Override holds what people asked for by Sync name: suspensions, approvals, overridden windows.
	Override Bucket = "override"
	// Deviation holds the deviation over time of every Sync by name.
	Deviation Bucket = "deviation"
	// Desired holds desired states that were healthy, by Sync name and digest, for going back to them.
	Desired Bucket = "desired"
	// Made holds random values that charts have made, by Sync name, encrypted.
	Made Bucket = "made"
)

// DefaultLimit is the number of attempts that a query without a limit gives at most.
const DefaultLimit = 100

// AttemptQuery selects attempts. The zero value asks for the newest DefaultLimit of all Syncs.
type AttemptQuery struct {
	Sync   string    // "" for all
	Before string    // attempts with a smaller ID, for paging; "" for the newest
	Since  time.Time // started at or after
	Limit  int       // default DefaultLimit
	// Running asks only for attempts that have not finished.
	Running bool
}
