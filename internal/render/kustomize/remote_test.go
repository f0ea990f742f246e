package kustomize_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// elsewhere gives artifacts by what is asked for, as JSON, and remembers what was.
type elsewhere struct {
	artifacts map[string]source.Artifact
	err       error

	mu    sync.Mutex
	asked []string
}

func (e *elsewhere) Artifact(_ context.Context, spec v1alpha1.SourceSpec) (source.Artifact, error) {
	text, _ := json.Marshal(spec)
	asked := strings.ReplaceAll(string(text), `"`, "")
	e.mu.Lock()
	e.asked = append(e.asked, asked)
	e.mu.Unlock()
	if artifact := e.artifacts[asked]; artifact != nil {
		return artifact, nil
	}
	if e.err != nil {
		return nil, e.err
	}
	return nil, fault.New(fault.NotFound, "pull", asked, "there is no such reference")
}

// charts says what it was asked for.
type charts struct{}

func (charts) Chart(_ context.Context, request render.ChartRequest) (manifests []byte, secrets []string, err error) {
	data, err := request.Artifact.ReadFile(request.Path + "/Chart.yaml")
	if request.Path == "." {
		data, err = request.Artifact.ReadFile("Chart.yaml")
	}
	if err != nil {
		return nil, nil, err
	}
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + request.Release + "}\ndata: {chart: " + strings.TrimSpace(string(data)) + ", made: secret-of-the-chart}\n"
	return []byte(text), []string{"secret-of-the-chart"}, nil
}

func artifact(files map[string]string, links map[string]string) source.Artifact {
	return memory.NewLinked(state.Revision{ID: "1"}, files, links)
}

const cm = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "

func remote(t *testing.T, files map[string]string, sources render.Sources) (render.Result, error) {
	t.Helper()
	return kustomize.New(kustomize.Options{Charts: charts{}}).Render(t.Context(), render.Request{
		Artifact: artifact(files, nil), Path: "app", Outside: render.Outside{Sources: sources},
		How: v1alpha1.Rendering{Kustomize: &v1alpha1.Kustomize{Remote: true}},
	})
}

// world is what there is elsewhere.
func world() *elsewhere {
	repo := artifact(map[string]string{
		"deploy/kustomization.yaml": "resources: [../base, cm.yaml, 'https://github.com/org/other?ref=main']\ncomponents: [../component]\nnamePrefix: r-\n",
		"deploy/cm.yaml":            cm + "deploy}\n",
		"base/kustomization.yaml":   "resources: [cm.yaml, up/cm.yaml]\n", "base/cm.yaml": cm + "base}\n", "up.yaml": cm + "up}\n", "linked/cm.yaml": cm + "linked}\n",
		"component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {component: remote}\n",
		"escape/kustomization.yaml":    "resources: [../../app/cm.yaml]\n", "far/kustomization.yaml": "resources: [../../../app/cm.yaml]\n",
		"virtual/kustomization.yaml": "resources: [../../01/cm.yaml]\n",
		"charts/kustomization.yaml":  "helmCharts: [{name: web, releaseName: inner}]\n", "charts/charts/web/Chart.yaml": "inner",
		"broken/kustomization.yaml": "resources: [cm.yaml]\nnope: 1\n", "broken/cm.yaml": "a: [\n",
	}, map[string]string{"base/up": "../linked"})
	other := artifact(map[string]string{"kustomization.yaml": "resources: [x.yaml]\n", "x.yaml": cm + "other}\n"}, nil)
	return &elsewhere{artifacts: map[string]source.Artifact{
		"{git:{url:https://github.com/org/repo,ref:{tag:v1},submodules:true}}":       repo,
		"{git:{url:https://github.com/org/other,ref:{branch:main},submodules:true}}": other,
		"{git:{url:https://github.com/org/repo,ref:{tag:release},submodules:true}}":  repo,
		"{git:{url:https://github.com/org/repo,ref:{branch:main}}}":                  repo,
		"{helm:{url:https://charts.example.com,chart:web,version:1.x}}":              artifact(map[string]string{"Chart.yaml": "pulled"}, nil),
		"{helm:{url:oci://registry.example.com/charts,chart:web}}":                   artifact(map[string]string{"web/Chart.yaml": "oci"}, nil),
	}}
}

