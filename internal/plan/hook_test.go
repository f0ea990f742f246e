package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// annotated reads "name: value; name: value".
func annotated(text string) *state.Object {
	annotations := map[string]any{}
	for line := range strings.SplitSeq(text, "; ") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			annotations[name] = value
		}
	}
	return state.NewObject(map[string]any{"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": "a", "annotations": annotations}}, state.Origin{})
}

func TestHookOf(t *testing.T) {
	for _, test := range []struct {
		annotations string
		want        plan.Hook // a phase of "" for no hook
	}{
		{"", plan.Hook{}},
		{"setpoint.dev/wave: 3", plan.Hook{}},
		{"setpoint.dev/hook: pre", plan.Hook{Phase: plan.HookPre, DeleteBefore: true}},
		{"setpoint.dev/hook: post; setpoint.dev/wave: -2; setpoint.dev/hook-runs: always; setpoint.dev/hook-timeout: 10m",
			plan.Hook{Phase: plan.HookPost, Wave: -2, Always: true, DeleteBefore: true, Timeout: 10 * time.Minute}},
		{"setpoint.dev/hook: fail; setpoint.dev/hook-delete: succeeded, failed",
			plan.Hook{Phase: plan.HookFail, DeleteSucceeded: true, DeleteFailed: true}},
		{"setpoint.dev/hook: main; setpoint.dev/hook-delete: never", plan.Hook{Phase: plan.HookMain}},

		{"argocd.argoproj.io/hook: PreSync", plan.Hook{Phase: plan.HookPre, DeleteBefore: true}},
		{"argocd.argoproj.io/hook: PostSync,PreSync; argocd.argoproj.io/sync-wave: 4", plan.Hook{Phase: plan.HookPost, Wave: 4, DeleteBefore: true}},
		{"argocd.argoproj.io/hook: PreDelete, SyncFail", plan.Hook{Phase: plan.HookFail, DeleteBefore: true}},
		{"argocd.argoproj.io/hook: Skip", plan.Hook{Phase: plan.HookSkip, DeleteBefore: true}},
		{"argocd.argoproj.io/hook: Sync; argocd.argoproj.io/hook-delete-policy: HookSucceeded", plan.Hook{Phase: plan.HookMain, DeleteSucceeded: true}},

		{"helm.sh/hook: pre-install,pre-upgrade; helm.sh/hook-weight: -5", plan.Hook{Phase: plan.HookPre, Wave: -5, DeleteBefore: true}},
		{"helm.sh/hook: Post-Install; helm.sh/hook-delete-policy: Hook-Failed,before-hook-creation",
			plan.Hook{Phase: plan.HookPost, DeleteBefore: true, DeleteFailed: true}},
		{"helm.sh/hook: test-success", plan.Hook{Phase: plan.HookSkip, DeleteBefore: true}},
		{"helm.sh/hook: crd-install", plan.Hook{}},
		{"helm.sh/hook: crd-install, pre-install", plan.Hook{Phase: plan.HookPre, DeleteBefore: true}},
		{"helm.sh/hook-weight: 2", plan.Hook{}},

		{"setpoint.dev/hook: post; argocd.argoproj.io/hook: PreSync; helm.sh/hook: pre-install", plan.Hook{Phase: plan.HookPost, DeleteBefore: true}},
		{"argocd.argoproj.io/hook: PreSync; helm.sh/hook: post-install", plan.Hook{Phase: plan.HookPre, DeleteBefore: true}},
		{"helm.sh/hook: pre-install; setpoint.dev/hook-timeout: 1h; setpoint.dev/wave: 7; helm.sh/hook-weight: 2; helm.sh/hook-delete-policy: hook-succeeded",
			plan.Hook{Phase: plan.HookPre, Wave: 7, DeleteSucceeded: true, Timeout: time.Hour}},
	} {
		got, is := plan.HookOf(annotated(test.annotations))
		if got != test.want || is != (test.want.Phase != "") {
			t.Errorf("%s:\n got %+v %v\nwant %+v", test.annotations, got, is, test.want)
		}
		if err := v1alpha1.Check(annotated(test.annotations), nil); err != nil {
			t.Errorf("%s: refused: %v", test.annotations, err)
		}
	}
}

