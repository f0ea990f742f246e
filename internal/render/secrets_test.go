package render_test

import (
	"encoding/base64"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestMarkSecrets(t *testing.T) {
	object := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "hunter22", "labels": map[string]any{"x": "hunter22"}},
		"data": map[string]any{
			"plain": "a hunter22 b", "encoded": base64.StdEncoding.EncodeToString([]byte("user:hunter22!")), "open": "nothing",
			"quoted": `{"a":"first \"x\""}`, "indented": "  key: long line\n    of a text\n", "a/b": "hunter22",
			"json": `{"a":"<its> \"x\""}`, "yaml": "a: '<its> ''y'''",
		},
		"number": int64(123456), "other": int64(1234567), "flag": true, "short": "ab",
	}, state.Origin{})
	values := []string{"hunter22", "123456", "true", "ab", `first "x"`, `<its> "x"`, "<its> 'y'", "key: long line\nof a text"}
	got := render.MarkSecrets(object, values).Secrets()
	want := []string{
		"/data/a~1b", "/data/encoded", "/data/indented", "/data/json", "/data/plain", "/data/quoted", "/data/yaml", "/metadata/labels/x", "/number",
	}
	if !slices.Equal(got, want) {
		t.Errorf("marked are %q, want %q", got, want)
	}
	if render.MarkSecrets(object, []string{"zzzz"}) != object {
		t.Error("an object without secrets is another one")
	}
}

// A key is refused and not only hidden, so that a word in it, which may stand there by chance, does not count.
func TestMarkSecretsInKeys(t *testing.T) {
	for key, want := range map[string][]string{
		"hunter22": {"/spec"}, "user-hunter22.x": {"/spec"}, base64.StdEncoding.EncodeToString([]byte("hunter22")): {"/spec"},
		"hunter": nil, "pin1": nil, "postgres-url": nil, "kubernetes.io/hostname": nil,
		"eu-west-1.yaml": nil, "db-1.example.com": nil,
	} {
		inner := map[string]any{"x-hunter22": "hunter22"}
		object := state.NewObject(map[string]any{"spec": map[string]any{key: inner, "a": "b"}}, state.Origin{})
		if want == nil {
			want = []string{state.Pointer("spec", key)} // of the inner key
		}
		values := []string{"hunter22", "pin1", "postgres", "kubernetes.io/hostname", "eu-west-1", "db-1.example.com"}
		if got := render.MarkSecrets(object, values).Secrets(); !slices.Equal(got, want) {
			t.Errorf("%s: marked are %q, want %q", key, got, want)
		}
	}
}

// A value is found in base64 wherever it begins.
func TestMarkSecretsInBase64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[a-zA-Z0-9!?_-]{5,40}`).Draw(t, "value")
		if value == "false" {
			return
		}
		around := rapid.SliceOfN(rapid.StringN(0, 6, 20), 2, 2).Draw(t, "around")
		text := base64.StdEncoding.EncodeToString([]byte(around[0] + value + around[1]))
		object := state.NewObject(map[string]any{"a": []any{text}}, state.Origin{})
		if got := render.MarkSecrets(object, []string{value}).Secrets(); !slices.Equal(got, []string{"/a/0"}) {
			t.Errorf("%q in %q: %q", value, text, got)
		}
	})
}
