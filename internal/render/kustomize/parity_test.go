package kustomize_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/tools"
)

// TestParity builds testdata/parity/*.txtar with the command of Kustomize too, and wants the same objects, byte for byte as canonical JSON.
// The comment of a file says what it is about, and with "build PATH" which directory is built.
func TestParity(t *testing.T) {
	compare(t, "testdata/parity/*.txtar", kustomize.Renderer{})
}

// TestChartsParity does the same with charts, for which the command starts helm.
func TestChartsParity(t *testing.T) {
	compare(t, "testdata/charts/*.txtar", kustomize.New(kustomize.Options{Charts: helm.New(helm.Options{})}),
		"--enable-helm", "--helm-command", tools.Path(t, "helm"))
}

func compare(t *testing.T, pattern string, renderer kustomize.Renderer, flags ...string) {
	t.Helper()
	command := tools.Path(t, "kustomize")
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			dir, at := unpack(t, name)
			want := commanded(t, command, append([]string{filepath.Join(dir, at)}, flags...)...)
			artifact, err := directory.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, built(t, renderer, artifact, at)); diff != "" {
				t.Errorf("-kustomize +setpoint:\n%s", diff)
			}
		})
	}
}

// unpack gives the directory with the files of an archive, and the path there that is built.
func unpack(t *testing.T, name string) (dir, at string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir, at = t.TempDir(), "."
	for line := range strings.Lines(string(archive.Comment)) {
		if rest, ok := strings.CutPrefix(line, "build "); ok {
			at = strings.TrimSpace(rest)
		}
	}
	for _, file := range archive.Files {
		path := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, at
}

// commanded gives what the command builds, as canonical JSON, sorted.
func commanded(t *testing.T, command string, arguments ...string) []string {
	t.Helper()
	run := exec.CommandContext(t.Context(), command, append([]string{"build", "--load-restrictor", "LoadRestrictionsNone"}, arguments...)...)
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("kustomize: %v\n%s", err, &stderr)
	}
	var all []string
	for part := range strings.SplitSeq("\n"+string(out), "\n---\n") {
		text, err := yaml.YAMLToJSON([]byte(part))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, canonical(t, text))
	}
	slices.Sort(all)
	return all
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	object, err := state.DecodeObject(text, state.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return marshaled(t, object)
}

func marshaled(t *testing.T, object *state.Object) string {
	t.Helper()
	text, err := json.MarshalIndent(object, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// built gives what Setpoint builds, likewise.
func built(t *testing.T, renderer kustomize.Renderer, artifact source.Artifact, at string) []string {
	t.Helper()
	result, err := renderer.Render(t.Context(), render.Request{Artifact: artifact, Path: at})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(result.Found))
	for i, found := range result.Found {
		all[i] = marshaled(t, found.Object)
	}
	slices.Sort(all)
	return all
}
