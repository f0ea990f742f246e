package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// part is the first thing that orders objects: what hooks of which kind surround.
type part int

const (
	before part = iota // hooks that run before anything is changed
	main
	after  // hooks that run when everything is in place, and what is no longer declared is gone
	failed // hooks that run because something went wrong
)

// phase orders objects inside a wave.
type phase int

const (
	definition phase = iota // what others need to exist: CRDs, namespaces, sources, policies
	ordinary
	intercept // what gets between others and the API server: after those that serve it
	child     // Syncs: applied last, deleted first, so that children go before what they stand on
)

// stage is a place in the order.
type stage struct {
	part  part
	wave  int
	phase phase
}

func (s stage) compare(other stage) int {
	return cmp.Or(s.compareWave(other), cmp.Compare(s.phase, other.phase))
}

// compareWave compares what has to be done, healthy objects included, before the next begins.
func (s stage) compareWave(other stage) int {
	return cmp.Or(cmp.Compare(s.part, other.part), cmp.Compare(s.wave, other.wave))
}

// staged is an entry in its place. There are thousands, so that they are pointed to and not copied.
type staged struct {
	stage stage
	entry *diff.Entry
	hook  bool
}

func sortStages(entries []diff.Entry) []staged {
	sorted := make([]staged, len(entries))
	first := stage{part: main}
	for i := range entries {
		sorted[i] = placed(&entries[i])
		if s := sorted[i].stage; s.compareWave(first) < 0 {
			first = s
		}
	}
	for i := range sorted {
		// What others stand on comes before all of them, hooks too, unless it says itself that it belongs later.
		s := &sorted[i].stage
		if s.phase == definition && s.part == main && !sorted[i].hook && (s.wave == 0 || first.part < main && s.wave < 0) {
			s.part, s.wave = first.part, min(s.wave, first.wave)
		}
	}
	slices.SortStableFunc(sorted, func(a, b staged) int { return a.stage.compare(b.stage) })
	return sorted
}

func placed(entry *diff.Entry) staged {
	at := staged{entry: entry, stage: stage{part: main, wave: entry.Wave, phase: phaseOf(entry.ID)}}
	if entry.Want == nil {
		return at
	}
	at.stage.wave = WaveOf(entry.Want.Annotation)
	hook, is := HookOf(entry.Want)
	if at.hook = is; is {
		at.stage.part = parts[hook.Phase]
	}
	return at
}

// parts are those of hooks. One that never runs is left out before anything is planned.
var parts = map[HookPhase]part{HookPre: before, HookMain: main, HookPost: after, HookFail: failed, HookSkip: main}

// WaveOf reads an object's wave from its annotations: Setpoint's own, else Argo CD's, else the weight of a hook of Helm's, else 0.
func WaveOf(annotation func(string) string) int {
	names := []string{v1alpha1.AnnotationWave, v1alpha1.AnnotationArgoWave}
	if annotation(v1alpha1.AnnotationHelmHook) != "" {
		names = append(names, v1alpha1.AnnotationHelmHookWeight)
	}
	for _, name := range names {
		if value := annotation(name); value != "" {
			return Wave(value)
		}
	}
	return 0
}

// Wave reads the value of the wave annotation. What is not a whole number counts as 0: whoever reads the declaration refuses it before.
func Wave(annotation string) int {
	wave, err := strconv.Atoi(annotation)
	if err != nil {
		return 0
	}
	return wave
}

func phaseOf(id state.ID) phase {
	switch id.GroupKind() {
	case crdKind, namespaceKind, state.GroupKind{Group: v1alpha1.Group, Kind: v1alpha1.KindSource},
		state.GroupKind{Group: v1alpha1.Group, Kind: v1alpha1.KindPolicy}:
		return definition
	case state.GroupKind{Group: v1alpha1.Group, Kind: v1alpha1.KindSync}:
		return child
	}
	if id.Group == "admissionregistration.k8s.io" || id.Group == "apiregistration.k8s.io" {
		return intercept
	}
	return ordinary
}

var (
	crdKind       = state.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	namespaceKind = state.GroupKind{Kind: "Namespace"}
)

// defined knows the definitions among the entries that are not ready: the kinds and namespaces that others must wait for.
type defined struct {
	kinds      map[state.GroupKind]bool
	namespaces map[string]bool
	unready    []diff.Entry
}

func definitions(entries []diff.Entry) defined {
	d := defined{kinds: map[state.GroupKind]bool{}, namespaces: map[string]bool{}}
	for _, entry := range entries {
		if entry.Want == nil || (entry.Op == diff.None && entry.Health.Ready()) {
			continue
		}
		switch entry.ID.GroupKind() {
		case crdKind:
			// An established definition serves its kind while it is being changed.
			if entry.Op == diff.Update && entry.Health.Ready() {
				continue
			}
			d.kinds[Defines(entry.Want)] = true
		case namespaceKind:
			if entry.Op == diff.Update && !entry.Terminating {
				continue
			}
			d.namespaces[entry.ID.Name] = true
		default:
			continue
		}
		d.unready = append(d.unready, entry)
	}
	return d
}

// holds says whether an object waits for a definition among the entries.
func (d defined) holds(entry diff.Entry) bool {
	return d.kinds[entry.ID.GroupKind()] || (entry.ID.Namespace != "" && d.namespaces[entry.ID.Namespace])
}

// Defines gives the group and kind that a CustomResourceDefinition defines.
func Defines(crd *state.Object) state.GroupKind {
	spec, _ := crd.Content()["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	group, _ := spec["group"].(string)
	kind, _ := names["kind"].(string)
	return state.GroupKind{Group: group, Kind: kind}
}
