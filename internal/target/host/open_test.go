package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

func TestAgentsOfOtherNamesAreToldOf(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	h := openReal(t, dir, root)
	object := declareAt("File", "a", "/a", "1")
	if err := h.Apply(t.Context(), shop, []plan.Step{creating(object)}, func(target.Result) {}); err != nil {
		t.Fatal(err)
	}
	if names := h.Agents(); !slices.Equal(names, []string{shop.Agent}) {
		t.Errorf("agents = %v", names)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for name, warned := range map[string]bool{shop.Agent: false, "renamed": true} {
		var log bytes.Buffer
		again, err := Open(t.Context(), Config{Dir: dir, Root: root, Agent: name, SecretKey: secretKey, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "SETPOINT_NAME") != warned {
			t.Errorf("agent %s: logged %q", name, log.String())
		}
	}
}

// A directory and what lies in it come in one commit: that the directory is not there yet is no error of the files, however the looks
// at them are interleaved. The same holds for a link and a file behind it.
func TestFilesOfADirectoryThatComes(t *testing.T) {
	objects := []*state.Object{declareAt("Directory", "z-dir", "/conf", ""), state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "Link", "metadata": map[string]any{"name": "z-link"},
		"spec": map[string]any{"path": "/way", "target": "conf"},
	}, state.Origin{})}
	for i := range 60 {
		objects = append(objects, declareAt("File", fmt.Sprintf("f%d", i), fmt.Sprintf("/conf/f%d", i), "1"))
	}
	objects = append(objects, declareAt("File", "behind", "/way/behind", "1"))
	for range 20 {
		h := openReal(t, t.TempDir(), t.TempDir())
		report, err := h.Compare(t.Context(), target.Query{Owner: shop, Want: set(objects...)})
		if err != nil {
			t.Fatal(err)
		}
		var steps []plan.Step
		for _, entry := range report.Entries {
			if entry.Err != nil {
				t.Fatalf("%s: %v", entry.ID, entry.Err)
			}
			steps = append(steps, plan.Step{ID: entry.ID, Op: entry.Op, Want: entry.Want})
		}
		if err := h.Apply(t.Context(), shop, steps, func(result target.Result) {
			if result.Err != nil {
				t.Errorf("%s: %v", result.ID, result.Err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An app and a file side by side; for a preview, and with neither a supervisor nor the files of the source at hand, the app can be
// compared all the same.
func TestAppsBesideFiles(t *testing.T) {
	app := state.NewObject(map[string]any{
		"apiVersion": "host.setpoint.dev/v1alpha1", "kind": "App", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{
			"build":     map[string]any{"directory": "web", "digest": strings.Repeat("a", 64)},
			"processes": map[string]any{"web": map[string]any{"command": []any{"./serve"}}},
		},
	}, state.Origin{})
	want := set(app, declareAt("File", "a", "/a", "1"))
	h, err := Open(t.Context(), Config{Dir: t.TempDir(), Root: t.TempDir(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	report, err := h.Compare(t.Context(), target.Query{Owner: shop, Want: want})
	if err != nil || len(report.Entries) != 2 {
		t.Fatalf("%+v, %v; want both", report.Entries, err)
	}
	for _, entry := range report.Entries {
		if entry.Op != diff.Create || entry.Health.Status != state.Missing {
			t.Errorf("entry = %+v, want a creation", entry)
		}
	}
	if names := h.Apps().Apps(); len(names) > 0 {
		t.Errorf("apps = %v, and none was created", names)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatTheAgentBringsForApps(t *testing.T) {
	if _, err := builds(nil).Open("x"); fault.KindOf(err) != fault.Transient {
		t.Errorf("no builds: %v, want that waiting may help", err)
	}
	missing := errors.New("missing")
	if _, err := builds(func(string) (fs.FS, error) { return nil, missing }).Open("x"); !errors.Is(err, missing) {
		t.Error(err)
	}
	c := connecting(Config{Dir: t.TempDir(), ReadOnly: true})
	if supervisor, err := c.get(t.Context()); supervisor != nil || err == nil {
		t.Errorf("%v, %v: a preview starts no supervisor", supervisor, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.get(t.Context()); fault.KindOf(err) != fault.Transient {
		t.Errorf("after the end: %v", err)
	}
}

func TestTemplatesAreChecked(t *testing.T) {
	declare := func(kind string, template map[string]any) *state.Object {
		return state.NewObject(map[string]any{
			"apiVersion": "host.setpoint.dev/v1alpha1", "kind": kind, "metadata": map[string]any{"name": "a"},
			"spec": map[string]any{"path": "/a", "template": template},
		}, state.Origin{})
	}
	values := map[string]any{"port": int64(80)}
	secrets := map[string]any{"password": map[string]any{"env": "PASSWORD"}}
	for _, test := range []struct {
		name   string
		object *state.Object
		wrong  bool
	}{
		{"good", declare("File", map[string]any{"text": "{{.Values.port}} {{.Secrets.password}}", "values": values, "secrets": secrets}), false},
		{"a value that is missing", declare("File", map[string]any{"text": "{{.Values.host}}", "values": values}), true},
		{"a secret that is missing", declare("File", map[string]any{"text": "{{.Secrets.password}}"}), true},
		{"syntax", declare("File", map[string]any{"text": "{{"}), true},
		{"no template", declareAt("File", "a", "/a", "1"), false},
		{"another kind", declare("Directory", map[string]any{"text": "{{"}), false},
	} {
		if err := Check(test.object); (fault.KindOf(err) == fault.Invalid) != test.wrong {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
