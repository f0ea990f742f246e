package render_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func host(kind, name, spec string) string {
	return "apiVersion: host.setpoint.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec:\n  " +
		strings.ReplaceAll(spec, "\n", "\n  ") + "\n"
}

// shop is an app whose build, variables and configuration file are in the source.
func shop() map[string]string {
	return map[string]string{
		"shop/base/app.yaml": host("App", "web", "build: {directory: ../build}\nenvFrom: [{file: /shared.env}, {file: own.env}]\n"+
			"processes: {web: {command: [./serve]}}"),
		"shop/base/files.yaml": host("File", "conf", "path: /etc/shop.conf\ncontentFrom: {file: shop.conf}") + "---\n" +
			host("File", "logo", "path: /srv/logo\ncontentFrom: {file: logo.bin}") + "---\n" +
			host("File", "page", "path: /srv/page\ntemplate: {file: page.tmpl, values: {a: 1}}"),
		"shop/base/shop.conf": "listen = 80\n", "shop/base/logo.bin": "\xff\xfe\x00", "shop/base/page.tmpl": "{{ .Values.a }}",
		"shop/base/own.env": "# mine\nNAME=\"own name\"\nexport EMPTY=\n", "shared.env": "NAME=shared\nMODE=fast\n",
		"shop/build/serve": "#!/bin/sh\n", "shop/build/lib/a.txt": "a",
		"shop/base/kustomization.yaml":    "resources: [app.yaml, files.yaml]\n",
		"shop/overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: eu-\n",
	}
}

func rendered(t *testing.T, artifact source.Artifact, path string) render.Result {
	t.Helper()
	result, err := formats.Render(t.Context(), render.Request{Artifact: artifact, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func specOf(t *testing.T, result render.Result, kind, name string) map[string]any {
	t.Helper()
	object := result.Objects.Get(state.ID{Group: v1alpha1.GroupHost, Kind: kind, Name: name})
	if object == nil {
		t.Fatalf("no %s %s", kind, name)
	}
	return object.Content()["spec"].(map[string]any)
}

func TestReferences(t *testing.T) {
	result := rendered(t, memory.New(state.Revision{ID: "1"}, shop()), "shop/overlay")
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	if got := specOf(t, result, "File", "eu-conf")["content"]; got != "listen = 80\n" {
		t.Errorf("content = %q", got)
	}
	if got := specOf(t, result, "File", "eu-logo")["contentBase64"]; got != "//4A" {
		t.Errorf("what is not text = %q", got)
	}
	template := specOf(t, result, "File", "eu-page")["template"].(map[string]any)
	if template["text"] != "{{ .Values.a }}" || template["file"] != nil {
		t.Errorf("template = %v", template)
	}
	app := specOf(t, result, "App", "eu-web")
	values := app["envFrom"].([]any)[1].(map[string]any)["values"].(map[string]any)
	if !maps.Equal(values, map[string]any{"NAME": "own name", "EMPTY": ""}) {
		t.Errorf("variables = %v", values)
	}
	digest := app["build"].(map[string]any)["digest"]
	if len(result.Builds) != 1 || result.Builds[0].Digest != digest {
		t.Fatalf("builds = %v, the App says %v", result.Builds, digest)
	}
	if data, err := fs.ReadFile(result.Builds[0].Files, "lib/a.txt"); err != nil || string(data) != "a" {
		t.Errorf("a file of the build: %q, %v", data, err)
	}
	again := rendered(t, checkout(t, shop()), "shop/overlay")
	if len(again.Builds) != 1 || again.Builds[0].Digest != digest {
		t.Errorf("a checkout of the same files has another digest: %v, want %v", again.Builds, digest)
	}
}

// What an object refers to is an input of the render: a change of it is a change.
func TestReferencesAreRead(t *testing.T) {
	reads := rendered(t, memory.New(state.Revision{ID: "1"}, shop()), "shop/overlay").Reads
	before := rendered(t, memory.New(state.Revision{ID: "1"}, shop()), "shop/overlay")
	for _, name := range []string{"shop/base/shop.conf", "shop/base/page.tmpl", "shared.env", "shop/base/own.env", "shop/build/lib/a.txt"} {
		files := shop()
		files[name] += "X=1\n"
		artifact := memory.New(state.Revision{ID: "2"}, files)
		if reads.Unchanged(artifact) {
			t.Errorf("a change of %s would not be seen", name)
		}
		if after := rendered(t, artifact, "shop/overlay"); after.Objects.Digest() == before.Objects.Digest() {
			t.Errorf("a change of %s changes no object", name)
		}
	}
	files := shop()
	files["elsewhere/readme"] = "new"
	if !reads.Unchanged(memory.New(state.Revision{ID: "2"}, files)) {
		t.Error("a change elsewhere counts")
	}
}

func TestWrongReferences(t *testing.T) {
	for name, one := range map[string]struct {
		object string
		kind   fault.Kind
		says   string
	}{
		"missing":   {host("File", "x", "path: /x\ncontentFrom: {file: none}"), fault.NotFound, "no file app/none"},
		"outside":   {host("File", "x", "path: /x\ncontentFrom: {file: ../../x}"), fault.Invalid, "out of the source"},
		"directory": {host("File", "x", "path: /x\ntemplate: {file: /app}"), fault.Invalid, "is a directory"},
		"variables": {host("App", "x", "build: {directory: .}\nenvFrom: [{file: wrong.env}]"), fault.Invalid, "NAME=value"},
		"build":     {host("App", "x", "build: {directory: none}"), fault.NotFound, "no directory app/none"},
		"file":      {host("App", "x", "build: {directory: wrong.env}"), fault.Invalid, "is a file"},
	} {
		t.Run(name, func(t *testing.T) {
			result := rendered(t, memory.New(state.Revision{ID: "1"}, map[string]string{
				"app/x.yaml": one.object + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: neighbour}\n", "app/wrong.env": "no variable here\n",
			}), "app")
			err := result.Err()
			if fault.KindOf(err) != one.kind || !strings.Contains(err.Error(), one.says) || !strings.Contains(err.Error(), "app/x.yaml:1") {
				t.Errorf("%s: %v", fault.KindOf(err), err)
			}
			if len(result.Wrong) != 1 || result.Objects.Len() != 2 {
				t.Errorf("%d objects, of which wrong: %v", result.Objects.Len(), result.Wrong)
			}
		})
	}
}

// checkout writes files into a directory, as a person has them before a commit.
func checkout(t *testing.T, files map[string]string) source.Artifact {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	artifact, err := directory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = artifact.Close() })
	return artifact
}
