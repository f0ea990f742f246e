package render_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"

func manifest(name string) string { return fmt.Sprintf(object, name) }

// TestReads changes one thing after a render, and asks whether the render would have to be done again.
func TestReads(t *testing.T) {
	files := map[string]string{
		"plain/a.yaml": manifest("a"), "plain/sub/b.yaml": manifest("b"), "other/c.yaml": manifest("c"),
		"over/kustomization.yaml": "resources: [../base, via]\n", "base/kustomization.yaml": "resources: [d.yaml]\n",
		"base/d.yaml": manifest("d"), "base/unused.yaml": manifest("e"),
		"near/kustomization.yaml": "resources: [f.yaml]\n", "near/f.yaml": manifest("f"),
		"far/kustomization.yaml": "resources: [f.yaml]\n", "far/f.yaml": manifest("f"),
	}
	links := map[string]string{"over/via": "../near", "plain/link.yaml": "../other/c.yaml"}
	for _, test := range []struct {
		name, path, change, to string
		changed                bool
	}{
		{"a commit that changes nothing", "plain", "", "", false},
		{"a file elsewhere", "plain", "base/d.yaml", "x", false},
		{"a file of it", "plain", "plain/sub/b.yaml", manifest("x"), true},
		{"a new file", "plain", "plain/sub/new.yaml", manifest("x"), true},
		{"a file that is gone", "plain", "plain/a.yaml", "-", true},
		{"what a link leads to", "plain", "other/c.yaml", manifest("x"), true},
		{"rules that appear above it", "plain", ".setpointignore", "a.yaml\n", true},
		{"a kustomization that appears", "plain", "plain/kustomization.yaml", "resources: []\n", true},
		{"a base's file", "over", "base/d.yaml", manifest("x"), true},
		{"a base's kustomization", "over", "base/kustomization.yaml", "resources: []\n", true},
		{"a file that the base does not list", "over", "base/unused.yaml", manifest("x"), false},
		{"a second kustomization file", "over", "base/kustomization.yml", "resources: []\n", true},
		{"a file elsewhere", "over", "plain/a.yaml", manifest("x"), false},
		{"where a link leads to", "over", "over/via", "../far", true},
		{"a path that appears", "nowhere/at/all", "nowhere/at/all/x.yaml", manifest("x"), true},
		{"a path that stays away", "nowhere/at/all", "plain/a.yaml", manifest("x"), false},
	} {
		t.Run(test.path+"/"+test.name, func(t *testing.T) {
			result, _ := formats.Render(t.Context(), render.Request{Artifact: memory.NewLinked(state.Revision{ID: "1"}, files, links), Path: test.path})
			newFiles, newLinks := maps.Clone(files), maps.Clone(links)
			switch {
			case test.to == "-":
				delete(newFiles, test.change)
			case newLinks[test.change] != "":
				newLinks[test.change] = test.to
			case test.change != "":
				newFiles[test.change] = test.to
			}
			after := memory.NewLinked(state.Revision{ID: "2"}, newFiles, newLinks)
			if got := !result.Reads.Unchanged(after); got != test.changed {
				t.Errorf("changed: %t", got)
			}
		})
	}
}

func TestReadsOfAListing(t *testing.T) {
	artifact := func(id string, files map[string]string) *memory.Artifact {
		return memory.New(state.Revision{ID: id}, files)
	}
	recorder := render.Record(artifact("1", map[string]string{"a/x": "1", "a/y": "2", "b": ""}))
	if _, err := recorder.ReadDir("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := recorder.Stat("b"); err != nil {
		t.Fatal(err)
	}
	reads := recorder.Reads()
	for name, test := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"content":      {map[string]string{"a/x": "9", "a/y": "2", "b": "9"}, true},
		"a new name":   {map[string]string{"a/x": "1", "a/y": "2", "a/z": "", "b": ""}, false},
		"another kind": {map[string]string{"a/x": "1", "a/y/z": "2", "b": ""}, false},
		"a directory":  {map[string]string{"a/x": "1", "a/y": "2", "b/c": ""}, false},
		"gone":         {map[string]string{"a/x": "1", "a/y": "2"}, false},
	} {
		if got := reads.Unchanged(artifact("2", test.files)); got != test.want {
			t.Errorf("%s: unchanged %t", name, got)
		}
	}
	if (render.Reads{}).Unchanged(artifact("1", nil)) {
		t.Error("nothing is known to be unchanged when nothing was read")
	}
}

// BenchmarkUnchanged200 finds out that a commit which touches one directory leaves 199 of 200 Syncs alone.
func BenchmarkUnchanged200(b *testing.B) {
	files := map[string]string{}
	for sync := range 200 {
		kustomization := "resources:\n"
		for file := range 10 {
			kustomization += fmt.Sprintf("- cm-%d.yaml\n", file)
			files[fmt.Sprintf("apps/%03d/cm-%d.yaml", sync, file)] = manifest(fmt.Sprintf("cm-%d", file))
		}
		files[fmt.Sprintf("apps/%03d/kustomization.yaml", sync)] = kustomization
	}
	before := memory.New(state.Revision{ID: "1"}, files)
	reads := make([]render.Reads, 200)
	for sync := range reads {
		result, err := formats.Render(b.Context(), render.Request{Artifact: before, Path: fmt.Sprintf("apps/%03d", sync)})
		if err != nil {
			b.Fatal(err)
		}
		reads[sync] = result.Reads
	}
	files["apps/007/cm-3.yaml"] = manifest("new")
	after := memory.New(state.Revision{ID: "2"}, files)
	for b.Loop() {
		changed := 0
		for _, one := range reads {
			if !one.Unchanged(after) {
				changed++
			}
		}
		if changed != 1 {
			b.Fatal(changed)
		}
	}
}
