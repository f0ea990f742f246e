package plan_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var (
	healthy     = state.Health{Status: state.Healthy}
	progressing = state.Health{Status: state.Progressing}
	missing     = state.Health{Status: state.Missing}
)

// entry reads "Kind/name" or "group/Kind/namespace/name", with the wave behind "@".
func entry(op diff.Op, health state.Health, what string) diff.Entry {
	what, wave, _ := strings.Cut(what, "@")
	parts := strings.Split(what, "/")
	id := state.ID{Kind: parts[0], Name: parts[len(parts)-1]}
	if len(parts) == 4 {
		id = state.ID{Group: parts[0], Kind: parts[1], Namespace: parts[2], Name: parts[3]}
	}
	e := diff.Entry{ID: id, Op: op, Health: health}
	if op != diff.Delete {
		content := map[string]any{"apiVersion": strings.TrimPrefix(id.Group+"/v1", "/"), "kind": id.Kind,
			"metadata": map[string]any{"name": id.Name, "annotations": map[string]any{"setpoint.dev/wave": wave}}}
		if id.Kind == "CustomResourceDefinition" {
			content["spec"] = map[string]any{"group": "x.io", "names": map[string]any{"kind": "Widget"}}
		}
		e.Want = state.NewObject(content, state.Origin{})
	}
	return e
}

func failing(e diff.Entry) diff.Entry {
	e.Err = errors.New("invalid")
	return e
}

func leaving(e diff.Entry) diff.Entry {
	e.Terminating = true
	return e
}

func TestOrder(t *testing.T) {
	const crd = "apiextensions.k8s.io/CustomResourceDefinition//widgets.x.io"
	for _, test := range []struct {
		name    string
		entries []diff.Entry
		next    string
		behind  int
		waiting int
	}{
		{"nothing to do", []diff.Entry{entry(diff.None, healthy, "ConfigMap/a")}, "", 0, 0},
		{"definitions first", []diff.Entry{entry(diff.Create, missing, "ConfigMap/a"), entry(diff.Create, missing, "Namespace/n")}, "n", 1, 0},
		{"custom resource waits for its definition", []diff.Entry{entry(diff.None, progressing, crd), entry(diff.Create, missing, "x.io/Widget/n/w"), entry(diff.Create, missing, "ConfigMap/a")}, "a", 1, 0},
		{"only that waits", []diff.Entry{entry(diff.None, progressing, crd), entry(diff.Create, missing, "x.io/Widget/n/w")}, "", 1, 1},
		{"definition established", []diff.Entry{entry(diff.None, healthy, crd), entry(diff.Create, missing, "x.io/Widget/n/w")}, "w", 0, 0},
		{"waves wait for health", []diff.Entry{entry(diff.None, progressing, "Job/a@1"), entry(diff.Create, missing, "Job/b@2")}, "", 1, 1},
		{"waves go on", []diff.Entry{entry(diff.None, healthy, "Job/a@1"), entry(diff.Create, missing, "Job/b@2")}, "b", 0, 0},
		{"negative waves come first", []diff.Entry{entry(diff.Create, missing, "Job/a"), entry(diff.Create, missing, "Job/b@-5")}, "b", 1, 0},
		{"an error stops later waves only", []diff.Entry{failing(entry(diff.Create, missing, "Job/a")), entry(diff.Create, missing, "Job/b"), entry(diff.Create, missing, "Job/c@1")}, "b", 1, 0},
		{"nothing is deleted before all is applied", []diff.Entry{entry(diff.Create, missing, "Job/a"), entry(diff.Delete, healthy, "Job/b")}, "a", 1, 0},
		{"nothing is deleted beside an error", []diff.Entry{failing(entry(diff.Create, missing, "Job/a")), entry(diff.Delete, healthy, "Job/b")}, "", 1, 0},
		{"deletion in reverse", []diff.Entry{entry(diff.Delete, healthy, "Namespace/n"), entry(diff.Delete, healthy, "Job/b"), entry(diff.Delete, healthy, "setpoint.dev/Sync//s")}, "s", 2, 0},
		{"deletion waits until it is gone", []diff.Entry{entry(diff.Delete, healthy, "Namespace/n"), leaving(entry(diff.Delete, progressing, "Job/b"))}, "", 1, 1},
		{"children are applied last", []diff.Entry{entry(diff.Create, missing, "setpoint.dev/Sync//s"), entry(diff.Create, missing, "Job/b")}, "b", 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := plan.Build(diff.Report{Entries: test.entries}, plan.Rules{Prune: true})
			var next []string
			for _, step := range p.Next {
				next = append(next, step.ID.Name)
			}
			if got := strings.Join(next, " "); got != test.next || p.Behind != test.behind || len(p.Waiting) != test.waiting {
				t.Errorf("next %q, behind %d, waiting %d; want %q, %d, %d", got, p.Behind, len(p.Waiting), test.next, test.behind, test.waiting)
			}
		})
	}
}

