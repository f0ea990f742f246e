package host

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// SupervisorDir gives the directory of the supervisor, in that of a host (Config.Dir).
func SupervisorDir(dir string) string { return filepath.Join(dir, "supervise") }

// connection is the one to the supervisor, made when it is needed first. The client connects again by itself. Safe for concurrent use.
type connection struct {
	options supervise.ConnectOptions

	mu     sync.Mutex
	client *supervise.Client
	closed bool
}

func connecting(cfg Config) *connection {
	dir := SupervisorDir(cfg.Dir)
	options := supervise.ConnectOptions{Dir: dir, Version: cfg.Version, StartNever: cfg.ReadOnly, Log: cfg.Log}
	if cfg.Program != "" {
		options.Command = []string{cfg.Program, "supervise", "--dir", dir}
	}
	return &connection{options: options}
}

// oneOff gives what a command in an app runs with. The supervisor has it while a release of the app is active.
func (c *connection) oneOff(ctx context.Context, app string) (supervise.Launch, error) {
	if _, err := c.get(ctx); err != nil {
		return supervise.Launch{}, err
	}
	c.mu.Lock()
	client := c.client
	c.mu.Unlock()
	launch, _, err := client.OneOff(ctx, app)
	return launch, err
}

// get connects, and starts a supervisor when none runs and the host may be changed.
func (c *connection) get(ctx context.Context) (supervise.Supervisor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, fault.New(fault.Transient, "connect to", "the supervisor", "the host is closed")
	case c.client != nil:
		return c.client, nil
	}
	client, err := supervise.Connect(ctx, c.options)
	if err != nil {
		return nil, err // and not a *supervise.Client that is nil
	}
	c.client = client
	return client, nil
}

// Close ends the connection. The supervisor goes on.
func (c *connection) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.client == nil {
		return nil
	}
	return c.client.Close()
}
