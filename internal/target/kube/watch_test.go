package kube

import (
	"context"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// An owner's watch may end and begin again (its Sync was changed) without an event being lost afterwards.
func TestWatchersComeAndGo(t *testing.T) {
	os := newOwners()
	who := state.Owner{Agent: "a", Sync: "b"}
	id := state.ID{Kind: "ConfigMap", Name: "x"}
	first := &watcher{pending: map[state.ID]bool{}, signal: make(chan struct{}, 1)}
	second := &watcher{pending: map[state.ID]bool{}, signal: make(chan struct{}, 1)}
	o := os.join(who, first)
	if os.join(who, second) != o || os.leave(o, first) {
		t.Fatal("the owner is forgotten although somebody watches")
	}
	os.changed(o.partOf, id)
	if event, some := second.take(); !some || len(event.IDs) != 1 || event.IDs[0] != id {
		t.Errorf("event = %v, %v", event, some)
	}
	if _, some := second.take(); some {
		t.Error("told twice")
	}
	for i := range 2 * maxPending {
		os.changed(o.partOf, state.ID{Name: string(rune('a' + i))})
	}
	if event, some := second.take(); !some || len(event.IDs) != 0 {
		t.Errorf("a flood of changes: %d IDs, want the event that means all", len(event.IDs))
	}
	if !os.leave(o, second) || os.member(o.partOf) != nil {
		t.Error("the owner is kept although nobody watches")
	}
}

// One watch serves all owners of a kind, and ends with the last.
func TestWatchesAreSharedAndEnd(t *testing.T) {
	b := newBench(t)
	since := time.Now()
	other := *b
	other.owner.Sync += "-other"
	ctx, cancel := context.WithCancel(b.ctx())
	done := make(chan struct{}, 2)
	for _, one := range []*bench{b, &other} {
		go func() {
			_ = one.target.Watch(ctx, one.owner, func(target.Event) {})
			done <- struct{}{}
		}()
	}
	b.settle(b.configMap("a", "1"))
	other.settle(b.configMap("b", "1"))
	opened := b.requests(since, func(e cluster.AuditEvent) bool {
		return e.Verb == "watch" && e.Resource == "configmaps" && e.Namespace == ""
	})
	if len(opened) != 1 {
		t.Errorf("watches of ConfigMaps: %q, want one", opened)
	}
	cancel()
	<-done
	<-done
	w := b.target.cluster.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.byGVR) > 0 {
		t.Errorf("%d watches go on although nobody uses them", len(w.byGVR))
	}
}

// A preview of another desired state leaves the owner's own alone.
func TestPreviewIsNotAdopted(t *testing.T) {
	b := newBench(t)
	a := b.configMap("a", "1")
	b.settle(a)
	preview := wantOf(b.configMap("b", "1"))
	preview.Exact = true
	if entry := b.entry(preview, a.ID()); entry.Op != diff.Delete {
		t.Errorf("preview: %+v", entry)
	}
	since := time.Now()
	b.do("DELETE", b.path("/configmaps/a"), "")
	b.eventually("the loss is seen", func() bool { return b.entry(wantOf(a), a.ID()).Lost })
	if lists := b.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "watch" || e.Verb == "list" }); len(lists) > 0 {
		t.Errorf("caches were filled again: %q", lists)
	}
}
