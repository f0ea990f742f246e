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
)

// targets is everything that one Sync can drive, behind one Target: an object's API group says which part it belongs to.
type targets struct {
	self, host, cluster part
	readers             readers
	parted              parted
}

var (
	_ target.Target = (*targets)(nil)
	_ target.Reader = (*targets)(nil)
)

// part is one system that a Sync drives.
type part struct {
	// connect gives the system at its first use; nil without error when there is none.
	connect func(ctx context.Context) (target.Target, error)
	// none says why there is none.
	none func() error
}

// targetOf gives the target of a Sync.
func (a *Agent) targetOf(to v1alpha1.ToKubernetes) *targets {
	return &targets{
		self:    part{connect: func(context.Context) (target.Target, error) { return a.registry, nil }},
		host:    a.hosts.part(to),
		cluster: a.clusters.part(to),
	}
}

func isSelf(id state.ID) bool { return id.Group == v1alpha1.Group }

func isHost(id state.ID) bool { return id.Group == v1alpha1.GroupHost }

func isOnCluster(id state.ID) bool { return !isSelf(id) && !isHost(id) }

// sharing is the part of a query or of steps that goes to one system.
type sharing struct {
	part
	belongs func(state.ID) bool
}

// sameSet says whether two sets are one: what is equal but declared elsewhere is another.
func sameSet(a, b state.Set) bool {
	x, y := a.Objects(), b.Objects()
	return len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
}

// parted remembers how a desired state was parted last: a Sync of thousands of objects is asked about single ones again and again. Safe
// for concurrent use.
type parted struct {
	mu   sync.Mutex
	of   state.Set
	sets []state.Set // in the order of the shares
}

func (p *parted) part(want state.Set, shares []sharing) []state.Set {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sets != nil && sameSet(p.of, want) {
		return p.sets
	}
	sets := make([]state.Set, len(shares))
	for i, share := range shares {
		sets[i] = want.Filter(func(object *state.Object) bool { return share.belongs(object.ID()) })
	}
	p.of, p.sets = want, sets
	return sets
}

// shares gives the parts in the order in which they are changed: apps of a host may take their configuration from a cluster, and children
// stand on all the others.
func (t *targets) shares() []sharing {
	return []sharing{{t.cluster, isOnCluster}, {t.host, isHost}, {t.self, isSelf}}
}

func (p part) open(ctx context.Context, needed bool) (target.Target, error) {
	if p.connect == nil {
		return nil, nil //nolint:nilnil // a system that is not there is no error unless it is needed
	}
	system, err := p.connect(ctx)
	if err == nil && system == nil && needed {
		err = p.none()
	}
	return system, err
}

// Compare implements target.Target. A system that cannot be asked leaves the others comparable, unless it is the only one.
func (t *targets) Compare(ctx context.Context, query target.Query) (diff.Report, error) {
	if query.Only == nil {
		t.readers.learn(query.Want)
	}
	var report diff.Report
	shares := t.shares()
	wants := t.parted.part(query.Want, shares)
	for i, share := range shares {
		mine := split(query, wants[i], share.belongs)
		if query.Only != nil && len(mine.Only) == 0 {
			continue
		}
		answer, err := share.compare(ctx, mine)
		switch {
		case err == nil:
			report.Entries = append(report.Entries, answer.Entries...)
			report.Unknown = append(report.Unknown, answer.Unknown...)
		case query.Only != nil || mine.Want.Len() == query.Want.Len():
			return diff.Report{}, err
		case mine.Want.Len() > 0:
			report.Unknown = append(report.Unknown, err)
		}
	}
	slices.SortFunc(report.Entries, func(x, y diff.Entry) int { return x.ID.Compare(y.ID) })
	t.readers.excuse(report.Entries)
	return report, nil
}

