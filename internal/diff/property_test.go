package diff_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// name draws field names, among them those with rules of their own.
var name = rapid.OneOf(
	rapid.SampledFrom([]string{"spec", "metadata", "containers", "env", "ports", "name", "value", "limits", "finalizers", "data", "port"}),
	rapid.StringMatching(`[a-z~/\[\]*,=]{1,4}`),
)

// value draws JSON of some depth.
func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Int64().AsAny(), rapid.Float64Range(-1e6, 1e6).AsAny(), rapid.Bool().AsAny(),
		rapid.StringN(0, 8, -1).AsAny(), rapid.SampledFrom([]string{"1000m", "1", "1e9", "1Gi", "TCP"}).AsAny(), rapid.Just[any](nil),
	}
	if depth > 0 {
		leaves = append(leaves, object(depth-1).AsAny(), rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 3).AsAny())
	}
	return rapid.OneOf(leaves...)
}

func object(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(name, rapid.Deferred(func() *rapid.Generator[any] { return value(depth) }), 0, 4)
}

func TestEqualObjectsDoNotDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := object(4).Draw(t, "x")
		if fields := diff.Compare(x, state.DeepCopy(x).(map[string]any), diff.Options{}); len(fields) != 0 {
			t.Fatal(fields)
		}
	})
}

func TestFieldsThatAreNotDeclaredDoNotDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live := object(4).Draw(t, "live")
		want := state.DeepCopy(live).(map[string]any)
		for key := range want {
			if rapid.Bool().Draw(t, "drop") {
				delete(want, key)
			}
		}
		if fields := diff.Compare(want, live, diff.Options{}); len(fields) != 0 {
			t.Fatal(fields)
		}
	})
}

// leaf picks a declared scalar and gives its value and how to set it.
func leaf(t *rapid.T, value any) (any, func(any)) {
	var olds []any
	var sets []func(any)
	var walk func(value any, set func(any))
	walk = func(value any, set func(any)) {
		switch v := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], func(x any) { v[key] = x })
			}
		case []any:
			for i, child := range v {
				walk(child, func(x any) { v[i] = x })
			}
		default:
			olds, sets = append(olds, value), append(sets, set)
		}
	}
	walk(value, nil)
	if len(olds) == 0 {
		t.SkipNow()
	}
	at := rapid.IntRange(0, len(olds)-1).Draw(t, "leaf")
	return olds[at], sets[at]
}

func TestAnyChangeOfADeclaredLeafIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]any{"spec": object(4).Draw(t, "want")}
		live := state.DeepCopy(want).(map[string]any)
		old, set := leaf(t, live)
		if old == nil {
			t.SkipNow() // null declares nothing
		}
		set("changed to something that no generator makes")
		if fields := diff.Compare(want, live, diff.Options{}); len(fields) == 0 {
			t.Fatalf("not found: want %v, live %v", want, live)
		}
	})
}

func TestIgnoredDifferencesAreNotReportedAndMergeRemovesThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]any{"spec": object(4).Draw(t, "want")}
		live := map[string]any{"spec": object(4).Draw(t, "live")}
		fields := diff.Compare(want, live, diff.Options{})
		if len(fields) == 0 {
			t.SkipNow()
		}
		ignored := fields[rapid.IntRange(0, len(fields)-1).Draw(t, "ignored")].Path
		opts := diff.Options{Ignore: []string{ignored}}
		for _, field := range diff.Compare(want, live, opts) {
			if field.Path == ignored {
				t.Fatalf("%s is reported", ignored)
			}
		}
		for _, field := range diff.Compare(diff.Merge(want, live, opts), live, diff.Options{}) {
			if field.Path == ignored {
				t.Fatalf("%s differs after merging: %s -> %s", ignored, field.Old, field.New)
			}
		}
	})
}

func TestSecretsNeverLeak(t *testing.T) {
	secret := rapid.StringMatching(`s3[a-zA-Z0-9]{6,400}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := secret.Draw(t, "a"), secret.Draw(t, "b")
		key := rapid.SampledFrom([]string{"", "a key of some sixteen bytes"}).Draw(t, "key")
		redactor := diff.Redactor{Key: []byte(key)}
		encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
		variable := func(text string) map[string]any { return map[string]any{"name": "API_TOKEN", "value": text} }
		wants := []map[string]any{
			{"apiVersion": "v1", "kind": "Secret", "stringData": map[string]any{"k": a}, "data": map[string]any{"l": encode(a)}},
			{"apiVersion": "v1", "kind": "Secret", "stringData": a, "data": []any{a}},
			{"kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"name": "c", "env": []any{variable(a)}}}}},
			{"kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"name": "c", "env": []any{variable(a), variable(a)}}}}},
		}
		lives := []map[string]any{
			nil, {},
			{"apiVersion": "v1", "kind": "Secret", "data": map[string]any{"k": encode(b), "l": b}},
			{"kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"name": "c", "env": []any{variable(b)}}}}},
			{"kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"name": "c", "env": []any{variable(b), variable(b)}}}}},
			{"kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"name": "c", "env": "none"}}}},
		}
		want := rapid.SampledFrom(wants).Draw(t, "want")
		live := rapid.SampledFrom(lives).Draw(t, "live")
		shown, _ := json.Marshal([]any{diff.Compare(want, live, diff.Options{Redact: redactor}), redactor.Object(want)})
		for _, text := range []string{a, b, encode(a), encode(b)} {
			for start := 0; start+4 <= len(text); start += 4 {
				if part := text[start:min(len(text), start+8)]; len(part) >= 6 && strings.Contains(string(shown), part) {
					t.Fatalf("%q of %q is shown: %s", part, text, shown)
				}
			}
		}
	})
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"a"}]}}`), []byte(`{"spec":{"containers":[{"name":"a","x":1}]}}`), "/spec/containers[name=a]/x")
	f.Add([]byte(`{"kind":"Secret","data":{"a":1}}`), []byte(`{"data":[]}`), "/data/*")
	f.Fuzz(func(t *testing.T, left, right []byte, path string) {
		var want, live map[string]any
		if json.Unmarshal(left, &want) != nil || json.Unmarshal(right, &live) != nil {
			return
		}
		opts := diff.Options{Ignore: []string{path}}
		for _, field := range diff.Compare(want, live, opts) {
			if _, err := diff.ParsePath(field.Path); err != nil {
				t.Error(err)
			}
			for _, value := range []string{field.Old, field.New} {
				if value != "" && !json.Valid([]byte(value)) {
					t.Errorf("not JSON: %s", value)
				}
			}
		}
		diff.Merge(want, live, opts)
	})
}
