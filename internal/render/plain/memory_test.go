package plain_test

import (
	"maps"
	"runtime"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// What has not changed is not read again, and the result is the same as if it had been.
func TestMemory(t *testing.T) {
	files := configMaps(100)
	files["apps/README.md"] = "one"
	renderer := plain.New()
	draw := func(revision string) (remembering, fresh render.Result) {
		t.Helper()
		artifact := memory.New(state.Revision{ID: revision}, maps.Clone(files))
		remembering, err := (render.Formats{Plain: renderer}).Render(t.Context(), render.Request{Artifact: artifact, Path: "apps"})
		if err != nil {
			t.Fatal(err)
		}
		if fresh, err = (render.Formats{Plain: plain.Renderer{}}).Render(t.Context(), render.Request{Artifact: artifact, Path: "apps"}); err != nil {
			t.Fatal(err)
		}
		if remembering.Objects.Digest() != fresh.Objects.Digest() {
			t.Error("memory gives another result")
		}
		next := maps.Clone(files)
		next["apps/07/cm-0007.yaml"] = "changed: entirely"
		if remembering.Reads.Unchanged(memory.New(state.Revision{ID: "other"}, next)) {
			t.Error("a change of a file that came from memory goes unnoticed")
		}
		return remembering, fresh
	}
	before, _ := draw("1")
	files["apps/README.md"] = "two"
	files["apps/03/cm-0003.yaml"] = configMaps(1)["apps/00/cm-0000.yaml"] + "  more: text\n"
	delete(files, "apps/00/cm-0000.yaml")
	after, _ := draw("2")
	same := 0
	for object := range after.Objects.All() {
		if before.Objects.Get(object.ID()) == object {
			same++
		}
	}
	if same != 98 || after.Objects.Len() != 99 {
		t.Errorf("%d of %d objects are the same values, want 98 of 99", same, after.Objects.Len())
	}
	runtime.KeepAlive(before)
}

func TestMemoryKeepsErrors(t *testing.T) {
	files := configMaps(3)
	files["apps/broken.yaml"] = "a: [b"
	renderer := plain.New()
	for _, revision := range []string{"1", "2"} {
		artifact := memory.New(state.Revision{ID: revision}, files)
		if _, err := (render.Formats{Plain: renderer}).Render(t.Context(), render.Request{Artifact: artifact, Path: "apps"}); err == nil {
			t.Errorf("revision %s: the broken file is not told", revision)
		}
	}
}

func BenchmarkPlain5000OneChanged(b *testing.B) {
	files := configMaps(5000)
	renderer := plain.New()
	before, err := (render.Formats{Plain: renderer}).Render(b.Context(), render.Request{Artifact: memory.New(state.Revision{ID: "1"}, files), Path: "apps"})
	if err != nil {
		b.Fatal(err)
	}
	files["apps/00/cm-0000.yaml"] += "  more: text\n"
	artifact := memory.New(state.Revision{ID: "2"}, files)
	for b.Loop() {
		if _, err := (render.Formats{Plain: renderer}).Render(b.Context(), render.Request{Artifact: artifact, Path: "apps"}); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(before)
}
