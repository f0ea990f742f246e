package diff_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// decode reads YAML into the shapes that the rest of the program uses.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	object, err := state.DecodeObject(data, state.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return object.Content()
}

// lines gives fields as "path: old -> new".
func lines(fields []diff.Field) []string {
	out := []string{}
	for _, field := range fields {
		out = append(out, field.Path+": "+field.Old+" -> "+field.New)
	}
	return out
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name, want, live string
		opts             diff.Options
		fields           []string
	}{
		{name: "subset", want: `{spec: {a: 1}}`, live: `{spec: {a: 1, b: 2}, status: {}}`},
		{name: "leaf", want: `{spec: {a: 1}}`, live: `{spec: {a: 2}}`, fields: []string{`/spec/a: 2 -> 1`}},
		{name: "type", want: `{spec: {a: "1"}}`, live: `{spec: {a: 1}}`, fields: []string{`/spec/a: 1 -> "1"`}},
		{name: "absent subtree", want: `{spec: {a: {b: [1]}}}`, live: `{spec: {}}`, fields: []string{`/spec/a:  -> {"b":[1]}`}},
		{name: "numbers", want: `{spec: {a: 1, b: 2.0}}`, live: `{spec: {a: 1.0, b: 2}}`},
		{name: "empty and absent", want: `{spec: {a: {}, b: [], c: null, d: {e: {}}, f: "", g: false, h: 0}}`, live: `{spec: {}}`},
		{
			name: "empty and absent, but not ours any more", want: `{spec: {a: {}, b: false, c: null}}`, live: `{spec: {}}`,
			opts:   diff.Options{Owns: func(p diff.Path) bool { return p.String() != "/spec/b" }},
			fields: []string{`/spec/b:  -> false`},
		},
		{
			name: "what the server sets", want: `{apiVersion: v1, status: {x: 1}, metadata: {creationTimestamp: null, uid: a, name: n}}`,
			live: `{apiVersion: v1beta1, status: {x: 2}, metadata: {creationTimestamp: "2020-01-01T00:00:00Z", uid: b, name: n}}`,
		},
		{
			name: "containers by name, others added and reordered",
			want: `{spec: {containers: [{name: web, image: a}, {name: log, image: b}]}}`,
			live: `{spec: {containers: [{name: mesh}, {name: log, image: b}, {name: web, image: c}]}}`,
			fields: []string{
				`/spec/containers[name=web]/image: "c" -> "a"`,
			},
		},
		{
			name: "container missing", want: `{spec: {containers: [{name: web, image: a}]}}`, live: `{spec: {containers: [{name: x}]}}`,
			fields: []string{`/spec/containers[name=web]:  -> {"image":"a","name":"web"}`},
		},
		{
			name: "container ports with the default protocol",
			want: `{spec: {containers: [{name: a, ports: [{containerPort: 80, name: w}, {containerPort: 53, protocol: UDP}]}]}}`,
			live: `{spec: {containers: [{name: a, ports: [{containerPort: 53, protocol: UDP}, {containerPort: 80, protocol: TCP, name: v}]}]}}`,
			fields: []string{
				`/spec/containers[name=a]/ports[containerPort=80,protocol=TCP]/name: "v" -> "w"`,
			},
		},
		{
			name: "mount paths", want: `{spec: {volumeMounts: [{mountPath: /a/b, name: x}]}}`,
			live:   `{spec: {volumeMounts: [{mountPath: /a/b, name: z}]}}`,
			fields: []string{`/spec/volumeMounts[mountPath=/a/b]/name: "z" -> "x"`},
		},
		{
			name: "atomic list with more items", want: `{kind: RoleBinding, subjects: [{kind: User, name: a}]}`,
			live:   `{kind: RoleBinding, subjects: [{kind: User, name: a}, {kind: User, name: mallory}]}`,
			fields: []string{`/subjects: [{"kind":"User","name":"a"},{"kind":"User","name":"mallory"}] -> [{"kind":"User","name":"a"}]`},
		},
		{
			name: "atomic list, one item differs, with defaults added", want: `{spec: {rules: [{host: a}, {host: b}]}}`,
			live:   `{spec: {rules: [{host: a, pathType: Prefix}, {host: c}]}}`,
			fields: []string{`/spec/rules/1/host: "c" -> "b"`},
		},
		{
			name: "set", want: `{metadata: {finalizers: [b, x/y]}}`, live: `{metadata: {finalizers: [a, b]}}`,
			fields: []string{`/metadata/finalizers[=x/y]:  -> "x/y"`},
		},
		{
			name: "schema keys", want: `{spec: {servers: [{id: 1, v: 2}]}}`, live: `{spec: {servers: [{id: 2, v: 2}, {id: 1, v: 3}]}}`,
			opts: diff.Options{Shape: func(p string) diff.Shape {
				if p == "/spec/servers" {
					return diff.Shape{List: diff.ListAssociative, Keys: []string{"id"}}
				}
				return diff.Shape{}
			}},
			fields: []string{`/spec/servers[id=1]/v: 3 -> 2`},
		},
		{
			name: "closed map", want: `{spec: {nodeSelector: {a: b}}}`, live: `{spec: {nodeSelector: {a: b, c: d}}}`,
			opts:   diff.Options{Shape: func(p string) diff.Shape { return diff.Shape{Closed: p == "/spec/nodeSelector"} }},
			fields: []string{`/spec/nodeSelector/c: "d" -> `},
		},
		{
			name: "quantities", want: `{spec: {resources: {limits: {cpu: 1000m, memory: 1Gi, x: 1e3}, requests: {cpu: 1}}, other: 1000m}}`,
			live:   `{spec: {resources: {limits: {cpu: "1", memory: 1024Mi, x: 1k}, requests: {cpu: "1"}}, other: "1"}}`,
			fields: []string{`/spec/other: "1" -> "1000m"`},
		},
		{
			name: "quantity by schema", want: `{spec: {size: 1024Mi}}`, live: `{spec: {size: 1Gi}}`,
			opts: diff.Options{Shape: func(p string) diff.Shape { return diff.Shape{Quantity: p == "/spec/size"} }},
		},
		{
			name: "ignored", want: `{spec: {replicas: 3, a: {b: 1, c: 2}, containers: [{name: x, image: i, tag: j}, {name: q, image: i}]}}`,
			live: `{spec: {replicas: 5, a: {b: 2, c: 3}, containers: [{name: x, image: k, tag: k}, {name: q, image: k}]}}`,
			opts: diff.Options{Ignore: []string{"/spec/replicas", "/spec/a/*", "/spec/containers[name=x]/image", "/spec/containers/0/tag"}},
			fields: []string{
				`/spec/containers[name=q]/image: "k" -> "i"`,
			},
		},
		{
			name: "part of what is absent is ignored", want: `{spec: {a: {b: 1, c: 2}}}`, live: `{}`,
			opts: diff.Options{Ignore: []string{"/spec/a/b"}}, fields: []string{`/spec/a/c:  -> 2`},
		},
		{
			name: "stringData is data", want: `{apiVersion: v1, kind: Secret, stringData: {a: hello}, data: {b: "aGVs\nbG8="}}`,
			live: `{apiVersion: v1, kind: Secret, data: {a: aGVsbG8=, b: aGVsbG8=}}`,
		},
		{
			name: "secrets without a key", want: `{apiVersion: v1, kind: Secret, stringData: {a: hello}}`,
			live: `{apiVersion: v1, kind: Secret, data: {a: aGVsbG9v}}`, fields: []string{`/data/a: "redacted" -> "redacted"`},
		},
		{
			name: "environment variables", opts: diff.Options{Redact: diff.Redactor{Key: []byte("key")}},
			want:   `{spec: {env: [{name: DB_PASSWORD, value: hunter2}, {name: URL, value: "x://u:secret@h"}, {name: A, value: b}]}}`,
			live:   `{spec: {env: [{name: DB_PASSWORD, value: hunter3}, {name: URL, value: "x://h"}, {name: A, value: c}]}}`,
			fields: []string{`/spec/env[name=A]/value: "c" -> "b"`, `/spec/env[name=DB_PASSWORD]/value: "hmac:5b9d085a" -> "hmac:0faa58a4"`, `/spec/env[name=URL]/value: "hmac:476e7779" -> "hmac:e0407e3a"`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fields := diff.Compare(decode(t, test.want), decode(t, test.live), test.opts)
			if got := cmp.Diff(append([]string{}, test.fields...), lines(fields)); got != "" {
				t.Error(got)
			}
		})
	}
}