func TestWaveOf(t *testing.T) {
	for annotations, want := range map[string]int{
		"": 0, "setpoint.dev/wave: 2": 2, "argocd.argoproj.io/sync-wave: -1": -1,
		"setpoint.dev/wave: 0; argocd.argoproj.io/sync-wave: 5": 0,
		"helm.sh/hook-weight: 2":                                0,
		"helm.sh/hook: pre-install; helm.sh/hook-weight: 2":     2,
	} {
		if got := plan.WaveOf(annotated(annotations).Annotation); got != want {
			t.Errorf("%s: wave %d, want %d", annotations, got, want)
		}
	}
}

// hook makes a hook's entry of one that is none.
func hook(phase string, e diff.Entry) diff.Entry {
	content := e.Want.Content()
	content["metadata"].(map[string]any)["annotations"].(map[string]any)[v1alpha1.AnnotationHook] = phase
	e.Want = state.NewObject(content, state.Origin{})
	return e
}

func TestOrderOfHooks(t *testing.T) {
	pending := func(phase, what string) diff.Entry { return hook(phase, entry(diff.Create, missing, what)) }
	running := func(phase, what string) diff.Entry { return hook(phase, entry(diff.None, progressing, what)) }
	done := func(phase, what string) diff.Entry { return hook(phase, entry(diff.None, healthy, what)) }
	broken := func(phase, what string) diff.Entry { return failing(pending(phase, what)) }
	apply := func(what string) diff.Entry { return entry(diff.Create, missing, what) }
	same := func(what string) diff.Entry { return entry(diff.None, healthy, what) }
	gone := func(what string) diff.Entry { return entry(diff.Delete, healthy, what) }

	for _, test := range []struct {
		name    string
		entries []diff.Entry
		next    string
		behind  int
		waiting string
	}{
		{"pre before all else", []diff.Entry{apply("Job/a@-9"), pending("pre", "Job/h@5"), gone("Job/z")}, "h", 2, ""},
		{"definitions before pre", []diff.Entry{pending("pre", "Job/h@-1"), apply("Namespace/n"), apply("Namespace/m@-3")}, "m", 2, ""},
		{"sources and policies too", []diff.Entry{pending("pre", "Job/h"), apply("setpoint.dev/Source//s"), apply("setpoint.dev/Policy//p")}, "s p", 1, ""},
		{"a hook that is a namespace keeps its place", []diff.Entry{pending("pre", "Namespace/n"), pending("pre", "Job/h@-1")}, "h", 1, ""},
		{"all wait for a running pre hook", []diff.Entry{running("pre", "Job/h"), apply("Job/a"), gone("Job/z")}, "", 2, "h"},
		{"deletions alone wait for it too", []diff.Entry{running("pre", "Job/h"), same("Job/a"), gone("Job/z")}, "", 1, "h"},
		{"nothing follows a broken pre hook", []diff.Entry{broken("pre", "Job/h"), apply("Job/a"), gone("Job/z"), pending("post", "Job/p")}, "", 3, "h"},
		{"pre hooks go by waves", []diff.Entry{done("pre", "Job/g@-1"), running("pre", "Job/h"), pending("pre", "Job/i@1")}, "", 1, "h"},
		{"after pre comes main", []diff.Entry{done("pre", "Job/h"), apply("Job/a"), pending("post", "Job/p")}, "a", 1, ""},
		{"main hooks go with their wave", []diff.Entry{pending("main", "Job/h@1"), apply("Job/a@1"), apply("Job/b@2")}, "h a", 1, ""},
		{"the next wave waits for a main hook", []diff.Entry{running("main", "Job/h@1"), same("Job/a@1"), apply("Job/b@2")}, "", 1, "h"},
		{"deletions wait for a main hook", []diff.Entry{running("main", "Job/h@1"), gone("Job/z")}, "", 1, "h"},
		{"deletions do not wait for health", []diff.Entry{entry(diff.None, progressing, "Job/a"), gone("Job/z"), pending("post", "Job/p")}, "z", 1, ""},
		{"post waits for health", []diff.Entry{entry(diff.None, progressing, "Job/a"), pending("post", "Job/p")}, "", 1, "a"},
		{"post waits for what is leaving", []diff.Entry{leaving(entry(diff.Delete, progressing, "Job/z")), pending("post", "Job/p")}, "", 1, "z"},
		{"post waits for a deletion that fails", []diff.Entry{failing(gone("Job/z")), pending("post", "Job/p")}, "", 1, ""},
		{"post comes last", []diff.Entry{done("pre", "Job/h"), same("Job/a"), pending("post", "Job/p@-1"), pending("post", "Job/q")}, "p", 1, ""},
		{"post hooks go by waves", []diff.Entry{same("Job/a"), done("post", "Job/p@-1"), pending("post", "Job/q")}, "q", 0, ""},
		{"fail waits for nobody", []diff.Entry{broken("pre", "Job/h"), apply("Job/a"), pending("fail", "Job/f")}, "f", 1, ""},
		{"fail hooks go by waves", []diff.Entry{broken("pre", "Job/h"), apply("Job/a"), running("fail", "Job/f"), pending("fail", "Job/g@1")}, "", 2, "h f"},
		{"nobody waits for fail", []diff.Entry{running("fail", "Job/f"), apply("Job/a"), pending("post", "Job/p")}, "a", 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := plan.Build(diff.Report{Entries: test.entries}, plan.Rules{Prune: true})
			var next, waiting []string
			for _, step := range p.Next {
				next = append(next, step.ID.Name)
			}
			for _, entry := range p.Waiting {
				waiting = append(waiting, entry.ID.Name)
			}
			got := fmt.Sprintf("next %q, behind %d, waiting %q", strings.Join(next, " "), p.Behind, strings.Join(waiting, " "))
			if want := fmt.Sprintf("next %q, behind %d, waiting %q", test.next, test.behind, test.waiting); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

func TestUnknownTargetsHoldPostHooks(t *testing.T) {
	report := diff.Report{Entries: []diff.Entry{hook("post", entry(diff.Create, missing, "Job/p"))}}
	if p := plan.Build(report, plan.Rules{}); len(p.Next) != 1 {
		t.Errorf("plan = %+v, want the hook", p)
	}
	report.Unknown = []error{fmt.Errorf("a target does not answer")}
	if p := plan.Build(report, plan.Rules{}); len(p.Next) != 0 || p.Behind != 1 {
		t.Errorf("a hook says that all is in place though a target is unknown: %+v", p)
	}
}

func TestRepairsDoNotWaitForHooks(t *testing.T) {
	entries := []diff.Entry{hook("pre", entry(diff.None, progressing, "Job/h")), entry(diff.Update, healthy, "Job/a"),
		hook("post", entry(diff.Create, missing, "Job/p"))}
	p := plan.Build(diff.Report{Entries: entries}, plan.Rules{Repair: func(diff.Entry) bool { return true }})
	if len(p.Next) != 1 || p.Next[0].ID.Name != "a" || p.Behind != 1 {
		t.Errorf("plan = %+v, want the repair of a alone", p)
	}
}

// However a comparison with hooks looks, at every step of carrying it out: pre hooks come before anything else but definitions, a wave
// waits for the hooks of those before it, and post hooks come when all is equal, healthy and gone.
func TestHooksAreInTheirPlace(t *testing.T) {
	anyEntry := rapid.Custom(func(t *rapid.T) diff.Entry {
		phase := rapid.SampledFrom([]string{"", "", "", "pre", "main", "post"}).Draw(t, "phase")
		op := rapid.SampledFrom([]diff.Op{diff.None, diff.Create, diff.Replace, diff.Delete}).Draw(t, "op")
		what := rapid.SampledFrom([]string{"Job/", "ConfigMap/", "Namespace/", "setpoint.dev/Sync//"}).Draw(t, "kind") +
			rapid.StringMatching("[a-z]{4}").Draw(t, "name")
		health := rapid.SampledFrom([]state.Health{healthy, progressing, missing}).Draw(t, "health")
		if op == diff.Delete {
			return entry(op, health, what)
		}
		one := entry(op, health, what+rapid.SampledFrom([]string{"", "@1", "@-1"}).Draw(t, "wave"))
		if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
			one = failing(one)
		}
		if phase == "" {
			return one
		}
		return hook(phase, one)
	})
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfNDistinct(anyEntry, 0, 12, func(e diff.Entry) state.ID { return e.ID }).Draw(t, "entries")
		for range 40 {
			p := plan.Build(diff.Report{Entries: entries}, plan.Rules{Prune: true})
			for _, step := range p.Next {
				checkPlace(t, step, entries)
			}
			entries = moveOn(entries, p)
		}
	})
}

