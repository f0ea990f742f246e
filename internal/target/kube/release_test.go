package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
)

// overwrite changes a Deployment as a controller does: read, change, update.
func (b *bench) overwrite(path string, change func(spec map[string]any)) {
	b.t.Helper()
	var object map[string]any
	if err := json.Unmarshal(b.do("GET", path, ""), &object); err != nil {
		b.t.Fatal(err)
	}
	change(object["spec"].(map[string]any))
	delete(object["metadata"].(map[string]any), "resourceVersion") // whatever others do meanwhile
	b.put(path+"?fieldManager=rival", object)
}

func (b *bench) put(path string, object map[string]any) {
	b.t.Helper()
	body, err := json.Marshal(object)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("PUT", path, string(body))
}

func (b *bench) get(path string) view {
	b.t.Helper()
	var object map[string]any
	if err := json.Unmarshal(b.do("GET", path, ""), &object); err != nil {
		b.t.Fatal(err)
	}
	return view{object}
}

func firstContainer(spec map[string]any) map[string]any {
	template := view{spec}.list("template", "spec", "containers")
	return template[0].(map[string]any)
}

// A field that another writer has taken is left as it is, whatever it holds by now, while the others are put right.
func TestContendedFieldsAreLeftAsTheyAre(t *testing.T) {
	b := newBench(t)
	path := "/apis/apps/v1/namespaces/" + b.namespace + "/deployments/web"
	tests := []struct {
		name   string
		field  string
		write  func(spec map[string]any, value int)
		reads  func(spec map[string]any) any
		expect func(value int) any
	}{
		{
			"a scalar", "/spec/replicas", func(spec map[string]any, value int) { spec["replicas"] = value },
			func(spec map[string]any) any { return spec["replicas"] }, func(value int) any { return float64(value) },
		},
		{
			"a field of a list's item", "/spec/template/spec/containers[name=web]/image",
			func(spec map[string]any, value int) { firstContainer(spec)["image"] = fmt.Sprint("rival:", value) },
			func(spec map[string]any) any { return firstContainer(spec)["image"] },
			func(value int) any { return fmt.Sprint("rival:", value) },
		},
		{
			"an item of a list", "/spec/template/spec/containers[name=web]/env[name=A]",
			func(spec map[string]any, value int) {
				firstContainer(spec)["env"] = []any{map[string]any{"name": "A", "value": fmt.Sprint(value)}}
			},
			func(spec map[string]any) any { return firstContainer(spec)["env"] },
			func(value int) any { return []any{map[string]any{"name": "A", "value": fmt.Sprint(value)}} },
		},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := *b
			b.t = t
			object := b.object(fmt.Sprintf(deployment, b.namespace, 2))
			b.settle(object)
			for round := range 3 {
				value := 10*(i+1) + round
				b.overwrite(path, func(spec map[string]any) {
					test.write(spec, value)
					spec["revisionHistoryLimit"] = 3 + round
				})
				changed := b.object(strings.Replace(fmt.Sprintf(deployment, b.namespace, 2), `"selector"`,
					fmt.Sprintf(`"minReadySeconds":%d,"selector"`, round+1), 1))
				query := wantOf(changed)
				var entry diff.Entry
				b.eventually("the other's value is seen", func() bool {
					entry = b.entry(query, changed.ID())
					return len(entry.Fields) >= 2
				})
				step := plan.Step{
					ID: changed.ID(), Op: diff.Update, Want: changed, Fields: entry.Fields,
					Ignore: []diff.Ignore{{ID: changed.ID(), Fields: []string{test.field}}},
				}
				result := b.carryOut([]plan.Step{step})[changed.ID()]
				if result.Err != nil || !result.Changed || strings.Contains(strings.Join(result.TookOver, " "), test.field) {
					t.Fatalf("result = %+v", result)
				}
				spec := b.get(path).content["spec"].(map[string]any)
				if d := cmp.Diff(test.expect(value), test.reads(spec)); d != "" {
					t.Errorf("round %d: the contended field: %s", round, d)
				}
				if spec["minReadySeconds"] != float64(round+1) {
					t.Errorf("round %d: the other field: %v", round, spec["minReadySeconds"])
				}
				// It is still a difference for whoever does not leave it to the other.
				if entry := b.entry(query, changed.ID()); entry.Op != diff.Update {
					t.Errorf("round %d: %+v", round, entry)
				}
			}
			b.settle(object)
		})
	}
}

