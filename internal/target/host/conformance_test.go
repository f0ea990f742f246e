package host

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/targettest"
)

var secretKey = []byte("0123456789abcdef")

// openReal opens a host of real files below a root of its own.
func openReal(t testing.TB, dir, root string) *Host {
	t.Helper()
	h, err := Open(t.Context(), Config{Dir: dir, Root: root, SecretKey: secretKey, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func declareAt(kind, name, path, content string) *state.Object {
	spec := map[string]any{"path": path}
	if content != "" {
		spec["content"] = content
	}
	return state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}, state.Origin{})
}

func TestConformance(t *testing.T) {
	root := t.TempDir()
	h := openReal(t, t.TempDir(), root)
	place := func(id state.ID) string { return filepath.Join(root, id.Name) }
	write := func(t *testing.T, id state.ID, content string) {
		if err := os.WriteFile(place(id), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	targettest.Run(t, targettest.Harness{
		New:    func(*testing.T) target.Target { return h },
		Object: func(name, value string) *state.Object { return declareAt("File", name, "/"+name, value) },
		Tamper: func(t *testing.T, id state.ID, value string) { write(t, id, value) },
		Remove: func(t *testing.T, id state.ID) {
			if err := os.Remove(place(id)); err != nil {
				t.Fatal(err)
			}
		},
		Exists: func(_ *testing.T, id state.ID) bool {
			_, err := os.Lstat(place(id))
			return err == nil
		},
		Foreign: func(t *testing.T, object *state.Object) { write(t, object.ID(), "nobody's") },
	})
}

// A tree of directories with a file and a link in the deepest is made in one stage, and deleted in one, whatever the order of the steps.
func TestTreesComeAndGoInOneStage(t *testing.T) {
	root := t.TempDir()
	h := openReal(t, t.TempDir(), root)
	link := state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "Link", "metadata": map[string]any{"name": "current"},
		"spec": map[string]any{"path": "/srv/app/conf/current", "target": "app.conf"},
	}, state.Origin{})
	objects := []*state.Object{
		declareAt("File", "conf", "/srv/app/conf/app.conf", "x"), link, declareAt("Directory", "a-conf", "/srv/app/conf", ""),
		declareAt("Directory", "b-app", "/srv/app", ""), declareAt("Directory", "c-srv", "/srv", ""),
	}
	carry := func(op diff.Op) {
		t.Helper()
		var steps []plan.Step
		for _, object := range objects {
			step := plan.Step{ID: object.ID(), Op: op}
			if op != diff.Delete {
				step.Want = object
			}
			steps = append(steps, step)
		}
		err := h.Apply(t.Context(), shop, steps, func(result target.Result) {
			if result.Err != nil || !result.Changed {
				t.Errorf("%s %s: changed %v, %v", op, result.ID, result.Changed, result.Err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	carry(diff.Create)
	report, err := h.Compare(t.Context(), target.Query{Owner: shop, Want: set(objects...)})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range report.Entries {
		if entry.Op != diff.None || !entry.Health.Ready() {
			t.Errorf("entry = %+v, want nothing to do", entry)
		}
	}
	carry(diff.Delete)
	if _, err := os.Lstat(filepath.Join(root, "srv")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree is still there: %v", err)
	}
}

// What was there before an object was declared comes back, also when the agent was restarted in between.
func TestWhatWasThereBeforeIsKeptAcrossRestarts(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	before := filepath.Join(root, "motd")
	if err := os.WriteFile(before, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	object := state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "File", "metadata": map[string]any{"name": "motd"},
		"spec": map[string]any{"path": "/motd", "content": "ours", "deletion": "restore"},
	}, state.Origin{})
	for _, step := range []plan.Step{creating(object), deleting(object)} {
		h := openReal(t, dir, root)
		err := h.Apply(t.Context(), shop, []plan.Step{step}, func(result target.Result) {
			if result.Err != nil || !result.Changed {
				t.Errorf("%+v", result)
			}
		})
		if err := errors.Join(err, h.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if content, err := os.ReadFile(before); err != nil || string(content) != "before" {
		t.Errorf("%q, %v; want what was there before", content, err)
	}
}

// A preview beside the agent sees what the agent sees, and changes nothing.
func TestPreviews(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	missing := filepath.Join(dir, "missing")
	first, err := Open(t.Context(), Config{Dir: missing, Root: root, ReadOnly: true})
	if err != nil {
		t.Fatalf("on a host that no agent has driven: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the preview made its directory: %v", err)
	}
	agent := openReal(t, dir, root)
	object := declareAt("File", "a", "/a", "1")
	if err := agent.Apply(t.Context(), shop, []plan.Step{creating(object)}, func(target.Result) {}); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(root, ".setpoint-half.tmp") // as the agent makes it before it is renamed
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	preview, err := Open(t.Context(), Config{Dir: dir, Root: root, ReadOnly: true, SecretKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	changed := declareAt("File", "a", "/a", "2")
	report, err := preview.Compare(t.Context(), target.Query{Owner: shop, Want: set(changed)})
	if err != nil || len(report.Entries) != 1 || report.Entries[0].Op != diff.Update {
		t.Errorf("%+v, %v; want an update", report.Entries, err)
	}
	if err := preview.Apply(t.Context(), shop, []plan.Step{creating(changed)}, nil); fault.KindOf(err) != fault.Denied {
		t.Errorf("Apply: %v, want it denied", err)
	}
	if err := preview.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(half); err != nil {
		t.Errorf("the preview took away what the agent is making: %v", err)
	}
}

func TestOneAgentForADirectory(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	openReal(t, dir, root)
	if _, err := Open(t.Context(), Config{Dir: dir, Root: root}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second agent: %v, want a conflict", err)
	}
	if _, err := Open(t.Context(), Config{Dir: t.TempDir(), Root: filepath.Join(root, "missing")}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a root that is missing: %v", err)
	}
}
