package supervise

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGroupLimits: what is written into a group; a directory takes the kernel's place.
func TestGroupLimits(t *testing.T) {
	g := groups{base: t.TempDir(), prefix: "setpoint-x."}
	id := ProcessID{App: "shop", Release: 1, Type: "web", Index: 1, Launch: 1}
	if group, err := g.make(id, Launch{Files: 10}); group != nil || err != nil {
		t.Errorf("nothing needs a group: %v %v", group, err)
	}
	launch := Launch{Memory: 1 << 20, CPU: 250}
	if err := os.Mkdir(g.path(id), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"memory.max", "memory.swap.max", "cpu.max"} {
		if err := os.WriteFile(filepath.Join(g.path(id), name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	group, err := g.make(id, launch)
	if err != nil {
		t.Fatal(err)
	}
	defer group.started()
	for name, want := range map[string]string{"memory.max": "1048576", "memory.swap.max": "0", "cpu.max": "25000 100000"} {
		if got, _ := os.ReadFile(filepath.Join(group.path, name)); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if found := g.find(id, launch); found == nil || found.path != group.path {
		t.Errorf("a successor finds %v", found)
	}
}

// TestRealGroup: a process is started in its group, and all of the group is killed at once, wherever the machine lets us make groups.
// Elsewhere none is found, and nothing is in its way.
func TestRealGroup(t *testing.T) {
	own := ownGroup()
	path := filepath.Join(own, "setpoint-test-"+filepath.Base(t.TempDir()))
	if own == "" || os.Mkdir(path, 0o755) != nil {
		if base := findGroups("test").base; base != "" {
			t.Errorf("groups can be made in %s, but not in %s", base, own)
		}
		return
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	made := &group{path: path, file: file}
	defer made.remove()
	r := newReaper() // never run: the test waits itself
	nothing, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	self := selfPath(t)
	c, err := r.spawn(Launch{Dir: t.TempDir(), Memory: 1 << 30}, program{path: self, argv: []string{self, "as:sleeper"}, env: []string{"A=b"}},
		[]*os.File{nothing, nothing, nothing}, made)
	if err != nil {
		t.Fatal(err)
	}
	membership, _ := os.ReadFile(procPath(c.pid, "cgroup"))
	if !slices.ContainsFunc(strings.Split(string(membership), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "0::") && strings.HasSuffix(line, filepath.Base(path))
	}) || made.empty() {
		t.Errorf("it is in %s", membership)
	}
	made.kill()
	if state, err := c.handle.Wait(); err != nil || state.Success() {
		t.Errorf("%v %v", state, err)
	}
	eventually(t, "the group is empty", made.empty)
}
