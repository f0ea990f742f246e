package state

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Revision is one immutable state of a source: a commit, or a digest. Two revisions with the same ID have the same content.
type Revision struct {
	ID      string    `json:"id"`                // commit hash or sha256 digest
	Ref     string    `json:"ref,omitempty"`     // what it was found by: "main", "v1.2.3"
	Author  string    `json:"author,omitempty"`  // "Name <mail>"
	Message string    `json:"message,omitempty"` // the first line of the commit's message
	Time    time.Time `json:"time,omitzero"`     // when it was committed
	Signer  string    `json:"signer,omitempty"`  // who has signed it, as far as that was demanded
	// Imports are the revisions of what is mounted into the source, sorted by place. They are part of the ID.
	Imports []Import `json:"imports,omitempty"`
}

// Import is the revision of what is mounted into a source.
type Import struct {
	At     string `json:"at"`     // where
	Source string `json:"source"` // what it is pulled from, for people
	ID     string `json:"id"`
	Ref    string `json:"ref,omitempty"`
}

// String gives "base 1.4.1@1a2b3c4", for people.
func (i Import) String() string { return i.At + " " + short(i.Ref, i.ID) }

// Moved says what has moved since another revision of the same Sync, where something is imported: "base 1.4.0@1a2b3c4 → 1.4.1@5d6e7f8", and
// the same of the source itself. Nil when nothing is imported now or was before.
func (r Revision) Moved(before Revision) []string {
	if before.ID == "" || len(r.Imports) == 0 && len(before.Imports) == 0 {
		return nil
	}
	var moved []string
	if own, old := r.own(), before.own(); own != old {
		moved = append(moved, "source "+old+" → "+own)
	}
	for _, now := range r.Imports {
		i := slices.IndexFunc(before.Imports, func(old Import) bool { return old.At == now.At })
		if i < 0 {
			moved = append(moved, "new: "+now.String())
		} else if old := before.Imports[i]; old.ID != now.ID || old.Ref != now.Ref {
			moved = append(moved, old.String()+" → "+short(now.Ref, now.ID))
		}
	}
	for _, old := range before.Imports {
		if !slices.ContainsFunc(r.Imports, func(now Import) bool { return now.At == old.At }) {
			moved = append(moved, "gone: "+old.String())
		}
	}
	return moved
}

// own gives the revision of the source itself, without what is imported.
func (r Revision) own() string {
	id, _, _ := strings.Cut(r.ID, "+")
	return short(r.Ref, id)
}

// maxShownImports bounds what Short tells of imports.
const maxShownImports = 3

// Short gives "main@1a2b3c4", and "main@1a2b3c4 + base 1.4.1@5d6e7f8" where something is imported, for people.
func (r Revision) Short() string {
	text := short(r.Ref, r.ID)
	for i, imported := range r.Imports {
		if i == maxShownImports {
			return text + fmt.Sprintf(" + %d more", len(r.Imports)-i)
		}
		text += " + " + imported.String()
	}
	return text
}

func short(ref, id string) string {
	digest := strings.TrimPrefix(id, "sha256:")
	if len(digest) > 7 {
		digest = digest[:7]
	}
	if ref == "" || ref == id {
		return digest
	}
	return ref + "@" + digest
}

// Owner is the Sync that an object belongs to. Agent keeps apart the Syncs of two agents that drive the same target.
type Owner struct {
	Agent string `json:"agent"` // the agent's name (SETPOINT_NAME)
	Sync  string `json:"sync"`  // the Sync's name
}

// String gives "agent/sync".
func (o Owner) String() string { return o.Agent + "/" + o.Sync }

// HealthStatus says how an object is doing. The words are those of kstatus and Argo CD where they agree.
type HealthStatus string

// The health of an object, from best to worst; see Worse.
const (
	Healthy     HealthStatus = "Healthy"     // as good as it gets
	Suspended   HealthStatus = "Suspended"   // told not to run
	Progressing HealthStatus = "Progressing" // on the way: waiting may help
	Unknown     HealthStatus = "Unknown"     // could not be found out
	Missing     HealthStatus = "Missing"     // not there
	Degraded    HealthStatus = "Degraded"    // failed: waiting alone does not help
)

// Health is an object's health with the reason for it.
type Health struct {
	Status  HealthStatus `json:"status"`
	Reason  string       `json:"reason,omitempty"`  // CamelCase: "CrashLoopBackOff"
	Message string       `json:"message,omitempty"` // one sentence, stable while the problem is the same
	// Final says that waiting does not help at all: only another declaration does, or a person.
	Final bool `json:"final,omitempty"`
}

var healthOrder = map[HealthStatus]int{Healthy: 0, "": 0, Suspended: 1, Progressing: 2, Unknown: 3, Missing: 4, Degraded: 5}

// Ready says whether dependants may go ahead.
func (h Health) Ready() bool { return h.Status == Healthy }

// Worse says whether h is worse than other.
func (h Health) Worse(other Health) bool { return healthOrder[h.Status] > healthOrder[other.Status] }