func (s sharing) compare(ctx context.Context, query target.Query) (diff.Report, error) {
	system, err := s.open(ctx, query.Want.Len() > 0)
	if err != nil || system == nil {
		return diff.Report{}, err
	}
	return system.Compare(ctx, query)
}

// split gives the part of a query that is about some objects.
func split(query target.Query, want state.Set, belongs func(state.ID) bool) target.Query {
	part := query
	part.Want = want
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

// Apply implements target.Target.
func (t *targets) Apply(ctx context.Context, owner state.Owner, steps []plan.Step, report func(target.Result)) error {
	var errs []error
	for _, share := range t.shares() {
		mine := slices.DeleteFunc(slices.Clone(steps), func(step plan.Step) bool { return !share.belongs(step.ID) })
		if len(mine) == 0 {
			continue
		}
		system, err := share.open(ctx, true)
		if err == nil {
			err = system.Apply(ctx, owner, mine, report)
		}
		errs = append(errs, err)
	}
	t.readers.tell(steps)
	return errors.Join(errs...)
}

// watchRetry is how long a watch waits before it tries again to connect.
const watchRetry = 5 * time.Second

// Watch implements target.Target.
func (t *targets) Watch(ctx context.Context, owner state.Owner, notify func(target.Event)) error {
	var all sync.WaitGroup
	defer all.Wait()
	notify = t.readers.listen(notify)
	for _, share := range t.shares() {
		all.Go(func() { share.watch(ctx, owner, notify) })
	}
	return nil
}

// watch follows one system for as long as ctx lasts, and tries again when it cannot.
func (s sharing) watch(ctx context.Context, owner state.Owner, notify func(target.Event)) {
	for ctx.Err() == nil {
		system, err := s.open(ctx, false)
		if err == nil && system != nil {
			err = system.Watch(ctx, owner, notify)
		}
		if err == nil && system == nil { // there is nothing to watch
			<-ctx.Done()
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchRetry):
		}
	}
}

// Owned implements target.Target.
func (t *targets) Owned(ctx context.Context, owner state.Owner) ([]state.ID, error) {
	var ids []state.ID
	var errs []error
	for _, share := range t.shares() {
		system, err := share.open(ctx, false)
		if err == nil && system != nil {
			var mine []state.ID
			mine, err = system.Owned(ctx, owner)
			ids = append(ids, mine...)
		}
		errs = append(errs, err)
	}
	slices.SortFunc(ids, state.ID.Compare)
	return ids, errors.Join(errs...)
}

// Read implements target.Reader, as far as the system that an object belongs to does.
func (t *targets) Read(ctx context.Context, id state.ID) (*state.Object, error) {
	for _, share := range t.shares() {
		if !share.belongs(id) {
			continue
		}
		system, err := share.open(ctx, false)
		if err != nil {
			return nil, err
		}
		if reader, can := system.(target.Reader); can {
			return reader.Read(ctx, id)
		}
	}
	return nil, nil //nolint:nilnil // a system that has no content to show
}

// observer is a target that can tell of an object that is not its own.
type observer interface {
	Health(ctx context.Context, id state.ID) (state.Health, error)
	// Data gives what a ConfigMap or a Secret holds.
	Data(ctx context.Context, id state.ID) (map[string]string, error)
}

// observing gives what can be asked about objects of others.
func (t *targets) observing(ctx context.Context, id state.ID) (observer, error) {
	share := t.cluster
	if isHost(id) {
		share = t.host
	}
	system, err := share.open(ctx, true)
	if err != nil {
		return nil, err
	}
	if o, ok := system.(observer); ok {
		return o, nil
	}
	return nil, fault.New(fault.Internal, "look at", id.String(), "this target cannot be asked about objects of others")
}

// Health gives the health of an object that belongs to no Sync of this agent.
func (t *targets) Health(ctx context.Context, id state.ID) (state.Health, error) {
	asked, err := t.observing(ctx, id)
	if err != nil {
		return state.Health{}, err
	}
	return asked.Health(ctx, id)
}
