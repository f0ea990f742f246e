package state

import "time"

// Revision is one immutable state of a source: a commit, or a digest. Two revisions with the same ID have the same content.
type Revision struct {
	ID      string    `json:"id"`                // commit hash or sha256 digest
	Ref     string    `json:"ref,omitempty"`     // what it was found by: "main", "v1.2.3"
	Author  string    `json:"author,omitempty"`  // "Name <mail>"
	Message string    `json:"message,omitempty"` // the first line of the commit's message
	Time    time.Time `json:"time,omitzero"`     // when it was committed
}

// Short gives "main@1a2b3c4", for people.
func (r Revision) Short() string {
	id := r.ID
	if len(id) > 7 {
		id = id[:7]
	}
	if r.Ref == "" || r.Ref == r.ID {
		return id
	}
	return r.Ref + "@" + id
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
