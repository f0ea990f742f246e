package kube

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// syncTimeout bounds the wait for a watch to be filled for the first time.
const syncTimeout = 20 * time.Second

// need is a resource that an owner uses, with the namespaces where it does.
type need struct {
	resource   resource
	namespaces map[string]bool
}

// needs are all of an owner's, by resource.
type needs map[schema.GroupVersionResource]*need

func (n needs) add(r resource, namespace string) {
	entry := n[r.gvr]
	if entry == nil {
		entry = &need{resource: r, namespaces: map[string]bool{}}
		n[r.gvr] = entry
	}
	entry.namespaces[namespace] = true
}

func (n needs) addAll(others needs) {
	for gvr, of := range others {
		if n[gvr] == nil {
			n[gvr] = &need{resource: of.resource, namespaces: map[string]bool{}}
		}
		maps.Copy(n[gvr].namespaces, of.namespaces)
	}
}

// watches holds one watch per resource in use, shared by all owners. Safe for concurrent use.
type watches struct {
	cluster *Cluster
	ctx     context.Context //nolint:containedctx // the life of the watches, which outlive the calls that start them
	running sync.WaitGroup

	mu    sync.Mutex
	byGVR map[schema.GroupVersionResource]*resourceWatch
	users map[state.Owner]needs
}

// resourceWatch is the cache of one resource and the connections that fill it: one for all namespaces, or, where that is
// forbidden, one per namespace in use.
type resourceWatch struct {
	resource resource
	store    *store
	shards   map[string]*shard // by namespace, "" for all; guarded by watches.mu
}

func newWatches(ctx context.Context, cluster *Cluster) *watches {
	return &watches{
		cluster: cluster, ctx: ctx,
		byGVR: map[schema.GroupVersionResource]*resourceWatch{}, users: map[state.Owner]needs{},
	}
}

// wait blocks until every watch has ended, after its context has.
func (w *watches) wait() { w.running.Wait() }

// use says what an owner needs from now on: missing watches are started, and those that nobody needs any more are stopped.
func (w *watches) use(owner state.Owner, wanted needs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(wanted) == 0 {
		delete(w.users, owner)
	} else {
		w.users[owner] = wanted
	}
	w.start(wanted)
	w.stopUnused()
}

// start starts what is missing of the watches that an owner needs; the caller holds the lock.
func (w *watches) start(wanted needs) {
	for gvr, n := range wanted {
		watch := w.byGVR[gvr]
		if watch == nil {
			watch = &resourceWatch{resource: n.resource, store: newStore(w.cluster, n.resource), shards: map[string]*shard{}}
			w.byGVR[gvr] = watch
		}
		w.startMissing(watch, n)
	}
}

// startMissing starts the connections that a need lacks: for all namespaces at first, per namespace where that was refused.
func (w *watches) startMissing(watch *resourceWatch, n *need) {
	all := watch.shards[""]
	if all == nil || all.retryable() {
		watch.shards[""] = w.startShard(watch, "")
		return
	}
	if _, refused := all.state(); !n.resource.namespaced || !apierrors.IsForbidden(refused) {
		return
	}
	for namespace := range n.namespaces {
		if one := watch.shards[namespace]; namespace != "" && (one == nil || one.retryable()) {
			watch.shards[namespace] = w.startShard(watch, namespace)
		}
	}
}

func (w *watches) startShard(watch *resourceWatch, namespace string) *shard {
	w.running.Add(1)
	return startShard(w.ctx, &lister{
		client: w.cluster.client, resource: watch.resource, namespace: namespace, selector: labelPartOf,
	}, watch.store, w.running.Done)
}

func (w *watches) stopUnused() {
	used := map[schema.GroupVersionResource]bool{}
	for _, wanted := range w.users {
		for gvr := range wanted {
			used[gvr] = true
		}
	}
	for gvr, watch := range w.byGVR {
		if used[gvr] {
			continue
		}
		for _, s := range watch.shards {
			s.stop()
		}
		delete(w.byGVR, gvr)
	}
}

