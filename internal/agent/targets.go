package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
)

// hostGroup is the API group of objects for a Linux host.
const hostGroup = "host.setpoint.dev"

// targets is everything that one Sync can drive, behind one Target: an object's API group says where it goes.
type targets struct {
	self target.Target
	// cluster connects to the Sync's cluster at the first use. It gives nil when no cluster is configured at all.
	cluster func(ctx context.Context) (target.Target, error)
}

var _ target.Target = (*targets)(nil)

// targetOf gives the target of a Sync.
func (a *Agent) targetOf(to v1alpha1.ToKubernetes) target.Target {
	return &targets{
		self:    a.registry,
		cluster: func(ctx context.Context) (target.Target, error) { return a.clusters.target(ctx, to) },
	}
}

func isSelf(id state.ID) bool { return id.Group == v1alpha1.Group }

// Compare implements target.Target. A target that cannot be asked leaves the others comparable, unless it is the only one.
func (t *targets) Compare(ctx context.Context, query target.Query) (diff.Report, error) {
	mine, theirs := split(query, isSelf), split(query, func(id state.ID) bool { return !isSelf(id) })
	report, err := t.self.Compare(ctx, mine)
	if err != nil || (query.Only != nil && len(theirs.Only) == 0) {
		return report, err
	}
	theirs, refused := withoutHost(theirs)
	report.Entries = append(report.Entries, refused...)
	cluster, err := t.cluster(ctx)
	if err == nil && cluster == nil && theirs.Want.Len() > 0 {
		err = noCluster()
	}
	if err == nil && cluster != nil {
		var more diff.Report
		more, err = cluster.Compare(ctx, theirs)
		report.Entries = append(report.Entries, more.Entries...)
	}
	if err != nil {
		if mine.Want.Len() == 0 || query.Only != nil {
			return diff.Report{}, err
		}
		if theirs.Want.Len() > 0 {
			report.Unknown = append(report.Unknown, err)
		}
	}
	slices.SortFunc(report.Entries, func(x, y diff.Entry) int { return x.ID.Compare(y.ID) })
	return report, nil
}

// split gives the part of a query that is about some objects.
func split(query target.Query, belongs func(state.ID) bool) target.Query {
	part := query
	part.Want = query.Want.Filter(func(object *state.Object) bool { return belongs(object.ID()) })
	if query.Only != nil {
		part.Only = []state.ID{}
		for _, id := range query.Only {
			if belongs(id) {
				part.Only = append(part.Only, id)
			}
		}
	}
	return part
}

// withoutHost refuses objects for which this binary has no driver, each by itself.
func withoutHost(query target.Query) (target.Query, []diff.Entry) {
	var refused []diff.Entry
	query.Want = query.Want.Filter(func(object *state.Object) bool {
		id := object.ID()
		if id.Group != hostGroup {
			return true
		}
		if query.Only == nil || slices.Contains(query.Only, id) {
			refused = append(refused, diff.Entry{ID: id, Op: diff.Create, Want: object, Health: state.Health{Status: state.Missing},
				Err: fault.New(fault.Invalid, "drive", id.String(), "this version has no driver for the group "+hostGroup)})
		}
		return false
	})
	return query, refused
}

func noCluster() error {
	return fault.New(fault.NotFound, "find", "a Kubernetes cluster", "no kubeconfig, and not in a cluster").
		WithHint("set KUBECONFIG or --kubeconfig, or spec.to.kubernetes of the Sync")
}

// Apply implements target.Target.
func (t *targets) Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	var mine, theirs []plan.Step
	for _, step := range steps {
		if isSelf(step.ID) {
			mine = append(mine, step)
		} else {
			theirs = append(theirs, step)
		}
	}
	var errs []error
	if len(theirs) > 0 {
		cluster, err := t.cluster(ctx)
		if err == nil && cluster == nil {
			err = noCluster()
		}
		if err == nil {
			err = cluster.Apply(ctx, owner, theirs, report)
		}
		errs = append(errs, err)
	}
	if len(mine) > 0 {
		errs = append(errs, t.self.Apply(ctx, owner, mine, report))
	}
	return errors.Join(errs...)
}

// clusterRetry is how long a watch waits before it tries again to connect.
const clusterRetry = 5 * time.Second

// Watch implements target.Target.
func (t *targets) Watch(ctx context.Context, owner state.Owner, notify func(target.Event)) error {
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() { _ = t.self.Watch(ctx, owner, notify) }) // ends with ctx only
	for ctx.Err() == nil {
		cluster, err := t.cluster(ctx)
		if err == nil && cluster != nil {
			err = cluster.Watch(ctx, owner, notify)
		}
		if err == nil && cluster == nil { // none is configured: there is nothing to watch
			<-ctx.Done()
		}
		select {
		case <-ctx.Done():
		case <-time.After(clusterRetry):
		}
	}
	return nil
}

// Owned implements target.Target.
func (t *targets) Owned(ctx context.Context, owner state.Owner) ([]state.ID, error) {
	ids, err := t.self.Owned(ctx, owner)
	if err != nil {
		return nil, err
	}
	cluster, err := t.cluster(ctx)
	if err != nil || cluster == nil {
		return ids, err
	}
	more, err := cluster.Owned(ctx, owner)
	ids = append(ids, more...)
	slices.SortFunc(ids, state.ID.Compare)
	return ids, err
}

// Health gives the health of an object that belongs to no Sync of this agent.
func (t *targets) Health(ctx context.Context, id state.ID) (state.Health, error) {
	cluster, err := t.cluster(ctx)
	if err != nil {
		return state.Health{}, err
	}
	if cluster == nil {
		return state.Health{}, noCluster()
	}
	if o, ok := cluster.(observer); ok {
		return o.Health(ctx, id)
	}
	return state.Health{}, fault.New(fault.Internal, "look at", id.String(), "this target cannot be asked about objects of others")
}

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

// target connects when that has not been done, and gives the cluster as one identity; nil without error when the agent's own
// cluster is asked for and nothing says which one that is. A failure is remembered for a moment, so that a thousand Syncs do not
// each wait for the same time-out.
func (c *clusters) target(ctx context.Context, to v1alpha1.ToKubernetes) (target.Target, error) {
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
