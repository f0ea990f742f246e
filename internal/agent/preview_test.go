package agent

import (
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

func syncObject(name string, spec map[string]any) *state.Object {
	return state.NewObject(map[string]any{
		"apiVersion": "setpoint.dev/v1alpha1", "kind": "Sync", "metadata": map[string]any{"name": name}, "spec": spec,
	}, state.Origin{})
}

// A Sync that is declared no more takes everything with it: a preview that did not say so would be worse than none.
func TestPreviewShowsSyncsThatGo(t *testing.T) {
	owned := map[string][]state.ID{
		"shop": {{Kind: "Service", Name: "front"}}, "shop-db": {{Kind: "Service", Name: "db"}}, "kept": {{Kind: "Service", Name: "kept"}},
	}
	known := &Known{Declared: map[state.ID]KnownDeclaration{
		self.SyncID("shop"):    {Object: syncObject("shop", map[string]any{"path": "shop"}), Parent: "root"},
		self.SyncID("shop-db"): {Object: syncObject("shop-db", map[string]any{"path": "db"}), Parent: "shop"},
		self.SyncID("kept"):    {Object: syncObject("kept", map[string]any{"path": "kept", "deletion": "orphan"}), Parent: "root"},
		self.SyncID("changed"): {Object: syncObject("changed", map[string]any{"path": "a", "suspend": true}), Parent: "root"},
	}, Objects: func(sync string) ([]state.ID, error) { return owned[sync], nil }}
	p := &preview{cfg: PreviewConfig{Known: known}, seen: map[string]bool{}}
	declared, _ := state.NewSet([]*state.Object{syncObject("changed", map[string]any{"path": "b"}), syncObject("new", map[string]any{"path": "c"})})

	p.removed(self.Root, declared)
	gone := map[string]int{}
	for _, one := range p.todo {
		gone[one.shown.Sync] = len(one.shown.Changes)
	}
	if len(gone) != 2 || gone["shop"] != 1 || gone["shop-db"] != 1 {
		t.Errorf("Syncs that go, with the number of their objects: %v, want shop and shop-db with one each", gone)
	}
	ops := map[string]string{}
	fields := 0
	for _, change := range p.inAgent(previewing{shown: Previewed{Sync: self.Root}, objects: declared}) {
		ops[change.ID.Name] = change.Op
		if change.ID.Name == "changed" {
			fields = len(change.Fields)
		}
	}
	for name, want := range map[string]string{"changed": "update", "new": "create", "shop": "delete", "kept": "delete"} {
		if ops[name] != want {
			t.Errorf("%s: %q, want %q", name, ops[name], want)
		}
	}
	if fields != 2 {
		t.Errorf("%d fields of the changed Sync, want its path and what it no longer says", fields)
	}
}
