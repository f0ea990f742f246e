package agent

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/host"
)

// thisHost is the host that the agent runs on, as a target. Safe for concurrent use.
type thisHost struct {
	cfg host.Config

	mu    sync.Mutex
	open  *host.Host
	err   error
	tried time.Time
}

// hostPause is how long a host that could not be opened is not tried again.
const hostPause = 2 * time.Second

// hostDir is where a host's journal, releases and supervisor are kept in a data directory.
func hostDir(data string) string { return filepath.Join(data, "host") }

// openHost says how this host is to be opened; that happens at its first use.
func (a *Agent) openHost(secretKey []byte) *thisHost {
	cfg := a.cfg.hostConfig(secretKey)
	cfg.Builds, cfg.Lookup, cfg.AppLogs = a.builds.Open, a.lookUp, a.cfg.AppLogs
	return &thisHost{cfg: cfg}
}

// lookUp reads a ConfigMap or a Secret of the cluster that a Sync drives.
func (a *Agent) lookUp(ctx context.Context, owner state.Owner, id state.ID) (map[string]string, error) {
	a.mu.Lock()
	m := a.members[owner.Sync]
	a.mu.Unlock()
	if m == nil {
		return nil, fault.New(fault.Transient, "read", id.String(), "its Sync is not there")
	}
	asked, err := m.target.observing(ctx, id)
	if err != nil {
		return nil, err
	}
	return asked.Data(ctx, id)
}

// hostConfig is what a host is opened with, as far as the configuration says it.
func (c Config) hostConfig(secretKey []byte) host.Config {
	program := c.Program
	if program == "" {
		program, _ = os.Executable() // without one no app can be started, which its error says
	}
	return host.Config{
		Dir: hostDir(c.Data), Root: c.HostRoot, Agent: c.Name, SecretKey: secretKey, Program: program, Version: c.Version,
		Log: c.Log,
	}
}

// part is this host for a Sync. One that is confined to a service account of a cluster cannot reach it: it would have the agent's rights.
func (h *thisHost) part(to v1alpha1.ToKubernetes) part {
	if to.ServiceAccount != "" {
		return part{connect: func(context.Context) (target.Target, error) { return confined{to.ServiceAccount}, nil }}
	}
	return part{connect: func(ctx context.Context) (target.Target, error) {
		opened, err := h.get(ctx)
		if err != nil {
			return nil, err
		}
		return opened, nil
	}}
}

// get opens the host when that has not been done. A failure is remembered for a moment.
func (h *thisHost) get(ctx context.Context) (*host.Host, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil && (h.err == nil || time.Since(h.tried) >= hostPause) {
		h.open, h.err = host.Open(ctx, h.cfg)
		h.tried = time.Now()
	}
	return h.open, h.err
}

func (h *thisHost) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		return nil
	}
	return h.open.Close()
}