func TestCreateWithIgnoredFieldsIsAsDeclared(t *testing.T) {
	b := newBench(t)
	object := b.object(fmt.Sprintf(deployment, b.namespace, 2))
	result := b.carryOut([]plan.Step{{
		ID: object.ID(), Op: diff.Create, Want: object,
		Ignore: []diff.Ignore{{Fields: []string{"/spec/replicas", "/spec/template/spec/containers[name=web]/image"}}},
	}})[object.ID()]
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	made := b.get("/apis/apps/v1/namespaces/" + b.namespace + "/deployments/web")
	spec := made.content["spec"].(map[string]any)
	if spec["replicas"] != float64(2) || firstContainer(spec)["image"] != "nginx" {
		t.Errorf("made with %v replicas of %v", spec["replicas"], firstContainer(spec)["image"])
	}
}

// Of a map that several write, only what is not ours is left out: leaving out what is ours would delete it.
func TestRelease(t *testing.T) {
	live := decodeYAML(t, `
metadata: {annotations: {ours: a, theirs: b}}
spec: {replicas: 5, selector: {app: x, tier: y}, ports: [{port: 80, protocol: TCP, targetPort: 1}]}
`)
	const declared = `{metadata: {annotations: {ours: a, theirs: b}},
		spec: {replicas: 5, selector: {app: x, tier: y}, ports: [{port: 80, targetPort: 1}]}}`
	owned := func(paths ...string) []diff.Path {
		var parsed []diff.Path
		for _, text := range paths {
			path, err := diff.ParsePath(text)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, path)
		}
		return parsed
	}
	tests := []struct {
		name, ignore string
		ours         []diff.Path
		want         string
	}{
		{"a scalar of theirs", "/spec/replicas", nil,
			`{metadata: {annotations: {ours: a, theirs: b}}, spec: {selector: {app: x, tier: y}, ports: [{port: 80, targetPort: 1}]}}`},
		{"a scalar of ours", "/spec/replicas", owned("/spec/replicas"), declared},
		{"a map of both", "/metadata/annotations", owned("/metadata/annotations", "/metadata/annotations/ours"),
			`{metadata: {annotations: {ours: a}}, spec: {replicas: 5, selector: {app: x, tier: y}, ports: [{port: 80, targetPort: 1}]}}`},
		{"a map that is ours as a whole", "/spec/selector", owned("/spec/selector"), declared},
		{"in a map that is written as a whole", "/spec/selector/app", nil, declared},
		{"a field of an item", "/spec/ports[port=80,protocol=TCP]/targetPort", nil,
			`{metadata: {annotations: {ours: a, theirs: b}}, spec: {replicas: 5, selector: {app: x, tier: y}, ports: [{port: 80}]}}`},
		{"a field of an item of ours", "/spec/ports[port=80]/targetPort",
			owned("/spec/ports[port=80,protocol=TCP]", "/spec/ports[port=80,protocol=TCP]/targetPort"), declared},
		{"an item", "/spec/ports[port=80]", nil,
			`{metadata: {annotations: {ours: a, theirs: b}}, spec: {replicas: 5, selector: {app: x, tier: y}, ports: [{port: 80}]}}`},
		{"a wildcard", "/spec/ports[*]/targetPort", nil, declared},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			content := decodeYAML(t, declared)
			want := decodeYAML(t, test.want)
			shape := func(pattern string) diff.Shape { return diff.Shape{Closed: pattern == "/spec/selector"} }
			releaser{ours: test.ours, shape: shape}.release(content, live, owned(test.ignore)[0])
			if d := cmp.Diff(want, content); d != "" {
				t.Error(d)
			}
		})
	}
}
