// Package rendertest is what the tests of those renderers have in common that evaluate programs.
package rendertest

import (
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Main runs tests, in a program that can also be the process that evaluates, as the product is.
func Main(m *testing.M, evaluators map[string]confined.Evaluator) {
	if !confined.Main(evaluators) {
		os.Exit(m.Run())
	}
}

// Tight gives limits that a bomb soon reaches.
func Tight() confined.Limits {
	limits := confined.DefaultLimits
	limits.CPU, limits.Memory = time.Second, 256<<20
	return limits
}

// Render renders files (path → content); the request needs no artifact, and no path when it is about the root.
func Render(t testing.TB, r render.Renderer, files map[string]string, request render.Request) (render.Result, error) {
	t.Helper()
	request.Artifact = memory.New(state.Revision{ID: "1"}, files)
	if request.Path == "" {
		request.Path = "."
	}
	return r.Render(t.Context(), request)
}

// Refused checks that an error is of kind Invalid, and that some words are in its text and its hint.
func Refused(t *testing.T, err error, text, hint string) {
	t.Helper()
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), text) || !strings.Contains(fault.HintOf(err), hint) {
		t.Errorf("%v: %v (%s)", fault.KindOf(err), err, fault.HintOf(err))
	}
}

// Changes checks after which changes of files, each by its path, what was read of them is unchanged.
func Changes(t *testing.T, reads render.Reads, files map[string]string, unchanged map[string]bool) {
	t.Helper()
	for change, want := range unchanged {
		after := maps.Clone(files)
		after[change] = "changed"
		if got := reads.Unchanged(memory.New(state.Revision{ID: "2"}, after)); got != want {
			t.Errorf("%s changed: unchanged %v", change, got)
		}
	}
}

// YAMLBomb is a mapping of aliases that would be large, each of its lines after an indent.
func YAMLBomb(indent string) string {
	var text strings.Builder
	text.WriteString(indent + "a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'm'; c++ {
		text.WriteString(indent + string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n")
	}
	return text.String()
}

// Benchmark renders the root of files again and again.
func Benchmark(b *testing.B, r render.Renderer, files map[string]string) {
	b.Helper()
	for b.Loop() {
		if _, err := Render(b, r, files, render.Request{}); err != nil {
			b.Fatal(err)
		}
	}
}
