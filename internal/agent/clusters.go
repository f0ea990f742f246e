package agent

import (
	"context"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
)

// clusters holds one connection to each cluster in use. Safe for concurrent use.
type clusters struct {
	cfg       Config
	secretKey []byte

	mu   sync.Mutex
	open map[string]*connection
}

// connection is a cluster, or the last reason why there is none.
type connection struct {
	mu      sync.Mutex
	cluster *kube.Cluster
	err     error
	tried   time.Time
}

func newClusters(cfg Config) *clusters {
	return &clusters{cfg: cfg, open: map[string]*connection{}}
}

// part is the cluster of a Sync.
func (c *clusters) part(to v1alpha1.ToKubernetes) part {
	return part{connect: func(ctx context.Context) (target.Target, error) { return c.target(ctx, to) }, none: noCluster}
}

func noCluster() error {
	return fault.New(fault.NotFound, "find", "a Kubernetes cluster", "no kubeconfig, and not in a cluster").
		WithHint("set KUBECONFIG or --kubeconfig, or spec.to.kubernetes of the Sync")
}

// target connects when that has not been done, and gives the cluster as one identity; nil without error when the agent's own
// cluster is asked for and nothing says which one that is. A failure is remembered for a moment, so that a thousand Syncs do not
// each wait for the same time-out.
func (c *clusters) target(ctx context.Context, to v1alpha1.ToKubernetes) (target.Target, error) {
	if c.cfg.NoCluster && to.Kubeconfig == "" && to.Context == "" {
		return nil, nil //nolint:nilnil // as meant
	}
	c.mu.Lock()
	key := to.Kubeconfig + "\x00" + to.Context
	conn := c.open[key]
	if conn == nil {
		conn = &connection{}
		c.open[key] = conn
	}
	c.mu.Unlock()
	cluster, err := conn.connect(ctx, kube.Config{
		Kubeconfig: to.Kubeconfig, Context: to.Context, AgentName: c.cfg.Name, Version: c.cfg.Version,
		SecretKey: c.secretKey, Log: c.cfg.Log,
	})
	if err != nil {
		if fault.KindOf(err) == fault.NotFound && to.Kubeconfig == "" && to.Context == "" {
			return nil, nil //nolint:nilnil // a host without Kubernetes is no error
		}
		return nil, err
	}
	t, err := cluster.As(to.ServiceAccount, to.Namespace)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// connectPause is how long a failed connection is not tried again.
const connectPause = 2 * time.Second

func (c *connection) connect(ctx context.Context, cfg kube.Config) (*kube.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cluster != nil {
		return c.cluster, nil
	}
	if c.err != nil && time.Since(c.tried) < connectPause {
		return nil, c.err
	}
	c.cluster, c.err = kube.Open(ctx, cfg)
	c.tried = time.Now()
	if ctx.Err() != nil {
		c.err, c.tried = ctx.Err(), time.Time{} // the caller gave up, which says nothing about the cluster
	}
	return c.cluster, c.err
}

// close ends every connection.
func (c *clusters) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.mu.Lock()
		if conn.cluster != nil {
			conn.cluster.Close()
		}
		conn.mu.Unlock()
	}
}
