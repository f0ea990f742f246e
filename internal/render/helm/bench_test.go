package helm_test

import (
	"fmt"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
)

// BenchmarkChart renders a chart as most are written, which is loaded already.
func BenchmarkChart(b *testing.B) {
	files, give := chartIn(b, "testdata/parity/webapp.txtar")
	r := render.Request{Artifact: artifactOf(files), Path: ".", Name: "demo", Namespace: "apps", How: v1alpha1.Rendering{Helm: &v1alpha1.Helm{Values: give}}}
	renderer := helm.New(helm.Options{})
	for b.Loop() {
		if _, err := renderer.Render(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReleases renders one chart with 500 different values.
func BenchmarkReleases(b *testing.B) {
	files, give := chartIn(b, "testdata/parity/webapp.txtar")
	artifact := artifactOf(files)
	for b.Loop() {
		renderer := helm.New(helm.Options{})
		for i := range 500 {
			values := map[string]any{"replicaCount": i, "image": give["image"]}
			_, err := renderer.Render(b.Context(), render.Request{
				Artifact: artifact, Path: ".", Name: fmt.Sprintf("r%d", i), How: v1alpha1.Rendering{Helm: &v1alpha1.Helm{Values: values}},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
