package kustomize_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// overlay makes a base of n ConfigMaps and an overlay that puts a label on each.
func overlay(n int) map[string]string {
	files := map[string]string{"prod/kustomization.yaml": "resources: [../base]\nlabels:\n- pairs: {tier: prod}\n"}
	var base strings.Builder
	base.WriteString("resources:\n")
	for i := range n {
		fmt.Fprintf(&base, "- cm-%03d.yaml\n", i)
		files[fmt.Sprintf("base/cm-%03d.yaml", i)] = fmt.Sprintf(
			"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm-%03d\ndata:\n  key: value-%d\n", i, i)
	}
	files["base/kustomization.yaml"] = base.String()
	return files
}

func BenchmarkKustomize200(b *testing.B) {
	artifact := memory.New(state.Revision{ID: "1"}, overlay(200))
	for b.Loop() {
		result, err := render.Formats{Kustomize: kustomize.Renderer{}}.Render(b.Context(), render.Request{Artifact: artifact, Path: "prod"})
		if err != nil || result.Objects.Len() != 200 {
			b.Fatal(result.Objects.Len(), err)
		}
	}
}

// BenchmarkSideBySide builds small overlays on every processor at once.
func BenchmarkSideBySide(b *testing.B) {
	artifact := memory.New(state.Revision{ID: "1"}, overlay(20))
	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			if _, err := (kustomize.Renderer{}).Render(b.Context(), render.Request{Artifact: artifact, Path: "prod"}); err != nil {
				b.Error(err)
			}
		}
	})
}
