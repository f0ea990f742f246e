package cue_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
	"github.com/setpoint-dev/setpoint/internal/render/cue"
	"github.com/setpoint-dev/setpoint/test/rendertest"
)

func TestMain(m *testing.M) {
	rendertest.Main(m, map[string]confined.Evaluator{cue.Format: cue.Evaluate})
}

func rendered(t *testing.T, files map[string]string, path string, how *v1alpha1.CUE) (render.Result, error) {
	t.Helper()
	return rendertest.Render(t, cue.Renderer{}, files, render.Request{Path: path, How: v1alpha1.Rendering{CUE: how}})
}

// places gives the objects as "name at file:line".
func places(result render.Result) []string {
	var all []string
	for _, found := range result.Found {
		all = append(all, fmt.Sprintf("%s at %s", found.Object.ID().Name, found.Object.Origin()))
	}
	return all
}

const object = `apiVersion: "v1", kind: "ConfigMap", metadata: name: `

func TestRenders(t *testing.T) {
	module := map[string]string{
		"cue.mod/module.cue":                    "module: \"example.com/fleet@v0\"\nlanguage: version: \"v0.9.0\"\n",
		"lib/lib.cue":                           "package lib\n\n#CM: {\n\tapiVersion: \"v1\"\n\tkind:       \"ConfigMap\"\n\tmetadata: name: string\n}\n",
		"cue.mod/pkg/other.example.com/x/x.cue": "package x\n\nname: \"vendored\"\n",
	}
	for name, test := range map[string]struct {
		files map[string]string
		path  string
		how   *v1alpha1.CUE
		want  []string
	}{
		"one object":            {files: map[string]string{"a.cue": object + `"a"` + "\n"}, want: []string{"a at a.cue:1"}},
		"a list":                {files: map[string]string{"a.cue": "[\n{" + object + `"b"},` + "\n{" + object + `"a"},` + "\n]\n"}, want: []string{"b at a.cue:2", "a at a.cue:3"}},
		"a mapping":             {files: map[string]string{"a.cue": "package p\n\nx: y: {" + object + `"y"}` + "\nb: [{" + object + `"b"}]` + "\n"}, want: []string{"b at a.cue:4", "y at a.cue:3"}},
		"several files":         {files: map[string]string{"a.cue": "package p\nx: metadata: name: _name\n", "b.cue": "package p\nx: {" + object + "string}\n_name: \"b\"\n"}, want: []string{"b at b.cue:2"}},
		"other files beside it": {files: map[string]string{"a.cue": "package p\nx: {" + object + `"a"}`, "README.md": "# x", "o": "", "run.sh": "#!"}, want: []string{"a at a.cue:2"}},
		"a file alone":          {files: map[string]string{"d/a.cue": object + `"a"`, "d/b.cue": "package q"}, path: "d/a.cue", want: []string{"a at d/a.cue:1"}},
		"definitions stay open": {files: map[string]string{"a.cue": "#X: {a: string, ...}\n_y: int\nz?: string\nx: {" + object + `"a"}` + "\n"}, want: []string{"a at a.cue:4"}},
		"a tag":                 {files: map[string]string{"a.cue": object + "string @tag(name)"}, how: &v1alpha1.CUE{Tags: map[string]string{"name": "t"}}, want: []string{"t at a.cue:1"}},
		"an expression":         {files: map[string]string{"a.cue": "package p\nx: {a: {" + object + `"a"}, b: {` + object + `"b"}}` + "\ny: string\n"}, how: &v1alpha1.CUE{Expression: "[x.b]"}, want: []string{"b at a.cue:2"}},
		"the library of CUE": {
			files: map[string]string{"a.cue": "import \"strings\"\nimport \"encoding/yaml\"\n" + object + "strings.ToLower(yaml.Unmarshal(\"n: X\").n)"},
			want:  []string{"x at a.cue:3"},
		},
		"a package of the module": {
			files: map[string]string{"app/a.cue": "package app\n\nimport \"example.com/fleet/lib\"\n\nx: lib.#CM & {metadata: name: \"a\"}\n"}, path: "app",
			want: []string{"a at lib/lib.cue:5"},
		},
		"a package that is vendored": {
			files: map[string]string{"app/a.cue": "package app\n\nimport \"other.example.com/x\"\n\ny: {" + object + "x.name}\n"}, path: "app",
			want: []string{"vendored at app/a.cue:5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(test.files)
			if test.path == "app" {
				maps.Copy(files, module)
			}
			result, err := rendered(t, files, max(test.path, "."), test.how)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, places(result)); diff != "" {
				t.Error(diff)
			}
			if result.Format != "cue" {
				t.Error(result.Format)
			}
		})
	}
}

