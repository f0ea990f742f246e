package state_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/internal/state"
)

func content() map[string]any {
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": "web", "namespace": "shop", "labels": map[string]any{"app": "web"},
			"annotations": map[string]any{"setpoint.dev/wave": "2"},
		},
		"spec": map[string]any{"replicas": int64(math.MaxInt64), "share": 0.5, "text": "<a> & \u2028", "on": true, "none": nil, "list": []any{}},
	}
}

func TestObject(t *testing.T) {
	object := state.NewObject(content(), state.Origin{File: "web.yaml", Line: 3})
	if want := (state.ID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}); object.ID() != want {
		t.Errorf("ID %v, want %v", object.ID(), want)
	}
	if object.APIVersion() != "apps/v1" || object.Version() != "v1" || object.Kind() != "Deployment" || object.Check() != nil {
		t.Errorf("%s %s %s: %v", object.APIVersion(), object.Version(), object.Kind(), object.Check())
	}
	if names := object.AnnotationNames(); len(names) != 1 || names[0] != "setpoint.dev/wave" {
		t.Errorf("the annotations are %q", names)
	}
	if object.Annotation("setpoint.dev/wave") != "2" || object.Label("app") != "web" || object.Label("none") != "" {
		t.Error("annotations or labels are lost")
	}
	if difference := cmp.Diff(content(), object.Content()); difference != "" {
		t.Errorf("the content has changed: %s", difference)
	}
	object.Content()["spec"].(map[string]any)["replicas"] = int64(1)
	if difference := cmp.Diff(content(), object.Content()); difference != "" {
		t.Errorf("whoever changes a copy changes the object: %s", difference)
	}
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.DecodeObject(data, state.Origin{})
	if err != nil || again.Digest() != object.Digest() || again.ID() != object.ID() {
		t.Errorf("JSON and back gives %v, %v", again, err)
	}
}

func TestObjectMoved(t *testing.T) {
	object := state.NewObject(content(), state.Origin{File: "web.yaml"})
	there := object.WithNamespace("other")
	if there.ID().Namespace != "other" || object.ID().Namespace != "shop" || there.Origin() != object.Origin() || there.Digest() == object.Digest() {
		t.Errorf("in another namespace it is %v from %v", there.ID(), there.Origin())
	}
	if back := there.WithNamespace("shop"); back.Digest() != object.Digest() {
		t.Error("there and back is not the same")
	}
	if nowhere := object.WithNamespace(""); nowhere.ID().Namespace != "" {
		t.Errorf("without a namespace it is %v", nowhere.ID())
	}
	moved := object.WithOrigin(state.Origin{File: "elsewhere.yaml"})
	if moved.Digest() != object.Digest() || moved.Origin().File != "elsewhere.yaml" || object.Origin().File != "web.yaml" {
		t.Error("declaring it elsewhere changes it")
	}
}

// What has no JSON is refused elsewhere; here it must not be lost or lead to a panic.
func TestObjectWithoutJSON(t *testing.T) {
	odd := content()
	odd["spec"] = map[string]any{"replicas": math.NaN()}
	object := state.NewObject(odd, state.Origin{})
	if _, err := json.Marshal(object); err == nil {
		t.Error("NaN has become JSON")
	}
	spec, _ := object.Content()["spec"].(map[string]any)
	if value, _ := spec["replicas"].(float64); !math.IsNaN(value) || object.Digest() == "" {
		t.Errorf("the content is %v", object.Content())
	}
	for _, broken := range []map[string]any{nil, {}, {"apiVersion": 1, "metadata": "text"}, {"apiVersion": "a/b/c"}} {
		if err := state.NewObject(broken, state.Origin{}).Check(); err == nil {
			t.Errorf("%v passes for an object", broken)
		}
	}
}

func TestFilter(t *testing.T) {
	a, b := state.NewObject(content(), state.Origin{}), state.NewObject(content(), state.Origin{}).WithNamespace("other")
	set, _ := state.NewSet([]*state.Object{a, b})
	if all := set.Filter(func(*state.Object) bool { return true }); all.Digest() != set.Digest() || all.Len() != 2 {
		t.Error("keeping everything changes the set")
	}
	one := set.Filter(func(object *state.Object) bool { return object.ID().Namespace == "shop" })
	if one.Len() != 1 || one.Get(a.ID()) != a || one.Has(b.ID()) || one.Digest() == set.Digest() {
		t.Errorf("%d are left", one.Len())
	}
	if none := set.Filter(func(*state.Object) bool { return false }); none.Len() != 0 || none.Digest() != "" {
		t.Error("keeping nothing leaves something")
	}
}
