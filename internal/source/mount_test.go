package source_test

import (
	"testing"
	"testing/fstest"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func mount(t *testing.T, base source.Artifact, mounts ...source.Mounted) source.Artifact {
	t.Helper()
	whole, err := source.Mount(base, mounts)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func tree(id string, files map[string]string) source.Artifact {
	return memory.New(state.Revision{ID: id, Ref: "main"}, files)
}

func TestMount(t *testing.T) {
	base := tree("1", map[string]string{"apps/shop/kustomization.yaml": "resources: [../../base]", "vendor/own/x": "own"})
	shared := memory.NewLinked(state.Revision{ID: "sha256:2222222222", Ref: "1.4.0"}, map[string]string{"v1/base/a.yaml": "a: 1", "other": "o"},
		map[string]string{"v1/base/link": "a.yaml"})
	chart := tree("3", map[string]string{"Chart.yaml": "name: x"})
	whole := mount(t, base,
		source.Mounted{At: "vendor/charts/x", Path: ".", Artifact: chart, Name: "charts"},
		source.Mounted{At: "base", Path: "v1/base", Artifact: shared, Name: "shared"})
	if err := fstest.TestFS(whole, "base/a.yaml", "base/link", "vendor/charts/x/Chart.yaml", "vendor/own/x", "apps/shop/kustomization.yaml"); err != nil {
		t.Fatal(err)
	}
	want(t, "revision", whole.Revision().Short(), "main@"+whole.Revision().ID[:7]+" + base 1.4.0@2222222 + vendor/charts/x main@3")
	if _, err := whole.ReadFile("base/other"); fault.KindOf(err) == "" && err == nil {
		t.Error("what is beside the mounted directory can be read")
	}
}

func TestHashesOfMounts(t *testing.T) {
	base := tree("1", map[string]string{"a/x": "1"})
	one := mount(t, base, source.Mounted{At: "lib/base", Path: ".", Artifact: tree("2", map[string]string{"y": "1"})})
	two := mount(t, base, source.Mounted{At: "lib/base", Path: ".", Artifact: tree("3", map[string]string{"y": "2"})})
	for path, same := range map[string]bool{"a": true, "a/x": true, "lib": false, "lib/base": false, "lib/base/y": false, ".": false} {
		x, ok1 := one.Hash(path)
		y, ok2 := two.Hash(path)
		if !ok1 || !ok2 || (x == y) != same {
			t.Errorf("%s: %q and %q, want equal: %v", path, x, y, same)
		}
	}
	if _, ok := one.Hash("lib/none"); ok {
		t.Error("nothing has a hash")
	}
	if one.Revision().ID == two.Revision().ID || one.Revision().ID == base.Revision().ID {
		t.Error("another import is another revision")
	}
}

func TestMountsThatDoNotFit(t *testing.T) {
	base := tree("1", map[string]string{"a/x": "1"})
	other := tree("2", map[string]string{"dir/y": "1", "file": "1"})
	for _, test := range []struct {
		mounted source.Mounted
		kind    fault.Kind
	}{
		{source.Mounted{At: "a", Path: ".", Artifact: other}, fault.Invalid},
		{source.Mounted{At: "a/x/below", Path: ".", Artifact: other}, fault.Invalid},
		{source.Mounted{At: "b", Path: "none", Artifact: other}, fault.NotFound},
		{source.Mounted{At: "b", Path: "file", Artifact: other}, fault.Invalid},
	} {
		_, err := source.Mount(base, []source.Mounted{test.mounted})
		want(t, test.mounted.At+" "+test.mounted.Path, fault.KindOf(err), test.kind)
	}
}
