package files

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/journal"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// before is what was at a path when it was taken over. The zero value is nothing.
type before struct {
	Type   rootfs.Type `json:"type,omitempty"`
	Mode   uint32      `json:"mode,omitempty"`
	UID    int         `json:"uid,omitempty"`
	GID    int         `json:"gid,omitempty"`
	Target string      `json:"target,omitempty"` // of a link
	Blob   string      `json:"blob,omitempty"`   // of a file: its content, as the journal keeps it
}

func (b before) attributes() rootfs.Attributes {
	return rootfs.Attributes{Mode: b.Mode, UID: b.UID, GID: b.GID}
}

// place is a path that an object owns.
type place struct {
	Path   string   `json:"path,omitempty"`
	Before before   `json:"before,omitzero"`
	Made   []string `json:"made,omitempty"` // directories above it that were made for it, from the top
}

// memory is what the journal keeps for an object (journal.Record.Data).
type memory struct {
	place
	// Left are earlier paths of the object that still have to be given back.
	Left     []place `json:"left,omitempty"`
	Deletion string  `json:"deletion,omitempty"`
	Purge    bool    `json:"purge,omitempty"`
	// Sources are files of the host that decide about the content.
	Sources []string `json:"sources,omitempty"`
}

// recall reads a record. One without data, or with data of another version, remembers nothing.
func recall(record journal.Record) memory {
	var m memory
	if len(record.Data) > 0 {
		_ = json.Unmarshal(record.Data, &m) // what cannot be read counts as nothing known
	}
	return m
}

// places gives all paths that the object owns.
func (m memory) places() []place {
	if m.Path == "" {
		return m.Left
	}
	return append([]place{m.place}, m.Left...)
}

func (m memory) blobs() []string {
	var blobs []string
	for _, p := range m.places() {
		if p.Before.Blob != "" && !slices.Contains(blobs, p.Before.Blob) {
			blobs = append(blobs, p.Before.Blob)
		}
	}
	return blobs
}

// watched gives the paths whose changes mean something to the object.
func (m memory) watched() []string {
	if m.Path == "" {
		return nil
	}
	paths := append([]string{m.Path}, m.Sources...)
	if m.Purge {
		paths = append(paths, m.Path+"/")
	}
	return paths
}

// follow gives the memory of an object that is declared like this now. Fresh says that what is at the path before it is taken over is
// still to be found out.
func (m memory) follow(c declaration) (next memory, fresh bool) {
	next = memory{place: m.place, Left: m.Left, Deletion: c.deletion, Purge: c.purge, Sources: c.sources}
	if m.Path == c.path {
		return next, false
	}
	if m.Path != "" {
		next.Left = append(slices.Clone(m.Left), m.place)
	}
	if back, known := m.at(c.path); known { // it moves back before it has left
		next.Left = slices.DeleteFunc(next.Left, func(p place) bool { return p.Path == c.path })
		next.place = back
		return next, false
	}
	next.place = place{Path: c.path}
	return next, true
}

// record writes a memory for the journal, in place of what it says of the object.
func (m memory) record(of journal.Record) journal.Record {
	of.Blobs = m.blobs()
	of.Data, _ = json.Marshal(m) // strings and numbers always have JSON
	return of
}

// without gives up a path.
func (m memory) without(name string) memory {
	if m.Path == name {
		m.place = place{}
	}
	m.Left = slices.DeleteFunc(slices.Clone(m.Left), func(p place) bool { return p.Path == name })
	return m
}

// at gives what is remembered of a path.
func (m memory) at(name string) (place, bool) {
	places := m.places()
	if i := slices.IndexFunc(places, func(p place) bool { return p.Path == name }); i >= 0 {
		return places[i], true
	}
	return place{}, false
}

// current says whether a record says all that a declaration asks to be remembered, beside its digest: whoever removes the object later
// has nothing else to go by.
func (m memory) current(record journal.Record, want *state.Object, c declaration) bool {
	return len(m.Left) == 0 && m.Path == c.path && m.Deletion == c.deletion && m.Purge == c.purge &&
		slices.Equal(m.Sources, c.sources) && record.Wave == waveOf(want) && record.Keep == keeps(want)
}

func waveOf(want *state.Object) int { return plan.WaveOf(want.Annotation) }

func keeps(want *state.Object) bool { return want.Annotation(v1alpha1.AnnotationPrune) == "disabled" }

// within says whether a path is below a directory.
func within(dir, name string) bool { return strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") }

// samePlaces says whether two memories own the same paths.
func (m memory) samePlaces(other memory) bool {
	return slices.EqualFunc(m.places(), other.places(), func(a, b place) bool {
		return a.Path == b.Path && a.Before == b.Before && slices.Equal(a.Made, b.Made)
	})
}