// checkPlace fails when a step is planned too early.
func checkPlace(t *rapid.T, step plan.Step, entries []diff.Entry) {
	mine, isHook := plan.Hook{}, false
	if step.Want != nil {
		mine, isHook = plan.HookOf(step.Want)
		mine.Wave = plan.WaveOf(step.Want.Annotation)
	}
	for _, other := range entries {
		finished := other.Op == diff.None && other.Health.Ready() && other.Err == nil
		if finished || other.ID == step.ID {
			continue
		}
		its, itsHook := plan.Hook{}, false
		if other.Want != nil {
			its, itsHook = plan.HookOf(other.Want)
		}
		if isHook && mine.Phase == plan.HookPost && its.Phase != plan.HookPost {
			t.Fatalf("%s runs though %s is not in order: %s, %s", step.ID, other.ID, other.Op, other.Health.Status)
		}
		inMain := step.ID.Kind != "Namespace" && step.Op != diff.Delete && (!isHook || mine.Phase == plan.HookMain)
		if inMain && itsHook && its.Phase == plan.HookPre {
			t.Fatalf("%s is changed before the hook %s is done", step.ID, other.ID)
		}
		if inMain && itsHook && its.Phase == plan.HookMain && its.Wave < mine.Wave {
			t.Fatalf("%s is changed before the hook %s of an earlier wave is done", step.ID, other.ID)
		}
		if step.Op == diff.Delete && itsHook && its.Phase != plan.HookPost {
			t.Fatalf("%s is deleted before the hook %s is done", step.ID, other.ID)
		}
	}
}

