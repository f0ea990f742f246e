package kube

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// comparison is one call of Compare.
type comparison struct {
	*Target
	owner  *owner
	query  target.Query
	scope  *scope
	failed map[schema.GroupVersionResource]error // resources that cannot be watched
}

// Compare implements target.Target. It answers from the shared watches: the first comparison of a kind waits until its watch is
// filled, and requests are made only for objects that differ, to find out whether the change would be accepted. Errors: those
// of the whole cluster, when nothing is known (Transient, Denied).
func (t *Target) Compare(ctx context.Context, query target.Query) (diff.Report, error) {
	o := t.cluster.owners.get(query.Owner)
	s, err := t.scopeOf(ctx, o, query)
	if err != nil {
		return diff.Report{}, err
	}
	used, watched, err := t.inUse(ctx, o, s)
	if err != nil {
		return diff.Report{}, err
	}
	t.cluster.watches.use(o.who, watched)
	c := &comparison{Target: t, owner: o, query: query, scope: s}
	c.failed = t.cluster.watches.sync(ctx, used)
	for gvr, err := range c.failed {
		_, wanted := s.needs[gvr]
		switch kind := fault.KindOf(err); {
		case kind == fault.Transient, !wanted && kind != fault.NotFound:
			return diff.Report{}, err // what is owned cannot be read: no answer is better than half of one
		case !wanted:
			delete(watched, gvr) // the kind has gone, and all its objects with it
		}
	}
	t.checkParent(o, watched)
	return c.report(ctx, watched)
}

// checkParent has the inventory written again when it has gone although there are members: nothing else would miss it.
func (t *Target) checkParent(o *owner, all needs) {
	if t.cluster.parents.known(o.parent) {
		return
	}
	for gvr := range all {
		if s := t.cluster.watches.store(gvr); s != nil && len(s.owned(o.partOf)) > 0 {
			o.disturbed()
			o.ring()
			return
		}
	}
}

func (c *comparison) report(ctx context.Context, all needs) (diff.Report, error) {
	list := c.scope.asked(c.query.Only)
	entries := make([]diff.Entry, len(list), len(list)+8)
	var requests errgroup.Group
	requests.SetLimit(maxInFlight)
	for i, w := range list {
		entry := &entries[i]
		if c.fromCache(ctx, w, entry) {
			continue
		}
		requests.Go(func() error {
			c.askServer(ctx, w, entry)
			return nil
		})
	}
	_ = requests.Wait() // every error is in its entry
	for i := range entries {
		entries[i].Hide()
	}
	surplus := c.surplus(ctx, all)
	if len(surplus) > 0 {
		entries = append(entries, surplus...)
		slices.SortFunc(entries, func(a, b diff.Entry) int { return a.ID.Compare(b.ID) })
	}
	c.addHolds(ctx, entries)
	if err := ctx.Err(); err != nil {
		return diff.Report{}, fault.Wrap(fault.Transient, "compare", c.query.Owner.String(), err)
	}
	return diff.Report{Entries: entries}, nil
}

// insists says that the server itself is to be asked about every single object of the query, whatever is known: what it refused
// a moment ago it may accept now, because a quota was raised or a webhook has gone.
func (c *comparison) insists() bool { return c.query.Exact && c.query.Only != nil }

// fromCache fills an entry without a request; false says that requests are needed.
func (c *comparison) fromCache(ctx context.Context, w *wanted, entry *diff.Entry) bool {
	*entry = diff.Entry{
		ID: w.declared, Op: diff.None, Want: w.object, Err: w.err, Drift: w.object.Annotation(v1alpha1.AnnotationDrift),
		Health: state.Health{Status: state.Unknown},
	}
	if w.err != nil {
		return true
	}
	if w.pending { // its definition comes first; then it is compared anew
		entry.Op, entry.Health = diff.Create, state.Health{Status: state.Missing}
		return true
	}
	if err := c.failed[w.resource.gvr]; err != nil {
		entry.Err = err
		return true
	}
	l := c.cachedObject(w)
	if l == nil || l.terminating {
		return c.absent(w, l, entry)
	}
	var ruled bool
	entry.Health, ruled = c.healthOf(l)
	if !l.belongs(c.owner.partOf) {
		return c.notOurs(ctx, w, l, entry)
	}
	v := w.verdict.Load()
	if v == nil || !v.fits(w, l, c.ignored(w)) {
		if v = c.judge(ctx, w, l, v); v.doubtful {
			return false
		}
		w.verdict.Store(v)
	}
	entry.Fields = v.fields
	if len(v.fields) > 0 {
		entry.Op = diff.Update
	}
	if !ruled {
		entry.Health = w.ailing(l)
	}
	return entry.Op == diff.None && !c.insists() && (ruled || !c.needsReason(w, l))
}

