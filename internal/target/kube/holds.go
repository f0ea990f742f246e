package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of a look at what would go with an object.
const (
	holdsFor     = 10 * time.Second // how long an answer is taken for granted, so that a change that is held does not ask on and on
	holdsTimeout = 10 * time.Second
	holdsAtOnce  = 16 // lists at a time
)

// The kinds of objects that take others, or data, with them when they go.
var (
	namespaceKind  = state.GroupKind{Kind: "Namespace"}
	definitionKind = state.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	claimKind      = state.GroupKind{Kind: "PersistentVolumeClaim"}
	volumeKind     = state.GroupKind{Kind: "PersistentVolume"}
)

var holders = map[state.GroupKind]bool{namespaceKind: true, definitionKind: true, claimKind: true, volumeKind: true}

// addHolds says of every entry that would delete an object what of others would go with it.
func (c *comparison) addHolds(ctx context.Context, entries []diff.Entry) {
	var looks errgroup.Group
	looks.SetLimit(maxInFlight)
	for i := range entries {
		entry := &entries[i]
		deletes := entry.Op == diff.Delete || entry.Op == diff.Replace
		if !deletes || !holders[entry.ID.GroupKind()] || entry.Terminating || entry.Keep || entry.Err != nil {
			continue
		}
		if l := c.liveOf(entry.ID); l != nil {
			looks.Go(func() error {
				entry.Holds = c.cluster.holdings.of(ctx, l, c.owner.partOf)
				return nil
			})
		}
	}
	_ = looks.Wait() // what cannot be found out is said in the entry
}

// liveOf gives an object by its declared ID, nil when it is not in a cache.
func (c *comparison) liveOf(id state.ID) *live {
	if w := c.scope.find(id); w != nil {
		return c.cluster.watches.latest(w.id)
	}
	if l := c.cluster.watches.latest(id); l != nil || id.Namespace != "" {
		return l
	}
	id.Namespace = c.namespace
	return c.cluster.watches.latest(id)
}

// holdings finds out what would go with an object, and remembers it for a moment. It looks as the agent itself: the identity that
// may delete a namespace may perhaps not see what is in it. Safe for concurrent use.
type holdings struct {
	cluster *Cluster

	mu    sync.Mutex
	known map[holdingKey]*holding
}

// holdingKey is an object, and the owner for whom it is looked at.
type holdingKey struct{ uid, partOf string }

// holding is an answer, or the wait for it.
type holding struct {
	done  chan struct{}
	until time.Time // zero while nothing is known; guarded by holdings
	text  string
}

func newHoldings(cluster *Cluster) *holdings {
	return &holdings{cluster: cluster, known: map[holdingKey]*holding{}}
}

// of says what of others would go with an object of an owner, "" when nothing does. That it cannot be found out is an answer too:
// not knowing must never look like nothing.
func (h *holdings) of(ctx context.Context, l *live, partOf string) string {
	switch l.id.GroupKind() {
	case claimKind:
		return heldByClaim(view{l.object()})
	case volumeKind:
		return heldByVolume(view{l.object()})
	case namespaceKind, definitionKind:
		return h.remembered(ctx, l, partOf)
	}
	return ""
}

// remembered gives the answer about one object, asking only once at a time.
func (h *holdings) remembered(ctx context.Context, l *live, partOf string) string {
	key := holdingKey{l.uid, partOf}
	h.mu.Lock()
	maps.DeleteFunc(h.known, func(_ holdingKey, one *holding) bool { return !one.until.IsZero() && time.Now().After(one.until) })
	one := h.known[key]
	if one == nil {
		one = &holding{done: make(chan struct{})}
		h.known[key] = one
		h.mu.Unlock()
		one.text = h.look(ctx, l, partOf)
		h.mu.Lock()
		if one.until = time.Now().Add(holdsFor); ctx.Err() != nil {
			delete(h.known, key) // whoever asked has gone: this says nothing about the object
		}
		h.mu.Unlock()
		close(one.done)
		return one.text
	}
	h.mu.Unlock()
	select {
	case <-one.done:
		return one.text
	case <-ctx.Done():
		return unseen(ctx.Err())
	}
}

func (h *holdings) look(ctx context.Context, l *live, partOf string) string {
	ctx, cancel := context.WithTimeout(ctx, holdsTimeout)
	defer cancel()
	if l.id.GroupKind() == definitionKind {
		return h.inDefinition(ctx, l, partOf)
	}
	return h.inNamespace(ctx, l, partOf)
}

// inNamespace counts what is in a namespace.
func (h *holdings) inNamespace(ctx context.Context, l *live, partOf string) string {
	kinds, unread, err := h.cluster.kinds.namespaced(ctx)
	if err != nil {
		return unseen(err)
	}
	tallies := make([]tally, len(kinds))
	var lists errgroup.Group
	lists.SetLimit(holdsAtOnce)
	for i, r := range kinds {
		if generatedKinds[r.groupKind()] {
			continue
		}
		lists.Go(func() error {
			spared := func(item listedItem) bool { return len(item.Metadata.OwnerReferences) > 0 || generated(r, item) }
			tallies[i] = h.count(ctx, contents{resource: r, namespace: l.id.Name, partOf: partOf, spared: spared})
			return nil
		})
	}
	_ = lists.Wait() // the errors are in the tallies
	sum := sumOf(tallies)
	if sum.err == nil && len(unread) > 0 {
		sum.err = fault.New(fault.Transient, "list", "the objects of the API group "+unread[0], "the group cannot be read now").
			WithHint("see why its server is down: kubectl get apiservices")
	}
	return sum.String()
}

// inDefinition counts the custom resources that a definition takes with it. Those that were made of another one of the same API
// group, or of an object of the owner's, go with their origin, and do not count.
func (h *holdings) inDefinition(ctx context.Context, l *live, partOf string) string {
	definition := l.object()
	served := servedBy(definition)
	if len(served) == 0 {
		return unseen(errors.New("no version of them is served"))
	}
	r := served[0]
	ours := h.cluster.watches.uids(partOf)
	sum := h.count(ctx, contents{resource: r, partOf: partOf, spared: func(item listedItem) bool {
		return slices.ContainsFunc(item.Metadata.OwnerReferences, func(of ownerReference) bool {
			return ours[of.UID] || of.group() == r.gvr.Group
		})
	}})
	established := view{definition}.condition("Established").status == "True"
	if sum.missing && established {
		sum.err = errors.New("the server does not serve them now")
	}
	return sum.String()
}

// heldByClaim: a claim that is bound has a volume with data on it.
func heldByClaim(v view) string {
	if v.text("status", "phase") != "Bound" {
		return ""
	}
	return "the data on its volume " + v.text("spec", "volumeName")
}

// heldByVolume: a volume that is released keeps the data of the claim that is gone.
func heldByVolume(v view) string {
	claim := v.text("spec", "claimRef", "namespace") + "/" + v.text("spec", "claimRef", "name")
	switch v.text("status", "phase") {
	case "Bound":
		return "the data of the claim " + claim
	case "Released":
		return "the data that the claim " + claim + " has left"
	}
	return ""
}

// unseen says that it could not be found out.
func unseen(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it takes longer than %s to list it", holdsTimeout)
	}
	return "what is in it cannot be seen: " + err.Error()
}
