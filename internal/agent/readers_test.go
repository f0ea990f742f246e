package agent

import (
	"slices"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

func TestReaders(t *testing.T) {
	settings := state.ID{Kind: "ConfigMap", Namespace: "default", Name: "settings"}
	elsewhere := state.ID{Kind: "Secret", Namespace: "shop", Name: "keys"}
	app := state.NewObject(map[string]any{
		"apiVersion": v1alpha1.APIVersionHost, "kind": v1alpha1.KindApp, "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{
			"build":     map[string]any{"directory": "build"},
			"processes": map[string]any{"web": map[string]any{"command": []any{"./serve"}}},
			"envFrom": []any{
				map[string]any{"configMap": map[string]any{"name": settings.Name}},
				map[string]any{"secret": map[string]any{"namespace": elsewhere.Namespace, "name": elsewhere.Name}},
			},
		},
	}, state.Origin{})
	read := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": settings.Name, "namespace": settings.Namespace},
	}, state.Origin{})
	missing := fault.New(fault.NotFound, "read", settings.String(), "it is not there")
	var r readers

	alone, _ := state.NewSet([]*state.Object{app})
	r.learn(alone)
	entries := []diff.Entry{{ID: app.ID(), Op: diff.Create, Err: missing}}
	if r.excuse(entries); entries[0].Err == nil {
		t.Error("what nobody makes is excused")
	}
	both, _ := state.NewSet([]*state.Object{app, read})
	r.learn(both)
	if r.excuse(entries); entries[0].Err != nil {
		t.Errorf("what the same Sync makes is an error: %v", entries[0].Err)
	}

	var told []target.Event
	notify := r.listen(func(event target.Event) { told = append(told, event) })
	notify(target.Event{IDs: []state.ID{elsewhere}})
	notify(target.Event{})
	r.tell([]plan.Step{{ID: settings}})
	r.tell([]plan.Step{{ID: state.ID{Kind: "ConfigMap", Namespace: "other", Name: settings.Name}}})
	want := [][]state.ID{{elsewhere, app.ID()}, nil, {app.ID()}}
	if len(told) != len(want) {
		t.Fatalf("told %v, want %v", told, want)
	}
	for i, event := range told {
		if !slices.Equal(event.IDs, want[i]) {
			t.Errorf("event %d is about %v, want %v", i, event.IDs, want[i])
		}
	}
}