func TestLongValuesShowTheirFirstDifference(t *testing.T) {
	text := func(word string) map[string]any {
		return map[string]any{"data": map[string]any{"file": strings.Repeat("same line\n", 500) + word + strings.Repeat("\nsame", 500)}}
	}
	fields := diff.Compare(text("left"), text("right"), diff.Options{})
	if len(fields) != 1 {
		t.Fatal(lines(fields))
	}
	for value, word := range map[string]string{fields[0].New: "left", fields[0].Old: "right"} {
		var shown string
		if err := json.Unmarshal([]byte(value), &shown); err != nil {
			t.Fatal(err)
		}
		if len(value) > 500 || !strings.Contains(shown, word) || !strings.Contains(shown, "sha256:") {
			t.Errorf("%d bytes: %s", len(value), value)
		}
	}
}

func TestPath(t *testing.T) {
	for _, text := range []string{
		"", "/", "/a", "/a/b", "/a~1b/c~0d", "/a~2b", "/c[name=web]/image", "/p[port=80,protocol=TCP]/x", "/f[=x/y]", "/m[mountPath=/a]",
		"/a/*/b", "/a[a~5b=c~3d~4]", "/a[x=1][y=2]/z",
	} {
		path, err := diff.ParsePath(text)
		if err != nil {
			t.Error(err)
		} else if path.String() != text {
			t.Errorf("%q became %q", text, path)
		}
	}
	if path, _ := diff.ParsePath("/a[*]/b"); path.String() != "/a/*/b" {
		t.Errorf("[*] became %q", path)
	}
	for _, text := range []string{"a", "/a[", "/a[x]", "/a[x=1]y", "/a~", "/a~9", "/a[~=1]"} {
		if path, err := diff.ParsePath(text); err == nil {
			t.Errorf("%q was read as %q", text, path)
		}
	}
}

