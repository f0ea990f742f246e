package plain_test

import (
	"fmt"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func configMaps(n int) map[string]string {
	files := make(map[string]string, n)
	for i := range n {
		files[fmt.Sprintf("apps/%02d/cm-%04d.yaml", i%50, i)] = fmt.Sprintf(
			"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm-%04d\n  namespace: bench\n"+
				"  labels:\n    app: bench\ndata:\n  key: value-%d\n  other: \"true\"\n", i, i)
	}
	return files
}

func BenchmarkPlain5000(b *testing.B) {
	artifact := memory.New(state.Revision{ID: "1"}, configMaps(5000))
	for b.Loop() {
		result, err := render.Formats{Plain: plain.Renderer{}}.Render(b.Context(), render.Request{Artifact: artifact, Path: "apps"})
		if err != nil || result.Objects.Len() != 5000 {
			b.Fatal(result.Objects.Len(), err)
		}
	}
}
