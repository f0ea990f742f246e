package helm_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/tools"
)

const kubeVersion = "v1.33.1"

// chartIn reads a chart of testdata; what is in give.yaml is no part of it.
func chartIn(t testing.TB, name string) (files map[string]string, give map[string]any) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files, give = map[string]string{}, map[string]any{}
	for _, file := range archive.Files {
		if file.Name != "give.yaml" {
			files[file.Name] = string(file.Data)
		} else if err := yaml.Unmarshal(file.Data, &give); err != nil {
			t.Fatal(err)
		}
	}
	return files, give
}

func artifactOf(files map[string]string) *memory.Artifact {
	return memory.New(state.Revision{ID: fmt.Sprint(len(files))}, files)
}

// TestParity renders charts here and by the helm command: what comes out is the same.
func TestParity(t *testing.T) {
	command := tools.Path(t, "helm")
	names, err := filepath.Glob("testdata/parity/*.txtar")
	if err != nil || len(names) < 12 {
		t.Fatalf("%d charts, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			files, give := chartIn(t, name)
			want := byCommand(t, command, files, give)
			got, _, err := helm.New(helm.Options{}).Chart(t.Context(), render.ChartRequest{
				Request: render.Request{Artifact: artifactOf(files), Path: "."},
				Release: "demo", Namespace: "apps", KubeVersion: kubeVersion, CRDs: true, Values: give,
			})
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(sorted(want), sorted(got)); difference != "" {
				t.Errorf("helm template (-) and here (+):\n%s", difference)
			}
		})
	}
}

// byCommand renders by helm template.
func byCommand(t *testing.T, command string, files map[string]string, give map[string]any) []byte {
	t.Helper()
	dir := t.TempDir()
	chart := filepath.Join(dir, "chart")
	for name, text := range files {
		write(t, filepath.Join(chart, filepath.FromSlash(name)), []byte(text))
	}
	data, err := yaml.Marshal(give)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "values.yaml"), data)
	run := exec.CommandContext(t.Context(), command, "template", "demo", chart, "--namespace", "apps", "--include-crds",
		"--kube-version", kubeVersion, "--values", filepath.Join(dir, "values.yaml"))
	run.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if zone, ok := os.LookupEnv("TZ"); ok {
		run.Env = append(run.Env, "TZ="+zone)
	}
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return out
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// sorted gives the documents of a stream in a stable order: that of subcharts is another each time with Helm.
func sorted(stream []byte) []string {
	documents := regexp.MustCompile(`(?m)^---\n`).Split(string(stream), -1)
	for i := range documents {
		documents[i] = strings.TrimRight(documents[i], "\n")
	}
	slices.Sort(documents)
	return documents
}