// sync waits until caches that are in use are filled, and gives an error for each resource that cannot be watched.
func (w *watches) sync(ctx context.Context, wanted needs) map[schema.GroupVersionResource]error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	failed := map[schema.GroupVersionResource]error{}
	forbidden := false
	for gvr := range wanted {
		if err := w.waitAll(ctx, gvr); err != nil {
			failed[gvr] = err
			forbidden = forbidden || apierrors.IsForbidden(err)
		}
	}
	if forbidden {
		w.startRefused(wanted) // now per namespace
		for gvr, err := range failed {
			if !apierrors.IsForbidden(err) || !wanted[gvr].resource.namespaced {
				continue
			}
			if err := w.waitNamespaces(ctx, wanted[gvr]); err != nil {
				failed[gvr] = err
				continue
			}
			delete(failed, gvr)
		}
	}
	for gvr, err := range failed {
		failed[gvr] = w.explain(gvr, err)
	}
	return failed
}

// startRefused starts the connections per namespace of what is in use already and may not be watched as a whole.
func (w *watches) startRefused(wanted needs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for gvr, n := range wanted {
		if watch := w.byGVR[gvr]; watch != nil {
			w.startMissing(watch, n)
		}
	}
}

func (w *watches) shard(gvr schema.GroupVersionResource, namespace string) *shard {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watch := w.byGVR[gvr]; watch != nil {
		return watch.shards[namespace]
	}
	return nil
}

func (w *watches) waitAll(ctx context.Context, gvr schema.GroupVersionResource) error {
	s := w.shard(gvr, "")
	if s == nil {
		return context.Canceled // stopped meanwhile by another call for the same owner
	}
	return s.wait(ctx)
}

func (w *watches) waitNamespaces(ctx context.Context, n *need) error {
	for _, namespace := range slices.Sorted(maps.Keys(n.namespaces)) {
		if s := w.shard(n.resource.gvr, namespace); s != nil && namespace != "" {
			if err := s.wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watches) explain(gvr schema.GroupVersionResource, err error) error {
	item := gvr.GroupResource().String()
	if apierrors.IsForbidden(err) {
		return (&fault.Error{Op: "watch", Item: item, Kind: fault.Denied, Err: err}).
			WithHint("allow the agent to get, list and watch " + item)
	}
	if apierrors.IsNotFound(err) {
		w.cluster.kinds.expire()
	}
	return explain("watch", item, err)
}

// store gives the cache of a resource, or nil when it is not watched.
func (w *watches) store(gvr schema.GroupVersionResource) *store {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watch := w.byGVR[gvr]; watch != nil {
		return watch.store
	}
	return nil
}

// latest gives an object as it was last seen in whichever version of its kind, or nil: owners may declare it in different ones.
func (w *watches) latest(id state.ID) *live {
	w.mu.Lock()
	defer w.mu.Unlock()
	var latest *live
	for _, watch := range w.byGVR {
		if watch.resource.groupKind() != id.GroupKind() {
			continue
		}
		if l := watch.store.get(keyOf(id)); l != nil && (latest == nil || l.version > latest.version) {
			latest = l
		}
	}
	return latest
}

// versionOf gives the resource of a kind that is watched already in some version.
func (w *watches) versionOf(gk state.GroupKind) (resource, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, watch := range w.byGVR {
		if watch.resource.groupKind() == gk {
			return watch.resource, true
		}
	}
	return resource{}, false
}

// uids gives the UIDs of all watched objects that belong to an ApplySet.
func (w *watches) uids(partOf string) map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[string]bool{}
	for _, watch := range w.byGVR {
		for _, l := range watch.store.owned(partOf) {
			found[l.uid] = true
		}
	}
	return found
}

// members gives the objects of a kind that belong to an ApplySet; false when the kind is not watched, or not completely.
func (w *watches) members(gk state.GroupKind, partOf string) ([]*live, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, watch := range w.byGVR {
		if watch.resource.groupKind() != gk {
			continue
		}
		for _, s := range watch.shards {
			synced, refused := s.state()
			if !synced && (refused == nil || len(watch.shards) == 1) {
				return nil, false
			}
		}
		return watch.store.owned(partOf), true
	}
	return nil, false
}
