package v1alpha1

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Change is one difference between what is declared and what is, or one step that removed it. Secret values are keyed
// hashes wherever a Change is made, so it may be shown, logged and kept.
type Change struct {
	ID     state.ID `json:"id"`
	Op     string   `json:"op"`               // create, update, replace, delete, adopt, none
	Cause  string   `json:"cause,omitempty"`  // revision, drift, deletion
	Fields []Field  `json:"fields,omitempty"` // what differs, at most 50 of them
	// TookOver names the field managers whose fields were taken.
	TookOver []string `json:"tookOver,omitempty"`
	Error    *Problem `json:"error,omitempty"`
	Origin   string   `json:"origin,omitempty"` // file:line of the declaration
}

// Field is one field that differs.
type Field struct {
	Path string `json:"path"`          // JSON pointer
	Old  string `json:"old,omitempty"` // what is, as JSON; "" when absent
	New  string `json:"new,omitempty"` // what is declared, as JSON; "" when it is to go
	// By names who set the old value (a field manager, a process), and When, where the target tells.
	By   string    `json:"by,omitempty"`
	When time.Time `json:"when,omitzero"`
}

// Problem is an error for people and programs.
type Problem struct {
	Kind    string `json:"kind"` // Transient Invalid Denied Conflict NotFound Internal
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Attempt is one run of a loop that did, or failed to do, something.
type Attempt struct {
	ID       string         `json:"id"` // sorts by time of start
	Sync     string         `json:"sync"`
	Trigger  string         `json:"trigger"` // revision, drift, retry, request, rollback, recovery, deletion
	Revision state.Revision `json:"revision,omitzero"`
	// Moved says which parts of the revision are others than before, where a Sync imports some: "base 1.4.0@1a2b3c4 → 1.4.1@5d6e7f8".
	Moved    []string  `json:"moved,omitempty"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"` // zero while it runs
	// Outcome: Running, Succeeded, Failed, Unhealthy, Held, Superseded, Interrupted.
	Outcome   string              `json:"outcome"`
	Reason    string              `json:"reason,omitempty"`
	Message   string              `json:"message,omitempty"`
	Changes   []Change            `json:"changes,omitempty"`
	Omitted   int                 `json:"omitted,omitempty"` // further changes, not kept
	Problems  []Problem           `json:"problems,omitempty"`
	Durations map[string]Duration `json:"durations,omitempty"` // render, compare, apply, settle
	// Repeats counts the attempts directly before this one that failed in the same way at the same revision: this attempt stands
	// for them too. First is when the first of them started (its trigger is kept as well); zero without repeats.
	Repeats int       `json:"repeats,omitempty"`
	First   time.Time `json:"first,omitzero"`
	// Approval that let it through; nil when none was needed.
	Approval *Approval `json:"approval,omitempty"`
	// RolledBackFrom is the revision that was left for Revision, when the attempt is a rollback.
	RolledBackFrom *state.Revision `json:"rolledBackFrom,omitempty"`
}

// SyncStatus is how one Sync is doing.
type SyncStatus struct {
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"`
	// State: Pending Rendering Syncing Settling InSync Drifted Held Failed RolledBack Suspended.
	State   string    `json:"state"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Since   time.Time `json:"since"` // when the state began
	// Looked is when the source was last asked and the target last compared, and State decided from that; zero before. It is
	// kept in memory only.
	Looked   time.Time      `json:"looked,omitzero"`
	Source   string         `json:"source,omitempty"`
	Path     string         `json:"path,omitempty"`
	To       string         `json:"to,omitempty"`
	Revision state.Revision `json:"revision,omitzero"` // the one seen last
	Applied  state.Revision `json:"applied,omitzero"`  // the one in force
	Objects  Counts         `json:"objects"`
	Problems []Problem      `json:"problems,omitempty"`
	NextTry  time.Time      `json:"nextTry,omitzero"`
	// Suspended by: "declaration" or "person".
	SuspendedBy string `json:"suspendedBy,omitempty"`
	Deleting    bool   `json:"deleting,omitempty"`
	// Deviation of the target from what is declared.
	Deviation Deviation `json:"deviation"`
	// Trend is the largest number of deviating objects in each of the last 20 spans of 3 minutes, the oldest first.
	Trend []int `json:"trend,omitempty"`
	// Plan that guards keep back; nil when none does.
	Plan *HeldPlan `json:"plan,omitempty"`
	// Quarantine of the newest revision that failed; nil when none is.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	// Contended are the objects that others keep changing back.
	Contended []Contention `json:"contended,omitempty"`
	// Windows are overridden by a person; nil when they are not.
	Override *WindowOverride `json:"override,omitempty"`
	// Cause is what the state goes back to: an object, or another Sync.
	Cause *Cause `json:"cause,omitempty"`
	// RootCause is the end of the way that begins with Cause, in a line.
	RootCause string `json:"rootCause,omitempty"`
}

// Counts of a Sync's objects.
type Counts struct {
	Total     int `json:"total"`
	Healthy   int `json:"healthy"`
	Different int `json:"different"`
	Failed    int `json:"failed"` // refused, invalid, or unhealthy for good
}

// ObjectStatus is how one object of a Sync is doing.
type ObjectStatus struct {
	ID      state.ID     `json:"id"`
	Health  state.Health `json:"health"`
	Change  *Change      `json:"change,omitempty"` // what differs now, nil when nothing
	Origin  string       `json:"origin,omitempty"`
	Applied time.Time    `json:"applied,omitzero"`
}

// SyncDetail is a Sync with its objects.
type SyncDetail struct {
	SyncStatus `json:",inline"`
	Items      []ObjectStatus `json:"items"`
}

// Event is something that happened, for those who follow.
type Event struct {
	ID      uint64    `json:"id"` // grows by one; a gap means that the follower was too slow
	Time    time.Time `json:"time"`
	Sync    string    `json:"sync,omitempty"`
	Type    string    `json:"type"` // state, change, drift, attempt, source, warning
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message"`
	// Status is set for Type state, Change for change and drift, Attempt for attempt.
	Status  *SyncStatus `json:"status,omitempty"`
	Change  *Change     `json:"change,omitempty"`
	Attempt *Attempt    `json:"attempt,omitempty"`
}
