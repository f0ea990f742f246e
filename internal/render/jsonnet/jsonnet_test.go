package jsonnet_test

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
	"github.com/setpoint-dev/setpoint/internal/render/jsonnet"
	"github.com/setpoint-dev/setpoint/test/rendertest"
)

func TestMain(m *testing.M) {
	rendertest.Main(m, map[string]confined.Evaluator{jsonnet.Format: jsonnet.Evaluate})
}

const object = "{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'a'}}"

func names(result render.Result) []string {
	var all []string
	for _, found := range result.Found {
		all = append(all, found.Object.ID().Name)
	}
	return all
}

func TestRenders(t *testing.T) {
	const one = "local cm(name) = {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}};\n"
	vendor := map[string]string{"vendor/x.libsonnet": "{name: 'vendored'}"}
	for name, test := range map[string]struct {
		text  string
		path  string
		files map[string]string
		how   v1alpha1.Jsonnet
		want  []string
	}{
		"one object":             {text: object, want: []string{"a"}},
		"a list, nested":         {text: one + "[cm('b'), [cm('a'), null]]", want: []string{"b", "a"}},
		"a mapping, by its keys": {text: one + "{z: cm('z'), a: {y: cm('y'), b: [cm('b')]}}", want: []string{"b", "y", "z"}},
		"a List":                 {text: one + "{apiVersion: 'v1', kind: 'List', items: [cm('b'), cm('a')]}", want: []string{"b", "a"}},
		"hidden fields":          {text: one + "{x:: cm('x'), y: cm('y')}", want: []string{"y"}},
		"nothing":                {text: "[]"},
		"a file":                 {text: object, path: "main.jsonnet", want: []string{"a"}},
		"variables": {
			text: one + "[cm(std.extVar('text')), cm(std.extVar('deep').names[1])]",
			how:  v1alpha1.Jsonnet{Variables: map[string]any{"text": `t"'`, "deep": map[string]any{"names": []any{"x", "y"}}}},
			want: []string{`t"'`, "y"},
		},
		"arguments": {
			text: one + "function(name, n=1) [cm(name + i) for i in std.range(1, n)]",
			how:  v1alpha1.Jsonnet{Arguments: map[string]any{"name": "w", "n": 2}},
			want: []string{"w1", "w2"},
		},
		"an import beside it":  {text: one + "cm((import 'y.libsonnet').name)", files: map[string]string{"y.libsonnet": "{name: 'y'}"}, want: []string{"y"}},
		"vendored":             {text: one + "cm((import 'x.libsonnet').name)", files: vendor, want: []string{"vendored"}},
		"vendored at the root": {text: one + "cm((import 'x.libsonnet').name)", path: "deep/er", files: vendor, want: []string{"vendored"}},
		"a library": {
			text: one + "cm((import 'z.libsonnet').name)", path: "deep", files: map[string]string{"shared/z.libsonnet": "{name: 'shared'}"},
			how: v1alpha1.Jsonnet{Libraries: []string{"shared"}}, want: []string{"shared"},
		},
		"text and YAML": {
			text:  one + "[cm(std.parseYaml(importstr '../c.yaml').name), cm(std.length(importbin 'b.bin') + '')]",
			path:  "deep",
			files: map[string]string{"c.yaml": "name: fromyaml\n", "deep/b.bin": "\x00\xff"},
			want:  []string{"fromyaml", "2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(test.files)
			if files == nil {
				files = map[string]string{}
			}
			main := "main.jsonnet"
			if test.path != "" && !strings.HasSuffix(test.path, ".jsonnet") {
				main = test.path + "/main.jsonnet"
			}
			files[main] = test.text
			result, err := rendertest.Render(t, jsonnet.Renderer{}, files, render.Request{Path: test.path, How: v1alpha1.Rendering{Jsonnet: &test.how}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(result)); diff != "" {
				t.Error(diff)
			}
			if result.Format != "jsonnet" || slices.ContainsFunc(result.Found, func(f render.Found) bool { return f.Object.Origin().File != main }) {
				t.Errorf("format %q, files %v", result.Format, result.Found)
			}
		})
	}
}

func TestErrorsNameTheirPlace(t *testing.T) {
	for name, test := range map[string]struct{ text, want, hint string }{
		"syntax":              {text: "{\n  a: [\n}", want: "main.jsonnet:3"},
		"an unknown variable": {text: "{\n  a: b,\n}", want: "main.jsonnet:2"},
		"an error":            {text: "{\n  a: error 'no ' + 'way',\n}", want: "main.jsonnet:2: no way"},
		"in an import":        {text: "\nlocal bad = import 'bad.libsonnet'; bad.f(1)", want: "bad.libsonnet:2"},
		"a missing import":    {text: "\nimport 'nothing.libsonnet'", want: "main.jsonnet:2", hint: "vendor"},
		"an absolute import":  {text: "import '/etc/passwd'", want: "absolute"},
		"an import outside":   {text: "importstr '../../etc/passwd'", want: "outside"},
		"a URL":               {text: "import 'https://example.com/x.libsonnet'", want: "nothing is fetched"},
		"a directory":         {text: "importstr 'dir'", want: "it is a directory"},
		"an external":         {text: "std.extVar('x')", want: "main.jsonnet", hint: "spec.jsonnet.variables"},
		"an argument":         {text: "function(x) x", want: "x", hint: "spec.jsonnet.arguments"},
		"no object":           {text: "{a: {b: [1]}}", want: "main.jsonnet: a.b[0]: ", hint: "mapping"},
		"no kind":             {text: "{apiVersion: 'v1'}", want: "no kind"},
		"no name":             {text: "{apiVersion: 'v1', kind: 'ConfigMap'}", want: "metadata.name"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"main.jsonnet": test.text, "bad.libsonnet": "{f(n)::\n  {}.x}", "dir/x": ""}
			_, err := rendertest.Render(t, jsonnet.Renderer{}, files, render.Request{})
			rendertest.Refused(t, err, test.want, test.hint)
		})
	}
	if _, err := rendertest.Render(t, jsonnet.Renderer{}, nil, render.Request{Path: "x.jsonnet"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestReadsAreRecorded: a change of what was imported, or of what was looked for in vain, makes it render anew; no other does.
func TestReadsAreRecorded(t *testing.T) {
	files := map[string]string{"app/main.jsonnet": "[import 'x.libsonnet', {} + import 'y.libsonnet']", "lib/x.libsonnet": object, "app/y.libsonnet": object}
	result, err := rendertest.Render(t, jsonnet.Renderer{}, files, render.Request{Path: "app"})
	if err != nil {
		t.Fatal(err)
	}
	rendertest.Changes(t, result.Reads, files, map[string]bool{
		"other": true, "app/other": true, "lib/x.libsonnet": false, "app/x.libsonnet": false, "app/vendor/x.libsonnet": false,
	})
}

// TestBombs: each is refused within its limits, whatever it does.
func TestBombs(t *testing.T) {
	for name, text := range map[string]string{
		"recursion":            "local f(x) = f(x) + 1; f(1)",
		"tailstrict recursion": "local f(x) = f(x + 1) tailstrict; f(1)",
		"a lazy object":        "local o = {a: self.a}; o.a",
		"a deep object":        "local o = {apiVersion: 'v1', kind: 'x', metadata: o}; o",
		"repeat":               "std.repeat('x', 1000000000)",
		"a large list":         "std.length(std.repeat([1], 1000000000))",
		"range":                "std.range(1, 1e9)",
		"doubling":             "std.foldl(function(a, i) a + a, std.range(1, 60), 'x')",
		"doubling lists":       "std.foldl(function(a, i) a + a, std.range(1, 60), ['x'])",
		"comprehension":        "[[[[x + y + z + w for w in std.range(1, 2000)] for z in std.range(1, 2000)] for y in std.range(1, 2000)] for x in std.range(1, 2000)]",
		"an exponential call":  "local f(n) = if n == 0 then 1 else f(n - 1) + f(n - 1); f(100)",
		"YAML":                 "std.parseYaml(importstr 'bomb.yaml')",
		"many objects":         "[" + object + " + {metadata+: {name: i + ''}} for i in std.range(1, 50001)]",
		"many values":          "[null for i in std.range(1, 2000001)]",
		"a long object":        "{a: " + object + " + {data: std.foldl(function(a, i) a + a, std.range(1, 23), 'x')}}",
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"main.jsonnet": text, "bomb.yaml": rendertest.YAMLBomb("")}
			_, err := rendertest.Render(t, jsonnet.Renderer{Limits: rendertest.Tight()}, files, render.Request{})
			if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" && name != "YAML" && name != "a long object" {
				t.Errorf("%v: %v (%s)", fault.KindOf(err), err, fault.HintOf(err))
			}
		})
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if memory.HeapSys > 256<<20 { // the most that this process has ever had
		t.Errorf("the parent has taken %d MiB", memory.HeapSys>>20)
	}
}

func BenchmarkRender(b *testing.B) {
	rendertest.Benchmark(b, jsonnet.Renderer{}, map[string]string{"main.jsonnet": object})
}