func TestRemoteBases(t *testing.T) {
	sources := world()
	result, err := remote(t, map[string]string{
		"app/kustomization.yaml": "resources: [cm.yaml, 'https://github.com/org/repo//deploy?ref=v1', 'github.com/org/repo/base?ref=release', " +
			"'https://raw.githubusercontent.com/org/repo/main/up.yaml']\ncomponents: ['https://github.com/org/repo//component?ref=v1']\n",
		"app/cm.yaml": cm + "own}\n",
	}, sources)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, found := range result.Found {
		got[found.Object.ID().Name] = found.Object.Origin().String()
		if found.Object.Content()["metadata"].(map[string]any)["annotations"].(map[string]any)["component"] != "remote" {
			t.Errorf("%s: without the component", found.Object.ID())
		}
	}
	want := map[string]string{
		"own": "app/cm.yaml:1", "up": "https://github.com/org/repo@main without submodules//up.yaml:1",
		"r-deploy": "https://github.com/org/repo@v1//deploy/cm.yaml:1", "r-other": "https://github.com/org/other@main//x.yaml:1",
		"r-base": "app", "base": "https://github.com/org/repo@release//base/cm.yaml:1",
		"r-linked": "app", "linked": "https://github.com/org/repo@release//base/up/cm.yaml:1",
	}
	delete(got, "r-base")
	delete(got, "r-linked")
	delete(got, "base")
	delete(got, "linked")
	for _, name := range []string{"r-base", "r-linked", "base", "linked"} { // from two places that are as likely
		delete(want, name)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(result.Found) != 8 {
		t.Errorf("%d objects\n%s", len(result.Found), diff)
	}
	if len(sources.asked) != 5 { // release is first looked for as a branch
		t.Errorf("asked for %q", sources.asked)
	}
	if result.Reads.Unchanged(memory.New(state.Revision{ID: "2"}, map[string]string{"app/kustomization.yaml": "", "app/cm.yaml": ""})) {
		t.Error("what was read of the own artifact is not recorded")
	}
}

func TestRemoteCharts(t *testing.T) {
	result, err := remote(t, map[string]string{
		"app/kustomization.yaml": "resources: ['https://github.com/org/repo//charts?ref=v1']\nhelmCharts:\n" +
			"- {name: web, releaseName: pulled, repo: 'https://charts.example.com', version: 1.x}\n" +
			"- {name: web, releaseName: oci, repo: 'oci://registry.example.com/charts'}\n" +
			"- {name: web, releaseName: there, repo: 'https://charts.example.com', version: 2.x}\n",
		"app/charts/web-2.x/web/Chart.yaml": "local",
	}, world())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, found := range result.Found {
		chart := found.Object.Content()["data"].(map[string]any)["chart"].(string)
		got[found.Object.ID().Name] = chart + " " + found.Object.Origin().String()
	}
	want := map[string]string{
		"inner": "inner https://github.com/org/repo@v1//charts/kustomization.yaml:1", "pulled": "pulled app/kustomization.yaml:3",
		"oci": "oci app/kustomization.yaml:4", "there": "local app/kustomization.yaml:5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRemoteIsRefused: what leads out of a repository, what is not there, and what could not be verified.
func TestRemoteIsRefused(t *testing.T) {
	for entry, want := range map[string]string{
		"https://github.com/org/repo//escape?ref=v1":  "leads outside",
		"https://github.com/org/repo//far?ref=v1":     "leads outside",
		"https://github.com/org/repo//virtual?ref=v1": "leads outside",
		"https://github.com/org/repo//nothing?ref=v1": "is not there",
		"https://github.com/org/repo//broken?ref=v1":  "https://github.com/org/repo@v1//broken/kustomization.yaml:2: nope: unknown field",
		"https://github.com/org/repo//linked?ref=v1":  "has no kustomization",
		"https://github.com/org/missing":              "no such reference",
		"https://example.com/x.yaml":                  "no revision",
		"file:///etc/repo":                            "own machine",
		"https://u:secret@github.com/org/repo":        "password",
		"../.setpoint-render/00/base":                 "leads outside",
	} {
		_, err := remote(t, map[string]string{
			"app/kustomization.yaml": "resources: ['" + entry + "', 'https://github.com/org/repo//base?ref=v1']\n", "app/cm.yaml": cm + "own}\n",
		}, world())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || !strings.Contains(entry, "render/0") && strings.Contains(err.Error(), "render/0") {
			t.Errorf("%s: %v", entry, err)
		}
		if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.NotFound {
			t.Errorf("%s: %s", entry, kind)
		}
	}
}

func TestRemoteIsWaitedFor(t *testing.T) {
	sources := &elsewhere{err: fault.New(fault.Transient, "pull", "x", "it is being pulled")}
	_, err := remote(t, map[string]string{"app/kustomization.yaml": "resources: [github.com/org/repo]\n"}, sources)
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "app/kustomization.yaml:1") {
		t.Error(err)
	}
	files := map[string]string{"app/kustomization.yaml": "resources: [github.com/org/repo]\n"}
	for _, request := range []render.Request{{}, {How: v1alpha1.Rendering{Kustomize: &v1alpha1.Kustomize{Remote: true}}}} {
		request.Artifact, request.Path = artifact(files, nil), "app"
		if _, err := (kustomize.Renderer{}).Render(t.Context(), request); fault.KindOf(err) != fault.Invalid ||
			!strings.Contains(fault.HintOf(err), "spec.kustomize.remote") {
			t.Error(err)
		}
	}
}

func TestChartsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{releaseName: x}":                                            "has no name",
		"{name: web, nameTemplate: x}":                                "nameTemplate",
		"{name: web, valuesMerge: x}":                                 "valuesMerge",
		"{name: nothing}":                                             "there is no chart at app/charts/nothing",
		"{name: ../../../x}":                                          "leads outside",
		"{name: --post-renderer}":                                     "no name of a chart",
		"{name: web, unknown: 1}":                                     "unknown field",
		"{name: web, valuesFile: ../../x}":                            "leads outside",
		"{name: web, valuesFile: 'https://x.example.com/y'}":          "fetched from elsewhere",
		"{name: web, valuesFile: bomb.yaml}":                          "aliases",
		"{name: x, repo: 'https://u:secret@charts.example.com'}":      "password",
		"{name: web, additionalValuesFiles: [missing.yaml]}":          "missing.yaml",
		"{name: web, valuesInline: {a: 1}, valuesFile: nothing.yaml}": "nothing.yaml",
	} {
		bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
		for c := 'b'; c < 'i'; c++ {
			bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
		}
		_, err := remote(t, map[string]string{
			"app/kustomization.yaml": "helmCharts:\n- " + text + "\n", "app/charts/web/Chart.yaml": "web", "app/bomb.yaml": bomb,
		}, world())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPostRender(t *testing.T) {
	files := map[string]string{
		"post/kustomization.yaml": "resources: [extra.yaml]\nnamePrefix: p-\npatches:\n- target: {kind: Secret}\n  patch: '[{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {\"a\": \"b\"}}]'\n",
		"post/extra.yaml":         cm + "extra}\n",
		"kustomization.yaml":      "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -s\n",
	}
	given := func() []render.Found {
		secret, err := state.DecodeObject([]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"x":"y"}}`),
			state.Origin{File: "chart/templates/secret.yaml", Line: 3})
		if err != nil {
			t.Fatal(err)
		}
		return []render.Found{{Object: secret.WithSecrets([]string{"/metadata/annotations/token"}), Line: func(string) int { return 7 }}}
	}
	for path, want := range map[string][]string{"post": {"p-s", "p-extra"}, ".": {"s-s"}} {
		found, err := kustomize.Renderer{}.PostRender(t.Context(), render.Request{Artifact: artifact(maps.Clone(files), nil), Path: path}, given())
		if err != nil {
			t.Fatal(path, err)
		}
		var names []string
		for _, one := range found {
			names = append(names, one.Object.ID().Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: %s", path, diff)
			continue
		}
		first := found[0]
		if first.Object.Origin().String() != "chart/templates/secret.yaml:3" || first.Line("") != 7 ||
			cmp.Diff([]string{"/metadata/annotations/token"}, first.Object.Secrets()) != "" {
			t.Errorf("%s: %v %v", path, first.Object.Origin(), first.Object.Secrets())
		}
	}
	found, err := kustomize.Renderer{}.PostRender(t.Context(), render.Request{Artifact: artifact(files, nil), Path: "post"}, nil)
	if err != nil || len(found) != 1 {
		t.Errorf("%d objects, %v", len(found), err)
	}
}

// What a chart has made at random, or of a Secret, is as secret in an overlay as it is without.
func TestSecretsOfChartsAreMarked(t *testing.T) {
	files := map[string]string{"kustomization.yaml": "helmCharts: [{name: shop, releaseName: shop}]\n", "charts/shop/Chart.yaml": "1"}
	formats := render.Formats{Kustomize: kustomize.New(kustomize.Options{Charts: charts{}})}
	result, err := formats.Render(t.Context(), render.Request{Artifact: artifact(files, nil), Path: "."})
	if err != nil || result.Objects.Len() != 1 {
		t.Fatal(result.Objects.Len(), err)
	}
	if got := result.Objects.Objects()[0].Secrets(); !slices.Equal(got, []string{"/data/made"}) {
		t.Errorf("marked are %q", got)
	}
}
