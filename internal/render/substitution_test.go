package render_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// clusterObjects stand in for ConfigMaps and Secrets of a cluster.
type clusterObjects map[state.ID]*state.Object

func (c clusterObjects) Object(_ context.Context, id state.ID) (*state.Object, error) {
	if object := c[id]; object != nil {
		return object, nil
	}
	return nil, fault.New(fault.NotFound, "read", id.String(), "the cluster has no such object")
}

// TestSubstitution renders the files below "app/" of each file of testdata with the declaration in "substitute.yaml", the objects of
// "cluster.yaml" and the environment of "environment" (none: not allowed). It compares the objects with the section "want": each as YAML,
// with the pointers of its secrets, or the errors with their hints.
func TestSubstitution(t *testing.T) {
	goldenArchives(t, "testdata/substitution/*.txtar", substituteArchive)
}

func substituteArchive(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	request := render.Request{Path: "app", Namespace: "shop", How: v1alpha1.Rendering{Substitute: &v1alpha1.Substitute{}}}
	files, cluster := map[string]string{}, clusterObjects{}
	for _, file := range archive.Files {
		switch file.Name {
		case "want":
		case "substitute.yaml":
			if err := yaml.UnmarshalStrict(file.Data, request.How.Substitute); err != nil {
				t.Fatal(err)
			}
		case "cluster.yaml":
			documents, err := document.Read(file.Data, file.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range documents {
				cluster[one.Object.ID()] = one.Object
			}
			request.Outside.Values = cluster
		case "environment":
			request.Outside.Environ = func(name string) (string, bool) {
				for line := range strings.Lines(string(file.Data)) {
					if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key == name {
						return value, true
					}
				}
				return "", false
			}
		default:
			files[file.Name] = string(file.Data)
		}
	}
	request.Artifact = memory.New(state.Revision{ID: "1"}, files)
	result, err := formats.Render(t.Context(), request)
	return rendering(t, result, err)
}

// rendering writes objects or errors for people.
func rendering(t *testing.T, result render.Result, err error) string {
	t.Helper()
	var out strings.Builder
	writeFaults(&out, err)
	for object := range result.Objects.All() {
		writeFaults(&out, result.Wrong[object.ID()])
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.JSONToYAML(data)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "--- %s at %s\n%s", object.ID(), object.Origin(), text)
		for _, pointer := range object.Secrets() {
			fmt.Fprintf(&out, "# secret: %s\n", pointer)
		}
	}
	return out.String()
}

// found gives objects, as a renderer without knowledge of quotes would.
type found []render.Found

func (f found) Render(context.Context, render.Request) (render.Result, error) {
	return render.Result{Found: f}, nil
}

func throughFormats(t *testing.T, objects found, how v1alpha1.Substitute) (render.Result, error) {
	t.Helper()
	files := map[string]string{"app/x.yaml": "x: 1\n"}
	return render.Formats{Plain: objects}.Render(context.Background(), render.Request{
		Artifact: memory.New(state.Revision{ID: "1"}, files), Path: "app", How: v1alpha1.Rendering{Substitute: &how},
	})
}

// An object that holds no variable is the very same afterwards, whatever values there are.
func TestObjectsWithoutVariablesAreUntouched(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`([a-z$}()%]|\{[a-z])*`).Filter(func(s string) bool { return !strings.Contains(s, "${") })
		object := state.NewObject(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"},
			"data": map[string]any{"a" + text.Draw(r, "key"): text.Draw(r, "value")},
		}, state.Origin{File: "x.yaml", Line: 1})
		result, err := throughFormats(t, found{{Object: object}}, v1alpha1.Substitute{Values: map[string]string{"a": "b"}})
		if err != nil {
			r.Fatal(err)
		}
		if got := result.Objects.Get(object.ID()); got != object {
			r.Fatalf("got %v, want the object itself", got)
		}
	})
}

// Marks that are there stay, at the place where their field is then.
func TestSecretsThatAreThereStayMarked(t *testing.T) {
	object := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"},
		"data": map[string]any{"${A}/b": "decrypted", "c": "${A}", "d": "decrypted"},
	}, state.Origin{File: "x.yaml", Line: 1}).WithSecrets([]string{"/data/${A}~1b", "/data/d"})
	result, err := throughFormats(t, found{{Object: object}}, v1alpha1.Substitute{Values: map[string]string{"A": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/data/a~1b", "/data/d"}, result.Objects.Get(object.ID()).Secrets()); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsOfSubstitutionAreBounded(t *testing.T) {
	var objects found
	for i := range 100 {
		objects = append(objects, render.Found{Object: state.NewObject(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprint("x", i)},
			"data": map[string]any{"a": "${X}"},
		}, state.Origin{File: "x.yaml", Line: i + 1})})
	}
	_, err := throughFormats(t, objects, v1alpha1.Substitute{})
	if got := len(fault.Flatten(err)); got != 50 || fault.KindOf(err) != fault.Invalid {
		t.Errorf("%d errors of kind %s, want 50", got, fault.KindOf(err))
	}
}