func TestErrorsNameTheirPlace(t *testing.T) {
	for name, test := range map[string]struct{ text, want, hint string }{
		"syntax":            {text: "a: {\n b: ]\n}", want: "a.cue:2"},
		"an unknown field":  {text: "a: {\n b: c\n}", want: "a.cue:2"},
		"a conflict":        {text: "a: 1\n\na: 2\n", want: "a.cue:1"},
		"not concrete":      {text: "\na: string\n", want: "a.cue:2", hint: "spec.cue.tags"},
		"no object":         {text: "a: b: [1]\n", want: "a.b[0]", hint: "mapping"},
		"no kind":           {text: "x: apiVersion: \"v1\"\n", want: "no kind"},
		"a missing package": {text: "import \"example.com/x\"\na: x.y\n", want: "example.com/x", hint: "cue.mod/pkg"},
		"a file outside":    {text: "@extern(embed)\n\npackage p\n\na: _ @embed(file=\"../../etc/passwd\")\n", want: "embed", hint: "embedded"},
		"a relative import": {text: "import \"../x\"\na: x.y\n", want: "a.cue:1"},
		"a cycle":           {text: "a: b + 1\nb: a + 1\n", want: "a.cue"},
		"infinite":          {text: "#a: {b: #a}\nx: #a\n", want: "structural cycle"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rendered(t, map[string]string{"a.cue": test.text}, ".", nil)
			rendertest.Refused(t, err, test.want, test.hint)
		})
	}
	for name, files := range map[string]map[string]string{
		"packages": {"a.cue": "package a", "b.cue": "package b"},
		"registry": {
			"cue.mod/module.cue": "module: \"example.com/fleet@v0\"\nlanguage: version: \"v0.9.0\"\ndeps: \"example.org/dep@v0\": v: \"v0.1.0\"\n",
			"a.cue":              "package a\n\nimport \"example.org/dep\"\n\nx: dep.y\n",
		},
	} {
		_, err := rendered(t, files, ".", nil)
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v: %v (%s)", name, fault.KindOf(err), err, fault.HintOf(err))
		}
	}
	if _, err := rendered(t, nil, "x.cue", nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
	for name, how := range map[string]*v1alpha1.CUE{"tag": {Tags: map[string]string{"x": "y"}}, "expression": {Expression: "a.b"}, "syntax": {Expression: "]"}} {
		_, err := rendered(t, map[string]string{"a.cue": "x: 1"}, ".", how)
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadsAreRecorded: a change of what was imported, or a new file, makes it render anew; no other does.
func TestReadsAreRecorded(t *testing.T) {
	files := map[string]string{
		"cue.mod/module.cue": "module: \"example.com/fleet@v0\"\nlanguage: version: \"v0.9.0\"\n",
		"lib/lib.cue":        "package lib\n\nname: \"x\"\n",
		"other/x":            "",
		"app/a.cue":          "package app\n\nimport \"example.com/fleet/lib\"\n\nx: {" + object + "lib.name}\n",
	}
	result, err := rendered(t, files, "app", nil)
	if err != nil {
		t.Fatal(err)
	}
	rendertest.Changes(t, result.Reads, files, map[string]bool{
		"other/x": true, "other/y": true, "lib/lib.cue": false, "app/b.cue": false, "cue.mod/module.cue": false,
	})
}

// TestBombs: each is refused within its limits, whatever it does.
func TestBombs(t *testing.T) {
	digits := "[0,1,2,3,4,5,6,7,8,9]"
	for name, text := range map[string]string{
		"comprehension": "l: " + digits + "\nx: [for a in l for b in l for c in l for d in l for e in l for f in l for g in l for h in l {a}]",
		"disjunction":   "import \"list\"\nx: {a: 1} | {b: 1}\n" + "y: [for i in list.Range(0, 40, 1) {(x & {f: i}) | {g: i}}]\n",
		"conjunction":   "package p\n" + conjunction(24),
		"doubling":      "import \"strings\"\nx: strings.Repeat(\"x\", 10000000000)",
		"doubled":       doubled(40),
		"range":         "import \"list\"\nx: list.Range(0, 1e9, 1)",
		"power":         "import \"math\"\nx: math.Pow(10, 100000000)",
		"YAML":          "import \"encoding/yaml\"\nx: yaml.Unmarshal(\"\"\"\n" + rendertest.YAMLBomb("\t") + "\t\"\"\")",
		"nested":        "x: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"structural":    "#f: {n: int, r: (#f & {\"n\": n + 1}).r}\nx: (#f & {n: 1}).r",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rendertest.Render(t, cue.Renderer{Limits: rendertest.Tight()}, map[string]string{"a.cue": text}, render.Request{})
			rendertest.Refused(t, err, "", "")
		})
	}
}

// conjunction makes n disjunctions whose product is large, and of which none fits.
func conjunction(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "x: {a%d: 1} | {a%d: 2} | {a%d: 3}\n", i, i, i)
	}
	return text.String()
}

func doubled(n int) string {
	text := "a0: [1, 2]\n"
	for i := range n {
		text += fmt.Sprintf("a%d: [a%d, a%d]\n", i+1, i, i)
	}
	return text
}

func BenchmarkRender(b *testing.B) {
	rendertest.Benchmark(b, cue.Renderer{}, map[string]string{"a.cue": object + `"a"`})
}
