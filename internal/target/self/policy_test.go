package self_test

import (
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

func declarePolicy(name string, spec map[string]any) *state.Object {
	return state.NewObject(map[string]any{
		"apiVersion": "setpoint.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": name}, "spec": spec,
	}, state.Origin{File: "policies.yaml", Line: 1})
}

// A Policy is there or not: it is healthy without anybody being asked, outlives a restart, and goes without anything going before it.
func TestAPolicyComesAndGoesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := openStore(t, path)
	a := open(t, db, true)
	risky, always := declarePolicy("careful", map[string]any{"approval": "risky"}), declarePolicy("careful", map[string]any{"approval": "always"})
	only := func(registry *self.Registry, want ...*state.Object) diff.Entry {
		t.Helper()
		entries := compare(t, registry, want...)
		if len(entries) != 1 || entries[0].Err != nil {
			t.Fatalf("entries = %+v, want one without an error", entries)
		}
		return entries[0]
	}
	if entry := only(a.registry, risky); entry.Op != diff.Create || entry.Health.Status != state.Missing {
		t.Errorf("%+v, want a creation", entry)
	}
	apply(t, a.registry, plan.Step{ID: risky.ID(), Op: diff.Create, Want: risky})
	if entry := only(a.registry, risky); entry.Op != diff.None || entry.Health.Status != state.Healthy {
		t.Errorf("%+v, want nothing to do, and healthy", entry)
	}
	if entry := only(a.registry, always); entry.Op != diff.Update || len(entry.Fields) != 1 {
		t.Errorf("%+v, want an update of one field", entry)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, openStore(t, path), true)
	if entry := only(again.registry); entry.Op != diff.Delete || entry.Terminating || entry.Health.Status != state.Healthy {
		t.Errorf("%+v, want a deletion", entry)
	}
	err := again.registry.Apply(t.Context(), parent, []plan.Step{{ID: risky.ID(), Op: diff.Delete}}, func(result target.Result) {
		if result.Err != nil || !result.Changed || result.Health.Status != state.Missing {
			t.Errorf("%+v, want a change that leaves nothing", result)
		}
	})
	if _, ok := again.registry.Get(self.PolicyID("careful")); err != nil || ok {
		t.Errorf("the Policy is still there: %v", err)
	}
}

func TestAWrongPolicyIsAnErrorOfItself(t *testing.T) {
	a := open(t, openStore(t, ":memory:"), false)
	wrong := declarePolicy("wrong", map[string]any{"approval": "sometimes"})
	for _, entry := range compare(t, a.registry, wrong, declarePolicy("right", map[string]any{"approval": "never"})) {
		if bad := entry.ID == wrong.ID(); bad != (fault.KindOf(entry.Err) == fault.Invalid) {
			t.Errorf("%s: error %v", entry.ID, entry.Err)
		}
	}
}
