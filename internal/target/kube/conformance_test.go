package kube

import (
	"context"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/targettest"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

func TestConformance(t *testing.T) {
	server := cluster.Shared(t)
	do := func(t *testing.T, method, path string, body []byte) {
		t.Helper()
		if _, err := server.Do(context.Background(), method, path, body); err != nil {
			t.Fatal(err)
		}
	}
	path := func(id state.ID) string { return "/api/v1/namespaces/default/configmaps/" + id.Name }
	declare := func(name, value string) *state.Object {
		return state.NewObject(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": name, "namespace": "default"}, "data": map[string]any{"value": value},
		}, state.Origin{})
	}
	targettest.Run(t, targettest.Harness{
		New: func(t *testing.T) target.Target {
			made, err := Connect(t.Context(), Config{Kubeconfig: server.Kubeconfig(), AgentName: "conformance"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(made.Close)
			return made
		},
		Object: declare,
		By:     "tamperer",
		Tamper: func(t *testing.T, id state.ID, value string) {
			body, err := declare(id.Name, value).MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			do(t, "PATCH", path(id)+"?fieldManager=tamperer&force=true", body)
		},
		Remove: func(t *testing.T, id state.ID) { do(t, "DELETE", path(id), nil) },
		Exists: func(t *testing.T, id state.ID) bool {
			_, err := server.Do(context.Background(), "GET", path(id), nil)
			if err != nil && !cluster.IsStatus(err, 404) {
				t.Fatal(err)
			}
			return err == nil
		},
		Foreign: func(t *testing.T, object *state.Object) {
			body, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			do(t, "PATCH", path(object.ID())+"?fieldManager=somebody", body)
		},
	})
}