// absent fills the entry of an object that is not in the cache, or is on its way out.
func (c *comparison) absent(w *wanted, l *live, entry *diff.Entry) bool {
	if l != nil {
		entry.Terminating, entry.Health = true, terminatingHealth(l)
		if l.partOf != c.owner.partOf && l.labelled != labelledByNobody {
			entry.Err = c.belongsTo(w, l, c.owner)
		}
		return true
	}
	entry.Op, entry.Health = diff.Create, state.Health{Status: state.Missing}
	return false
}

// notOurs fills the entry of an object that carries a label which we did not put there for this owner.
func (c *comparison) notOurs(ctx context.Context, w *wanted, l *live, entry *diff.Entry) bool {
	if l.labelled != labelledByNobody && l.partOf != c.owner.partOf {
		entry.Op, entry.Err = diff.Update, c.belongsTo(w, l, c.owner)
		return true
	}
	if !l.owners.appliedBy(c.cluster.cfg.FieldManager) {
		entry.Op = diff.Create // never applied by us: it is adopted
		return false
	}
	// It was ours, and somebody rewrote the label.
	entry.Op, entry.Lost = diff.Update, true
	entry.Fields = c.differences(ctx, w, l)
	return false
}

// belongsTo refuses what another owner has applied, naming both.
func (t *Target) belongsTo(w *wanted, l *live, o *owner) error {
	if l.labelled == labelledByNobody {
		return fault.New(fault.Conflict, "claim", w.declared.String(), "somebody else has made it in the meantime").
			WithHint("delete it, so that " + o.who.String() + " can make it anew")
	}
	return t.heldBy(w, t.cluster.parents.ownerOf(l.partOf), o)
}

func (t *Target) heldBy(w *wanted, other string, o *owner) error {
	return fault.New(fault.Conflict, "claim", w.declared.String(), "it belongs to "+other+", not to "+o.who.String()).
		WithHint("declare it in one place only, or remove it there first")
}

// surplus gives the entries of what is owned but not wanted.
func (c *comparison) surplus(ctx context.Context, all needs) []diff.Entry {
	var entries []diff.Entry
	seen := map[state.ID]bool{} // a kind may be watched in two versions
	for gvr, n := range all {
		s := c.cluster.watches.store(gvr)
		if s == nil {
			continue
		}
		for _, l := range c.candidates(s, n.resource) {
			if c.scope.byReal[l.id] != nil || seen[l.id] {
				continue
			}
			seen[l.id] = true
			entries = append(entries, c.surplusEntry(ctx, c.owner.declaredID(l.id), l, n.resource))
		}
	}
	return entries
}

// candidates gives the owned objects of a resource that the query asks about.
func (c *comparison) candidates(s *store, r resource) []*live {
	if c.query.Only == nil {
		return s.owned(c.owner.partOf)
	}
	var found []*live
	for _, id := range c.query.Only {
		if id.GroupKind() != r.groupKind() {
			continue
		}
		if r.namespaced && id.Namespace == "" {
			id.Namespace = c.namespace
		}
		if l := s.get(keyOf(id)); l != nil && l.belongs(c.owner.partOf) {
			found = append(found, l)
		}
	}
	return found
}

func (c *comparison) surplusEntry(ctx context.Context, id state.ID, l *live, r resource) diff.Entry {
	object := l.object()
	entry := diff.Entry{
		ID: id, Op: diff.Delete,
		Keep:  annotationOf(object, v1alpha1.AnnotationPrune) == "disabled",
		Drift: annotationOf(object, v1alpha1.AnnotationDrift),
		Wave:  plan.WaveOf(func(name string) string { return annotationOf(object, name) }),
	}
	if l.terminating {
		entry.Terminating, entry.Health = true, terminatingHealth(l)
		return entry
	}
	entry.Health, _ = c.healthOf(l)
	if !entry.Keep {
		entry.Err = c.access.allows(ctx, right{verb: "delete", resource: r, namespace: l.id.Namespace, name: l.id.Name}, c.owner.partOf)
	}
	return entry
}
