package inmem_test

import (
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/inmem"
	"github.com/setpoint-dev/setpoint/internal/target/targettest"
)

func declare(name, value string) *state.Object {
	return state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": name}, "value": value,
	}, state.Origin{})
}

func TestConformance(t *testing.T) {
	plant := inmem.New()
	targettest.Run(t, targettest.Harness{
		New:    func(*testing.T) target.Target { return plant },
		Object: declare,
		Tamper: func(_ *testing.T, id state.ID, value string) {
			plant.Write(id, declare(id.Name, value).Content(), "somebody")
		},
		By:      "somebody",
		Remove:  func(_ *testing.T, id state.ID) { plant.Remove(id) },
		Exists:  func(_ *testing.T, id state.ID) bool { return plant.Get(id) != nil },
		Foreign: func(_ *testing.T, object *state.Object) { plant.Write(object.ID(), object.Content(), "somebody") },
	})
}
