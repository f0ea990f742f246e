package kustomize_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestRendersSideBySide(t *testing.T) {
	artifact := memory.New(state.Revision{ID: "1"}, overlay(5))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			result, err := render.Formats{Kustomize: kustomize.Renderer{}}.Render(t.Context(), render.Request{Artifact: artifact, Path: "prod"})
			if err != nil || result.Objects.Len() != 5 {
				t.Errorf("%d objects, %v", result.Objects.Len(), err)
			}
		})
	}
	group.Wait()
}

// TestNothingIsFetched offers a server to everything in a kustomization that may be a path, and counts requests.
func TestNothingIsFetched(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		fmt.Fprintln(w, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: remote}")
	}))
	defer server.Close()
	const local = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: local}\n"
	for _, text := range []string{
		"resources: [%s/x.yaml]", "Resources: [%s/x.yaml]", "bases: [%s/org/repo]", "components: [%s/org/repo]",
		"resources: ['git::%s/org/repo']", "resources: [&a %s/x.yaml, *a]", "crds: [%s/x]", "configurations: [%s/x]",
		"patches: [{path: %s/x}]", "patchesStrategicMerge: [%s/x]", "patchesJson6902: [{path: %s/x, target: {kind: ConfigMap}}]",
		"replacements: [{path: %s/x}]", "openapi: {path: %s/x}", "configMapGenerator: [{name: x, files: [%s/x]}]",
		"configMapGenerator: [{name: x, files: ['a=%s/x']}]", "secretGenerator: [{name: x, envs: [%s/x]}]",
		"secretGenerator: [{name: x, env: %s/x}]", "generators: [%s/x]", "transformers: [%s/x]", "validators: [%s/x]",
		"generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: x}, files: [\"%s/x\"]}']",
		"transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: x}, Path: \"%s/x\"}']",
		"transformers: ['{apiVersion: builtin, kind: PatchStrategicMergeTransformer, metadata: {name: x}, paths: [\"%s/x\"]}']",
	} {
		files := map[string]string{"kustomization.yaml": fmt.Sprintf(text, server.URL) + "\n", "local.yaml": local}
		_, err := render.Formats{Kustomize: kustomize.Renderer{}}.Render(t.Context(), render.Request{Artifact: memory.New(state.Revision{ID: "1"}, files), Path: "."})
		if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", text, err)
		}
		if requests.Swap(0) > 0 {
			t.Errorf("%s: fetched", text)
		}
	}
}

// schemaFiles are a kustomization whose result shows which schema it goes by.
func schemaFiles() map[string]string {
	const base = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\nspec: {items: [{name: a, v: 1}]}\n"
	const patch = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\nspec: {items: [{name: b, v: 2}]}\n"
	const schema = `{"definitions": {"v1.Thing": {
		"properties": {"spec": {"properties": {"items": {"type": "array", "items": {"type": "object"},
			"x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"}}}},
		"x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Thing"}]}}}`
	const kustomization = "resources: [base.yaml]\npatches: [{path: patch.yaml}]\n"
	return map[string]string{"kustomization.yaml": kustomization, "base.yaml": base, "patch.yaml": patch, "schema.json": schema}
}

// TestSchemasDoNotLeak renders with a schema that merges lists in another way, and then without.
func TestSchemasDoNotLeak(t *testing.T) {
	build := func(kustomization string) int {
		files := schemaFiles()
		files["kustomization.yaml"] = kustomization
		result, err := render.Formats{Kustomize: kustomize.Renderer{}}.Render(t.Context(), render.Request{Artifact: memory.New(state.Revision{ID: "1"}, files), Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		spec := result.Objects.Objects()[0].Content()["spec"].(map[string]any)
		return len(spec["items"].([]any))
	}
	kustomization := schemaFiles()["kustomization.yaml"]
	before := build(kustomization)
	merged := build(kustomization + "openapi: {path: schema.json}\n")
	after := build(kustomization)
	if before != 1 || merged != 2 || after != 1 {
		t.Errorf("items: %d before, %d with the schema, %d after", before, merged, after)
	}
}

func TestReadsAreBounded(t *testing.T) {
	files := map[string]string{}
	for level := range 24 {
		text := fmt.Sprintf("resources: [../%02da, ../%02db]\n", level+1, level+1)
		if level == 23 {
			text = "resources: [x.yaml]\n"
		}
		for _, side := range []string{"a", "b"} {
			files[fmt.Sprintf("%02d%s/kustomization.yaml", level, side)] = text + "namePrefix: " + side + "\n"
			files[fmt.Sprintf("%02d%s/x.yaml", level, side)] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
		}
	}
	_, err := render.Formats{Kustomize: kustomize.Renderer{}}.Render(t.Context(), render.Request{Artifact: memory.New(state.Revision{ID: "1"}, files), Path: "00a"})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("bases that double on every level: %v", err)
	}
}

func TestTheContextEndsARender(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := render.Formats{Kustomize: kustomize.Renderer{}}.Render(ctx, render.Request{Artifact: memory.New(state.Revision{ID: "1"}, overlay(1)), Path: "prod"})
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("%v", err)
	}
}

// TestSchemasSideBySide renders with schemas and without at the same time: none sees another's.
func TestSchemasSideBySide(t *testing.T) {
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 3 {
				files := schemaFiles()
				want := 1
				switch i {
				case 0:
					files["kustomization.yaml"] += "openapi: {path: schema.json}\n"
					want = 2
				case 1:
					files["kustomization.yaml"] += "openapi: {version: v1.21.2}\n"
				}
				result, err := kustomize.Renderer{}.Render(t.Context(), render.Request{Artifact: memory.New(state.Revision{ID: "1"}, files), Path: "."})
				if err != nil {
					if i != 1 { // the version may be one that this library does not have
						t.Error(err)
					}
					continue
				}
				spec := result.Found[0].Object.Content()["spec"].(map[string]any)
				if got := len(spec["items"].([]any)); got != want {
					t.Errorf("%d: %d items, want %d", i, got, want)
				}
			}
		})
	}
	group.Wait()
}