func TestPruneOffAndKeep(t *testing.T) {
	kept := entry(diff.Delete, healthy, "Job/kept")
	kept.Keep = true
	entries := []diff.Entry{kept, entry(diff.Delete, healthy, "Job/gone")}
	if p := plan.Build(diff.Report{Entries: entries}, plan.Rules{}); len(p.Next) != 0 || p.Kept != 2 {
		t.Errorf("without prune: %+v", p)
	}
	if p := plan.Build(diff.Report{Entries: entries}, plan.Rules{Prune: true}); len(p.Next) != 1 || p.Next[0].ID.Name != "gone" || p.Kept != 1 {
		t.Errorf("with prune: %+v", p)
	}
	report := diff.Report{Entries: entries, Unknown: []error{errors.New("a target does not answer")}}
	if p := plan.Build(report, plan.Rules{Prune: true}); len(p.Next) != 0 {
		t.Errorf("deletes though a target is unknown: %+v", p)
	}
}

func TestRepairsDoNotWaitForWaves(t *testing.T) {
	entries := []diff.Entry{entry(diff.None, progressing, "Job/a"), entry(diff.Update, healthy, "Job/b@1")}
	p := plan.Build(diff.Report{Entries: entries}, plan.Rules{Repair: func(diff.Entry) bool { return true }})
	if len(p.Next) != 1 || p.Next[0].ID.Name != "b" {
		t.Errorf("plan = %+v, want the repair of b", p)
	}
}

// However a comparison looks: stages are not mixed, errors and terminating objects get no step, and carrying out one plan after
// the other ends.
func TestPlansConverge(t *testing.T) {
	anyEntry := rapid.Custom(func(t *rapid.T) diff.Entry {
		kind := rapid.SampledFrom([]string{"Namespace/", "Job/", "ConfigMap/", "setpoint.dev/Sync//", "apiextensions.k8s.io/CustomResourceDefinition//", "x.io/Widget/n/"}).Draw(t, "kind")
		op := rapid.SampledFrom([]diff.Op{diff.None, diff.Create, diff.Update, diff.Delete}).Draw(t, "op")
		name := kind + rapid.StringMatching("[a-z]{4}").Draw(t, "name")
		if op != diff.Delete && !strings.Contains(kind, "Namespace") && !strings.Contains(kind, "Definition") {
			name += rapid.SampledFrom([]string{"", "@1", "@-1"}).Draw(t, "wave")
		}
		one := entry(op, rapid.SampledFrom([]state.Health{healthy, progressing, missing}).Draw(t, "health"), name)
		if phase := rapid.SampledFrom([]string{"", "pre", "main", "post", "fail"}).Draw(t, "hook"); phase != "" && strings.HasPrefix(kind, "Job") && op != diff.Delete {
			return hook(phase, one)
		}
		return one
	})
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfNDistinct(anyEntry, 0, 12, func(e diff.Entry) state.ID { return e.ID }).Draw(t, "entries")
		for round := 0; ; round++ {
			p := plan.Build(diff.Report{Entries: entries}, plan.Rules{Prune: true})
			if len(p.Next) == 0 {
				if p.Behind > 0 && len(p.Waiting) == 0 {
					t.Fatalf("%d steps wait for nothing: %+v", p.Behind, p)
				}
				if p.Behind == 0 {
					return
				}
			}
			if round > 100 {
				t.Fatalf("does not end: %+v", p)
			}
			// The world moves on: steps are done, and what others wait for becomes healthy.
			for _, step := range p.Next {
				at := slices.IndexFunc(entries, func(e diff.Entry) bool { return e.ID == step.ID })
				if step.Op == diff.Delete {
					entries = slices.Delete(slices.Clone(entries), at, at+1)
					continue
				}
				entries[at].Op, entries[at].Health = diff.None, progressing
			}
			for _, waiting := range p.Waiting {
				if at := slices.IndexFunc(entries, func(e diff.Entry) bool { return e.ID == waiting.ID }); at >= 0 {
					entries[at].Health = healthy
				}
			}
		}
	})
}