func TestMerge(t *testing.T) {
	const want = `{metadata: {labels: {a: x, b: y}}, spec: {replicas: 3, gone: 1, containers: [{name: w, image: i, tag: t}]}}`
	tests := []struct{ name, live, merged string }{
		{"values of live", `{spec: {replicas: 5, gone: 2, containers: [{name: m}, {name: w, image: k, tag: l}]}, metadata: {labels: {a: z, c: q}}}`,
			`{metadata: {labels: {a: z}}, spec: {replicas: 5, gone: 2, containers: [{name: w, image: k, tag: t}]}}`},
		{"absent in live", `{spec: {replicas: 5}}`,
			`{metadata: {}, spec: {replicas: 5, containers: [{name: w, tag: t}]}}`},
	}
	opts := diff.Options{Ignore: []string{"/spec/replicas", "/spec/gone", "/metadata/labels", "/spec/containers[*]/image"}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := decode(t, want)
			got := diff.Merge(before, decode(t, test.live), opts)
			if d := cmp.Diff(decode(t, test.merged), got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(decode(t, want), before); d != "" {
				t.Errorf("want was changed: %s", d)
			}
		})
	}
	if d := cmp.Diff(decode(t, want), diff.Merge(decode(t, want), nil, opts)); d != "" {
		t.Errorf("without a live object: %s", d)
	}
}

func TestChange(t *testing.T) {
	want := state.NewObject(decode(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: n}}`), state.Origin{File: "a.yaml", Line: 3})
	entry := diff.Entry{
		ID: want.ID(), Op: diff.Update, Want: want, Fields: make([]diff.Field, 60),
		Err: fault.New(fault.Denied, "apply", "ConfigMap/n", "no").WithHint("ask"),
	}
	change := diff.Change(entry, "drift", 0)
	if len(change.Fields) != 50 || change.Origin != "a.yaml:3" || change.Op != "update" || change.Cause != "drift" {
		t.Errorf("%+v", change)
	}
	if change.Error == nil || change.Error.Kind != "Denied" || change.Error.Hint != "ask" {
		t.Errorf("%+v", change.Error)
	}
}