// moveOn carries a plan out: what was planned is done, and what others wait for becomes healthy, or is gone.
func moveOn(entries []diff.Entry, p plan.Plan) []diff.Entry {
	var next []diff.Entry
	for _, one := range entries {
		for _, step := range p.Next {
			if step.ID == one.ID {
				one.Op, one.Health = diff.None, progressing
			}
		}
		for _, waiting := range p.Waiting {
			if waiting.ID == one.ID {
				one.Health = healthy
			}
		}
		if one.Op != diff.None || one.Want != nil {
			next = append(next, one)
		}
	}
	return next
}

// Argo CD's example applications, as their annotations have them: the stages in which they are carried out.
func TestExamplesOfArgoCD(t *testing.T) {
	for _, test := range []struct {
		name    string
		objects [][2]string // kind/name, annotations
		want    string
	}{
		{"sync-waves", [][2]string{
			{"Job/schema", "argocd.argoproj.io/hook: PreSync"}, {"ReplicaSet/backend", ""}, {"Service/backend", ""},
			{"Job/page-up", "argocd.argoproj.io/hook: Sync; argocd.argoproj.io/sync-wave: 1"},
			{"ReplicaSet/frontend", "argocd.argoproj.io/sync-wave: 2"}, {"Service/frontend", "argocd.argoproj.io/sync-wave: 2"},
			{"Job/page-down", "argocd.argoproj.io/hook: Sync; argocd.argoproj.io/sync-wave: 3"},
		}, "schema > 2 backend > page-up > 2 frontend > page-down"},
		{"pre-post-sync", [][2]string{
			{"Job/before", "argocd.argoproj.io/hook: PreSync"}, {"Job/after", "argocd.argoproj.io/hook: PostSync"},
			{"Service/ui", ""}, {"Deployment/ui", ""},
		}, "before > 2 ui > after"},
		{"helm-hooks", [][2]string{
			{"Job/schema", "helm.sh/hook: pre-install; helm.sh/hook-weight: -2"},
			{"Job/page-up", "helm.sh/hook: pre-install; helm.sh/hook-weight: -1"},
			{"ReplicaSet/frontend", ""}, {"Service/frontend", "helm.sh/hook-weight: 2"}, {"Job/page-down", "helm.sh/hook: post-install"},
		}, "schema > page-up > 2 frontend > page-down"},
	} {
		var entries []diff.Entry
		for _, object := range test.objects {
			one := entry(diff.Create, missing, object[0])
			content := annotated(object[1]).Content()
			content["metadata"].(map[string]any)["name"] = one.ID.Name
			content["kind"] = one.ID.Kind
			one.Want = state.NewObject(content, state.Origin{})
			entries = append(entries, one)
		}
		var stages []string
		for range 20 {
			p := plan.Build(diff.Report{Entries: entries}, plan.Rules{Prune: true})
			var names []string
			for _, step := range p.Next {
				names = append(names, step.ID.Name)
			}
			if len(names) > 0 {
				stages = append(stages, counted(names))
			}
			entries = moveOn(entries, p)
		}
		if got := strings.Join(stages, " > "); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.name, got, test.want)
		}
	}
}

// counted gives names with how often each comes.
func counted(names []string) string {
	var parts []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		n := len(slices.DeleteFunc(slices.Clone(names), func(other string) bool { return other != name }))
		if n > 1 {
			name = fmt.Sprintf("%d %s", n, name)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, " ")
}
