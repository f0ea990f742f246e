package explain_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/explain"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func formats() render.Formats {
	overlays := kustomize.Renderer{}
	charts := helm.New(helm.Options{
		PostRender: func(ctx context.Context, request render.Request, objects []render.Found) ([]render.Found, error) {
			return overlays.PostRender(ctx, request, objects)
		},
	})
	overlays = kustomize.New(kustomize.Options{Charts: charts})
	return render.Formats{Kustomize: overlays, Plain: plain.New(), Helm: charts}
}

func files(text string) map[string]string {
	all := map[string]string{}
	for _, file := range txtar.Parse([]byte(text)).Files {
		all[file.Name] = string(file.Data)
	}
	return all
}

func config(text, path string) explain.Config {
	artifact := memory.New(state.Revision{ID: "1", Ref: "main"}, files(text))
	return explain.Config{
		Renderer: formats(), Files: artifact, Request: render.Request{Artifact: artifact, Path: path, Name: "shop"},
	}
}

// explained gives where each field comes from: "object pointer: places".
func explained(t *testing.T, cfg explain.Config) map[string]string {
	t.Helper()
	result, err := explain.Explain(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, object := range result.Objects {
		for _, field := range explain.Fields(object.Object.Content()) {
			var places []string
			for _, place := range object.From(field.Pointer) {
				places = append(places, place.String())
			}
			all[object.Object.ID().Kind+" "+field.Pointer] = strings.Join(places, ", ")
		}
		if len(object.Because) > 0 {
			all[object.Object.ID().Kind] = fmt.Sprint(object.Because)
		}
	}
	return all
}

// want compares the fields that are named.
func want(t *testing.T, got, want map[string]string) {
	t.Helper()
	some := map[string]string{}
	for name := range want {
		some[name] = got[name]
	}
	if difference := cmp.Diff(want, some); difference != "" {
		t.Errorf("%s\nall of it: %v", difference, got)
	}
}

func TestTheDeepestLayerThatHasAValueIsNamed(t *testing.T) {
	cfg := config(`
-- base/kustomization.yaml --
resources: [a.yaml]
patches:
- path: patch.yaml
-- base/a.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {one: "1", two: "1", three: "1"}
-- base/patch.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {two: "2"}
-- top/kustomization.yaml --
resources: [../base]
nameSuffix: -top
patches:
- path: same.yaml
- path: more.yaml
-- top/same.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  two: "2"
  three: "3"
-- top/more.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  three: "3"
`, "top")
	want(t, explained(t, cfg), map[string]string{
		"ConfigMap /kind":          "base/a.yaml:2",
		"ConfigMap /metadata/name": "top/kustomization.yaml:2 (nameSuffix), base/a.yaml:3",
		"ConfigMap /data/one":      "base/a.yaml:4",
		"ConfigMap /data/two":      "base/patch.yaml:4 (patch)", // the overlay says it again
		"ConfigMap /data/three":    "top/more.yaml:5 (patch)",   // both say it, and the last one wins
	})
}

func TestWhatCannotBeToldIsTheKustomization(t *testing.T) {
	cfg := config(`
-- top/kustomization.yaml --
resources: [a.yaml]
patches:
- target: {kind: ConfigMap}
  path: one.yaml
- target: {kind: ConfigMap}
  path: two.yaml
-- top/a.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
-- top/one.yaml --
- {op: add, path: /data, value: {x: "1"}}
-- top/two.yaml --
- {op: add, path: /data, value: {x: "1"}}
`, "top")
	want(t, explained(t, cfg), map[string]string{"ConfigMap /data/x": "top/kustomization.yaml"})
}

func TestGeneratorsAndReplacements(t *testing.T) {
	cfg := config(`
-- kustomization.yaml --
resources: [a.yaml]
configMapGenerator:
- name: made
  literals: [A=1, "B=2"]
  files:
  - text.txt
  - other=text.txt
  envs: [some.env]
replacements:
- source: {kind: Service, name: a, fieldPath: spec.type}
  targets:
  - select: {kind: Service}
    fieldPaths: [metadata.annotations.type]
    options: {create: true}
-- a.yaml --
apiVersion: v1
kind: Service
metadata: {name: a}
spec:
  type: NodePort
-- text.txt --
text
-- some.env --
# comment
C=3
`, ".")
	generator := "(configMapGenerator made)"
	want(t, explained(t, cfg), map[string]string{
		"ConfigMap /data/A":                  "kustomization.yaml:4 " + generator,
		"ConfigMap /data/text.txt":           "text.txt " + generator,
		"ConfigMap /data/other":              "text.txt " + generator,
		"ConfigMap /data/C":                  "some.env:2 " + generator,
		"ConfigMap /metadata/name":           "kustomization.yaml:3 " + generator,
		"Service /metadata/annotations/type": "kustomization.yaml:10 (replacements)",
		"Service /spec/type":                 "a.yaml:5",
	})
}

const chart = `
-- chart/Chart.yaml --
apiVersion: v2
name: shop
version: 1.0.0
-- chart/values.yaml --
name: web
tag: "1"
enabled: true
debug: false
ports: [80, 81]
labels: {}
-- chart/templates/a.yaml --
{{- if .Values.enabled }}
apiVersion: v1
kind: Service
metadata:
  name: {{ .Values.name }}
  annotations:
    token: {{ randAlphaNum 20 }}
    time: {{ now | quote }}
    all: {{ toJson .Values | quote }}
    {{- with .Values.labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  ports:
  {{- if .Values.debug }}
  - {name: debug, port: 9}
  {{- end }}
  {{- range $i, $port := .Values.ports }}
  - {name: p{{ $i }}, port: {{ $port }}}
  {{- end }}
  selector: {tag: {{ .Values.tag | quote }}}
{{- end }}
-- values/eu.yaml --
# of the region
tag: "2"
-- post/kustomization.yaml --
commonAnnotations: {by: post}
`

func TestValuesOfCharts(t *testing.T) {
	cfg := config(chart, "chart")
	cfg.Request.How.Helm = &v1alpha1.Helm{ValuesFrom: []v1alpha1.HelmValues{{File: "values/eu.yaml"}}, PostRender: "post"}
	want(t, explained(t, cfg), map[string]string{
		"Service":                             "[chart/values.yaml:3 (value enabled)]",
		"Service /metadata/name":              "chart/templates/a.yaml, chart/values.yaml:1 (value name)",
		"Service /metadata/annotations/token": "chart/templates/a.yaml",
		"Service /metadata/annotations/time":  "chart/templates/a.yaml", // it changes by itself
		"Service /metadata/annotations/all":   "chart/templates/a.yaml", // and so does what says everything
		"Service /metadata/annotations/by":    "post/kustomization.yaml:1 (commonAnnotations by)",
		"Service /spec/ports/0/name":          "chart/templates/a.yaml", // not by what comes before it
		"Service /spec/ports/1/port":          "chart/templates/a.yaml, chart/values.yaml:5 (value ports[1])",
		"Service /spec/selector/tag":          "chart/templates/a.yaml, values/eu.yaml:2 (value tag)",
	})
}

func TestTheSameIsSaidEachTime(t *testing.T) {
	first := explained(t, config(chart, "chart"))
	if difference := cmp.Diff(first, explained(t, config(chart, "chart"))); difference != "" {
		t.Error(difference)
	}
}

// patience counts what is rendered.
type patience struct {
	render.Renderer
	count int
}

func (p *patience) Render(ctx context.Context, request render.Request) (render.Result, error) {
	p.count++
	return p.Renderer.Render(ctx, request)
}

func TestWithoutTimeTheTemplateIsToldAllTheSame(t *testing.T) {
	cfg := config(chart, "chart")
	counted := &patience{Renderer: cfg.Renderer}
	cfg.Renderer, cfg.Limit = counted, 1
	result, err := explain.Explain(t.Context(), cfg)
	if err != nil || !result.Partial || counted.count > 3 {
		t.Errorf("%d renders, partial: %v, %v", counted.count, result.Partial, err)
	}
	if from := result.Objects[0].From("/metadata/name"); len(from) != 1 || from[0].File != "chart/templates/a.yaml" {
		t.Errorf("it comes from %v", from)
	}
}

func TestVariables(t *testing.T) {
	cfg := config(`
-- a.yaml --
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  labels:
    ${KEY}: x
data:
  one: ${NAME}-${OTHER:=y}
  two: $${NAME}
  three: plain
`, ".")
	cfg.Request.How.Substitute = &v1alpha1.Substitute{
		Values: map[string]string{"NAME": "n", "KEY": "k"}, Environment: []string{"NAME", "HOME"},
	}
	cfg.Request.Outside.Environ = func(name string) (string, bool) { return "/", name == "HOME" }
	want(t, explained(t, cfg), map[string]string{
		"ConfigMap /metadata/labels/k": "a.yaml:6, variable KEY",
		"ConfigMap /data/one":          "a.yaml:8, variable NAME, variable OTHER, by its default",
		"ConfigMap /data/two":          "a.yaml:9",
		"ConfigMap /data/three":        "a.yaml:10",
	})
}

func TestImports(t *testing.T) {
	base := memory.New(state.Revision{ID: "sha256:1a2b3c4d5e", Ref: "1.4.0"}, map[string]string{
		"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
	})
	own := memory.New(state.Revision{ID: "1", Ref: "main"}, map[string]string{"top/kustomization.yaml": "resources: [../base]\n"})
	whole, err := source.Mount(own, []source.Mounted{{At: "base", Path: ".", Artifact: base, Name: "oci://registry.example.com/base"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := explain.Config{Renderer: formats(), Files: whole, Request: render.Request{Artifact: whole, Path: "top"}}
	want(t, explained(t, cfg), map[string]string{"ConfigMap /kind": "import base 1.4.0@1a2b3c4: a.yaml:2"})
}

func TestFilesOfAHost(t *testing.T) {
	cfg := config(`
-- apps/motd.yaml --
apiVersion: host.setpoint.dev/v1alpha1
kind: File
metadata: {name: motd}
spec:
  path: /etc/motd
  contentFrom: {file: motd.txt}
-- apps/motd.txt --
Be kind.
`, "apps")
	got := explained(t, cfg)
	want(t, got, map[string]string{
		"File /spec/content": "apps/motd.txt (content), apps/motd.yaml:6", "File /spec/path": "apps/motd.yaml:5",
	})
	for field := range maps.Keys(got) {
		if got[field] == "" {
			t.Errorf("%s comes from nowhere", field)
		}
	}
}

// encrypted is an artifact in which some files are.
type encrypted struct {
	source.Artifact
	names []string
}

func (e encrypted) Raw() source.Artifact                     { return e.Artifact }
func (e encrypted) Sensitive(name string) bool               { return slices.Contains(e.names, name) }
func (e encrypted) Secrets() []string                        { return nil }
func (e encrypted) Encrypted(*state.Object) ([]string, bool) { return nil, false }

func TestEncryptedFilesAreSaidToBe(t *testing.T) {
	cfg := config(`
-- kustomization.yaml --
secretGenerator:
- {name: login, envs: [secret.env]}
-- secret.env --
PASSWORD=hunter2
`, ".")
	cfg.Files = encrypted{cfg.Files, []string{"secret.env"}}
	want(t, explained(t, cfg), map[string]string{
		"Secret /data/PASSWORD": "secret.env:1 (secretGenerator login, encrypted)",
		"Secret /kind":          "kustomization.yaml:2 (secretGenerator login)",
	})
}

// program stands for a language that is evaluated.
type program string

func (p program) Render(_ context.Context, request render.Request) (render.Result, error) {
	object := state.NewObject(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}},
		state.Origin{File: "main.jsonnet"})
	return render.Result{Path: request.Path, Format: string(p), Found: []render.Found{{Object: object}}}, nil
}

func TestPrograms(t *testing.T) {
	cfg := config("-- main.jsonnet --\n{}\n", ".")
	cfg.Renderer = render.Formats{Jsonnet: program("jsonnet")}
	want(t, explained(t, cfg), map[string]string{"ConfigMap /kind": "main.jsonnet (evaluated by Jsonnet)"})
}

func TestNothingSecretOfAURLIsTold(t *testing.T) {
	for url, want := range map[string]string{
		"https://user:word@example.com/base?ref=v1&token=word": "https://example.com/base",
		"../base": "../base",
	} {
		if got := explain.WithoutSecrets(url); got != want {
			t.Errorf("%s is told as %s", url, got)
		}
	}
}
