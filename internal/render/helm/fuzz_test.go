package helm

import (
	"context"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// tiny are limits that are come to within milliseconds.
var tiny = limits{
	steps: 20_000, made: 4 << 20, output: 1 << 20, value: 1 << 20, call: 1_000_000, depth: 100, source: 64 << 10, blocks: 500, parsed: 64 << 10,
}

// FuzzChart: no template, values, schema or Chart.yaml makes the renderer panic, hang or say that it is at fault itself.
func FuzzChart(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, "a: 1\n", `{"type": "object"}`, "")
	}
	f.Add("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.a }}}\n", "a: b\n", `{"properties": {"a": {"type": "string"}}}`, "type: application\n")
	f.Add(`{{ include "x" . }}{{ define "x" }}{{ tpl .Values.t . }}{{ end }}`, "t: '{{ .Release.Name }}'\n", "", "dependencies: [{name: x, repository: 'file://.'}]\n")
	renderer := New(Options{limits: tiny, CacheBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, template, values, schema, more string) {
		if len(template)+len(values)+len(schema)+len(more) > 10_000 {
			return
		}
		files := map[string]string{
			"Chart.yaml": "apiVersion: v2\nname: fuzz\nversion: 0.1.0\n" + more, "values.yaml": values, "templates/x.yaml": template, "extra.yaml": values,
		}
		if schema != "" {
			files["values.schema.json"] = schema
		}
		how := &v1alpha1.Helm{ValuesFrom: []v1alpha1.HelmValues{{File: "extra.yaml", At: "extra.text"}}}
		_, err := renderer.Render(context.Background(), render.Request{
			Artifact: memory.New(state.Revision{ID: "1"}, files), Path: ".", Name: "fuzz", Namespace: "apps", How: v1alpha1.Rendering{Helm: how},
		})
		if kind := fault.KindOf(err); kind == fault.Internal || kind == fault.Transient {
			t.Errorf("%s: %v", kind, err)
		}
	})
}
