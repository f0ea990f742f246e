package plan

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// phase orders objects inside a wave.
type phase int

const (
	definition phase = iota // what others need to exist: CRDs, namespaces, sources
	ordinary
	intercept // what gets between others and the API server: after those that serve it
	child     // Syncs: applied last, deleted first, so that children go before what they stand on
)

// stage is a place in the order.
type stage struct {
	wave  int
	phase phase
}

// staged is an entry in its place. There are thousands, so that they are pointed to and not copied.
type staged struct {
	stage stage
	entry *diff.Entry
}

func sortStages(entries []diff.Entry) []staged {
	sorted := make([]staged, len(entries))
	first := 0
	for i := range entries {
		entry := &entries[i]
		sorted[i] = staged{stage: stage{wave: waveOf(entry), phase: phaseOf(entry.ID)}, entry: entry}
		first = min(first, sorted[i].stage.wave)
	}
	for i := range sorted {
		// What others stand on comes before the earliest wave, unless it says itself where it belongs.
		if s := &sorted[i].stage; s.phase == definition && s.wave == 0 {
			s.wave = first
		}
	}
	slices.SortStableFunc(sorted, func(a, b staged) int {
		return cmp.Or(cmp.Compare(a.stage.wave, b.stage.wave), cmp.Compare(a.stage.phase, b.stage.phase))
	})
	return sorted
}

// Wave reads the value of the wave annotation. What is not a whole number counts as 0: whoever reads the declaration refuses it before.
func Wave(annotation string) int {
	wave, err := strconv.Atoi(annotation)
	if err != nil {
		return 0
	}
	return wave
}

func waveOf(entry *diff.Entry) int {
	if entry.Want == nil {
		return entry.Wave
	}
	return Wave(entry.Want.Annotation(v1alpha1.AnnotationWave))
}

func phaseOf(id state.ID) phase {
	switch id.GroupKind() {
	case crdKind, namespaceKind, state.GroupKind{Group: v1alpha1.Group, Kind: v1alpha1.KindSource}:
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
