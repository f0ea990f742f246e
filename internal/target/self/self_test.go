package self_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/self"
	"github.com/setpoint-dev/setpoint/internal/target/targettest"
)

func openStore(t *testing.T, path string) store.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// agent is what a registry needs around it. A Sync that is to be deleted is gone at once, as if it owned nothing.
type agent struct {
	registry *self.Registry
	mu       sync.Mutex
	changed  []state.ID
}

func open(t *testing.T, db store.Store, leaving bool) *agent {
	t.Helper()
	a := &agent{}
	registry, err := self.Open(context.Background(), self.Options{
		Store: db, Agent: "conformance",
		Health: func(state.ID) state.Health { return state.Health{Status: state.Healthy} },
		Changed: func(id state.ID) {
			a.mu.Lock()
			a.changed = append(a.changed, id)
			a.mu.Unlock()
			if a.registry == nil || leaving {
				return
			}
			if declaration, ok := a.registry.Get(id); ok && declaration.Deleting {
				if err := a.registry.Gone(context.Background(), id); err != nil {
					t.Error(err)
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.registry = registry
	return a
}

func declare(name, path string) *state.Object {
	return state.NewObject(map[string]any{
		"apiVersion": "setpoint.dev/v1alpha1", "kind": "Sync", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"path": path},
	}, state.Origin{File: "syncs.yaml", Line: 1})
}

func TestConformance(t *testing.T) {
	a := open(t, openStore(t, ":memory:"), false)
	targettest.Run(t, targettest.Harness{
		New:    func(*testing.T) target.Target { return a.registry },
		Object: declare,
		Exists: func(_ *testing.T, id state.ID) bool {
			_, ok := a.registry.Get(id)
			return ok
		},
	})
}

var parent = state.Owner{Agent: "conformance", Sync: "parent"}

func apply(t *testing.T, r *self.Registry, steps ...plan.Step) {
	t.Helper()
	err := r.Apply(context.Background(), parent, steps, func(result target.Result) {
		if result.Err != nil {
			t.Error(result.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, r *self.Registry, objects ...*state.Object) []diff.Entry {
	t.Helper()
	want, _ := state.NewSet(objects)
	report, err := r.Compare(context.Background(), target.Query{Owner: parent, Want: want})
	if err != nil {
		t.Fatal(err)
	}
	return report.Entries
}

// A Sync that is on its way out is remembered as such, so that an agent that dies in between goes on with the removal.
func TestDeletionSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := openStore(t, path)
	a := open(t, db, true)
	apply(t, a.registry, plan.Step{ID: self.SyncID("child"), Op: diff.Create, Want: declare("child", "a")})
	apply(t, a.registry, plan.Step{ID: self.SyncID("child"), Op: diff.Delete})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, openStore(t, path), true)
	if entries := compare(t, again.registry); len(entries) != 1 || !entries[0].Terminating || entries[0].Op != diff.Delete {
		t.Errorf("entries = %+v, want the child, terminating", entries)
	}
	// Declared again meanwhile, it has to be gone first.
	if entries := compare(t, again.registry, declare("child", "b")); len(entries) != 1 || !entries[0].Terminating || entries[0].Op != diff.Create {
		t.Errorf("entries = %+v, want a creation that waits", entries)
	}
}

func TestWrongDeclarationsAreErrorsOfTheirObjects(t *testing.T) {
	a := open(t, openStore(t, ":memory:"), false)
	unknown := state.NewObject(map[string]any{"apiVersion": "setpoint.dev/v1alpha1", "kind": "Stack", "metadata": map[string]any{"name": "x"}}, state.Origin{})
	for _, object := range []*state.Object{unknown, declare("a", "../up")} {
		entries := compare(t, a.registry, object, declare("good", "a"))
		for _, entry := range entries {
			if wrong := entry.ID == object.ID(); wrong != (fault.KindOf(entry.Err) == fault.Invalid) {
				t.Errorf("%s: error %v", entry.ID, entry.Err)
			}
		}
	}
	if entries := compare(t, a.registry, declare(self.Root, "a")); fault.KindOf(entries[0].Err) != fault.Conflict {
		t.Errorf("a Sync with the root's name: %v, want a conflict", entries[0].Err)
	}
}
