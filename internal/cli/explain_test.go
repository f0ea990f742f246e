package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/explain"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// TestCommentsChangeNothing: what is shown with comments is read as what it was.
func TestCommentsChangeNothing(t *testing.T) {
	texts := rapid.OneOf(
		rapid.StringMatching(`[a-z:#'" \-\n\t|>{}&*!%@\[\],?]{0,20}`),
		rapid.SampledFrom([]string{"yes", "1e3", "0777", "~", "a\n\nb\n", " x\ny", "# no", "x # y",
			strings.Repeat("long ", 60), "\u0085 \u2028"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		content := map[string]any{
			"kind": texts.Draw(t, "kind"),
			"data": map[string]any{texts.Draw(t, "key"): texts.Draw(t, "value"), "z": []any{texts.Draw(t, "item"), int64(3), nil, []any{}}},
			"list": []any{map[string]any{"a": texts.Draw(t, "a"), "b": map[string]any{}}, []any{texts.Draw(t, "inner")}},
		}
		object := explainedObject{content: content}
		for _, field := range explain.Fields(content) {
			object.Fields = append(object.Fields, explanation{Path: field.Pointer, From: []explain.Place{{File: "a: b.yaml", Line: 1}}})
		}
		lines, comments, err := annotated(object)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			lines[i] += comments[i]
		}
		trees, err := document.Parse([]byte(strings.Join(lines, "\n")+"\n"), "")
		if err != nil || len(trees) != 1 {
			t.Fatalf("%v:\n%s", err, strings.Join(lines, "\n"))
		}
		if difference := cmp.Diff(asJSON(t, content), asJSON(t, trees[0].Value)); difference != "" {
			t.Fatalf("%s\n%s", difference, strings.Join(lines, "\n"))
		}
	})
}

func asJSON(t *rapid.T, value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestObjectsAreNamedInManyWays(t *testing.T) {
	id := state.ID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	for asked, want := range map[string]bool{
		"deployment/web": true, "Deployment/web": true, "deployment/shop/web": true, "apps/Deployment/shop/web": true,
		"deployment/other/web": false, "web": false, "deployment/we": false,
	} {
		if got := names(asked, id); got != want {
			t.Errorf("%s: %v, want %v", asked, got, want)
		}
	}
}
