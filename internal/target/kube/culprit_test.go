package kube

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// decodeYAML reads one object into the shapes that the rest of the program uses.
func decodeYAML(t testing.TB, text string) map[string]any {
	t.Helper()
	return objectYAML(t, text).Content()
}

func objectYAML(t testing.TB, text string) *state.Object {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	object, err := state.DecodeObject(data, state.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// managed is a Deployment as a server keeps it, with what several writers own.
const managed = `
metadata:
  managedFields:
  - manager: setpoint
    operation: Apply
    apiVersion: apps/v1
    time: "2026-01-01T10:00:00Z"
    fieldsType: FieldsV1
    fieldsV1:
      f:metadata: {f:labels: {f:app: {}, f:old: {}}}
      f:spec:
        f:paused: {}
        f:selector: {}
        f:template: {f:spec: {f:containers: {'k:{"name":"web"}': {
          .: {}, f:name: {}, f:ports: {'k:{"containerPort":80,"protocol":"TCP"}': {.: {}, f:containerPort: {}}}}}}}
  - manager: kubectl-edit
    operation: Update
    apiVersion: apps/v1
    time: "2026-01-01T11:00:00Z"
    fieldsType: FieldsV1
    fieldsV1:
      f:spec: {f:replicas: {}, f:template: {f:spec: {f:containers: {'k:{"name":"web"}': {f:image: {}}}}}}
  - manager: kube-controller-manager
    operation: Update
    subresource: status
    apiVersion: apps/v1
    time: "2026-01-01T12:00:00Z"
    fieldsType: FieldsV1
    fieldsV1: {f:status: {f:replicas: {}}, f:metadata: {f:finalizers: {'v:"x/y"': {}}, f:annotations: {.: {}, f:rev: {}}}}
`

func TestBlame(t *testing.T) {
	o := readOwnership(decodeYAML(t, managed))
	fields := []diff.Field{
		{Path: "/spec/replicas", Old: "5"},
		{Path: "/spec/template/spec/containers[name=web]/image", Old: `"x"`},
		{Path: "/metadata/finalizers[=x~1y]", Old: `"x/y"`},
		{Path: "/metadata/finalizers[=x/y]", Old: `"x/y"`},
		{Path: "/metadata/annotations/rev", Old: `"1"`},
		{Path: "/metadata/annotations/other", Old: `"1"`},
		{Path: "/spec/template", Old: `{}`},
		{Path: "/spec/minReadySeconds", Old: ""},
		{Path: "/status/ready", Old: ""},
	}
	o.blame(fields, "setpoint")
	var by []string
	for _, f := range fields {
		by = append(by, f.By)
	}
	want := []string{
		"kubectl-edit", "kubectl-edit", "", "kube-controller-manager (status)", "kube-controller-manager (status)", "", "kubectl-edit",
		"probably kubectl-edit", "probably kube-controller-manager (status)",
	}
	if d := cmp.Diff(want, by); d != "" {
		t.Error(d)
	}
	if at := time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC); !fields[0].When.Equal(at) {
		t.Errorf("when: %v", fields[0].When)
	}
	before := readOwnership(decodeYAML(t, strings.Replace(managed, "T11:00", "T09:00", 1)))
	gone := []diff.Field{{Path: "/metadata/labels/app", Old: ""}}
	if before.blame(gone, "setpoint"); gone[0].By != "" || !gone[0].When.IsZero() {
		t.Errorf("who wrote before we did is blamed for what went after it: %+v", gone[0])
	}
}

func TestAppliedByAndOwns(t *testing.T) {
	o := readOwnership(decodeYAML(t, managed))
	if !o.appliedBy("setpoint") || o.appliedBy("kubectl-edit") || ownership(nil).appliedBy("setpoint") {
		t.Error("applied by whom?")
	}
	owns := o.owns("setpoint")
	for text, want := range map[string]bool{
		"/spec/paused": true, "/spec/replicas": false, "/spec/template/spec/containers[name=web]/ports[containerPort=80,protocol=TCP]": true,
	} {
		path, err := diff.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		if owns(path) != want {
			t.Errorf("owns %s: %v", text, !want)
		}
	}
}

func TestAbandoned(t *testing.T) {
	o := readOwnership(decodeYAML(t, managed))
	tests := []struct {
		name, applied string
		want          []string
	}{
		{"all is declared", `{metadata: {labels: {app: a, old: b}}, spec: {paused: false, selector: {},
			template: {spec: {containers: [{name: web, ports: [{containerPort: 80}]}]}}}}`, nil},
		{"a label and a port", `{metadata: {labels: {app: a}}, spec: {paused: false, selector: {},
			template: {spec: {containers: [{name: web}]}}}}`, []string{
			"/metadata/labels/old", "/spec/template/spec/containers[name=web]/ports[containerPort=80,protocol=TCP]",
		}},
		{"a container", `{metadata: {labels: {app: a, old: b}}, spec: {paused: true, selector: {},
			template: {spec: {containers: [{name: other}]}}}}`, []string{"/spec/template/spec/containers[name=web]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, o.abandoned(decodeYAML(t, test.applied), "setpoint")); d != "" {
				t.Error(d)
			}
			if got := o.abandoned(decodeYAML(t, test.applied), "nobody"); got != nil {
				t.Error(got)
			}
		})
	}
}

func TestOwnershipSharesWhatIsEqual(t *testing.T) {
	live := decodeYAML(t, managed)
	const objects = 2000
	kept := make([]ownership, 0, objects)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range objects {
		kept = append(kept, readOwnership(live))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / objects
	if each > 200 { // three writers of 24 bytes
		t.Errorf("%d bytes for each object", each)
	}
	runtime.KeepAlive(kept)
}

func TestOwnershipOfNonsense(t *testing.T) {
	for _, text := range []string{
		`{}`, `{metadata: {managedFields: 1}}`, `{metadata: {managedFields: [1, {}, {manager: setpoint, operation: Apply, fieldsV1: 3}]}}`,
		`{metadata: {managedFields: [{manager: setpoint, operation: Apply, fieldsV1: {"k:{": {}, "q": {}, "i:9": {}}}]}}`,
	} {
		o := readOwnership(decodeYAML(t, text))
		o.blame([]diff.Field{{Path: "/a"}}, "other")
		if got := o.abandoned(map[string]any{}, "setpoint"); !slices.Equal(got, nil) {
			t.Errorf("%s: %v", text, got)
		}
	}
}
