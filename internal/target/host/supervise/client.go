package supervise

import (
	"context"
	"time"
)

// Supervisor is what the agent asks of a supervisor. *Client is the real one; tests of what decides bring their own. Safe for concurrent
// use. Every method is idempotent.
type Supervisor interface {
	// Start starts a process. That it cannot be started is not an error of Start: its status is Exited, with the error.
	Start(ctx context.Context, process Process) error
	// Stop takes a process out of the balance, waits for at most drain until nothing of it is under way, sends SIGTERM to its group, and
	// SIGKILL after the grace that it was started with. It returns at once; see Status.Phase.
	Stop(ctx context.Context, id ProcessID, drain time.Duration) error
	// Forget drops the records of processes that have exited.
	Forget(ctx context.Context, ids ...ProcessID) error
	// SetApp makes an app's address and backends so. Changing backends loses no request.
	SetApp(ctx context.Context, app App) error
	// RemoveApp ends listening on the app's address.
	RemoveApp(ctx context.Context, name string) error
	// State gives all that is known; with after > 0 it waits until the version is greater, for at most half a minute.
	State(ctx context.Context, after uint64) (State, error)
}
