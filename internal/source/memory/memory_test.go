package memory_test

import (
	"testing"
	"testing/fstest"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestIsAFileSystem(t *testing.T) {
	artifact := memory.New(state.Revision{ID: "1"}, map[string]string{"a.yaml": "a", "sub/deep/b.yaml": "b", "sub/c": ""})
	if err := fstest.TestFS(artifact, "a.yaml", "sub/deep/b.yaml", "sub/c"); err != nil {
		t.Fatal(err)
	}
}

func TestHashIsOfTheContent(t *testing.T) {
	before := memory.New(state.Revision{ID: "1"}, map[string]string{"a/x": "1", "b/y": "2"})
	after := memory.New(state.Revision{ID: "2"}, map[string]string{"a/x": "1", "b/y": "3"})
	for path, same := range map[string]bool{".": false, "a": true, "a/x": true, "b": false, "b/y": false} {
		one, ok := before.Hash(path)
		two, _ := after.Hash(path)
		if !ok || (one == two) != same {
			t.Errorf("%s: %q and %q", path, one, two)
		}
	}
	if _, ok := before.Hash("c"); ok {
		t.Error("a path that is not there has a hash")
	}
}

func TestLinksStayInside(t *testing.T) {
	artifact := memory.NewLinked(state.Revision{ID: "1"}, map[string]string{"a/x": "1", "b/y": "2"},
		map[string]string{"b/in": "../a", "b/out": "../../etc", "b/root": "/etc", "b/loop": "loop"})
	if data, err := artifact.ReadFile("b/in/x"); err != nil || string(data) != "1" {
		t.Errorf("b/in/x: %q, %v", data, err)
	}
	for _, path := range []string{"b/out", "b/out/passwd", "b/root", "b/loop"} {
		if _, err := artifact.ReadFile(path); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", path, err)
		}
	}
}
