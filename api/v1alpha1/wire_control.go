package v1alpha1

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Deviation is how far a Sync's target is from what is declared, now.
type Deviation struct {
	Objects   int `json:"objects"`   // that differ, or are not healthy
	Fields    int `json:"fields"`    // that differ; an object that is missing or surplus counts as one
	Unhealthy int `json:"unhealthy"` // objects that are not healthy
	// Since is when it last went from none to some, or back.
	Since time.Time `json:"since,omitzero"`
}

// None says whether there is no deviation.
func (d Deviation) None() bool { return d.Objects == 0 && d.Fields == 0 && d.Unhealthy == 0 }

// DeviationPoint is the deviation from an instant on, until the next point. Older points stand for a span, with the largest of it.
type DeviationPoint struct {
	Time      time.Time `json:"time"`
	Span      Duration  `json:"span,omitzero"` // that the point stands for; zero: exact
	Objects   int       `json:"objects"`
	Fields    int       `json:"fields"`
	Unhealthy int       `json:"unhealthy"`
}

// DeviationDay sums up one day (UTC).
type DeviationDay struct {
	Day       string         `json:"day"`              // 2026-01-31
	Deviating Duration       `json:"deviating"`        // time in deviation
	Repairs   int            `json:"repairs"`          // drifts corrected
	Causes    map[string]int `json:"causes,omitempty"` // repairs by who made them necessary; "" is not known
	Settled   int            `json:"settled"`          // revisions that became healthy
	// SettlingMean and SettlingMax: from a revision being seen to everything being healthy.
	SettlingMean Duration `json:"settlingMean,omitzero"`
	SettlingMax  Duration `json:"settlingMax,omitzero"`
}

// DeviationSeries is the deviation of one Sync over time, the oldest first.
type DeviationSeries struct {
	Sync   string           `json:"sync"`
	Now    Deviation        `json:"now"`
	Points []DeviationPoint `json:"points"`
	Days   []DeviationDay   `json:"days"`
}

// Verdict is what a guard says about a plan.
type Verdict struct {
	Check   string `json:"check"`   // CamelCase
	Outcome string `json:"outcome"` // hold, deny
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	// Until is when the guard lets go by itself; zero for never.
	Until time.Time `json:"until,omitzero"`
	// Approvable says that an approval lifts it.
	Approvable bool `json:"approvable,omitempty"`
}

// HeldPlan is a change that guards keep back.
type HeldPlan struct {
	Digest   string         `json:"digest"` // of exactly this change: what an approval names
	Revision state.Revision `json:"revision"`
	Verdicts []Verdict      `json:"verdicts"`
	Changes  map[string]int `json:"changes"` // their number by operation
	// Approval that was given and does not count, because the plan has changed since.
	Void *Approval `json:"void,omitempty"`
}

// Approval is a person's consent to one plan.
type Approval struct {
	Digest  string    `json:"digest"`
	By      string    `json:"by"` // as the person's command says; the API knows no names
	Comment string    `json:"comment,omitempty"`
	Time    time.Time `json:"time"`
}

// ApproveRequest approves a plan.
type ApproveRequest struct {
	// Digest of the plan; "" for the one that is held now.
	Digest  string `json:"digest,omitempty"`
	By      string `json:"by"`
	Comment string `json:"comment,omitempty"`
}

// WindowOverride lets a Sync act outside its windows for a while.
type WindowOverride struct {
	Until   time.Time `json:"until,omitzero"` // zero ends it
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
}

// SyncRollbackRequest goes back to an earlier desired state.
type SyncRollbackRequest struct {
	// To: a revision that was healthy (a prefix of its ID will do); "" for the last healthy one before that in force.
	To      string `json:"to,omitempty"`
	By      string `json:"by"`
	Comment string `json:"comment,omitempty"`
}

// Quarantine is a revision that failed and is not tried again by itself.
type Quarantine struct {
	Revision state.Revision `json:"revision"`
	Reason   string         `json:"reason"` // CamelCase
	Message  string         `json:"message"`
	Since    time.Time      `json:"since"`
	By       string         `json:"by,omitempty"` // the person who went back from it
	// Until are objects whose recovery has it tried again.
	Until []state.ID `json:"until,omitempty"`
}

// Contention is a field, or a whole object, that another writer changes back again and again.
type Contention struct {
	ID      state.ID  `json:"id"`
	Path    string    `json:"path,omitempty"` // JSON pointer of the field; "" for the object itself
	By      string    `json:"by,omitempty"`   // the other writer: a field manager, a process
	Theirs  string    `json:"theirs,omitempty"`
	Ours    string    `json:"ours,omitempty"`
	Rounds  int       `json:"rounds"` // corrections since it began
	Since   time.Time `json:"since"`
	RetryAt time.Time `json:"retryAt"` // when it is corrected again
	Remedy  string    `json:"remedy,omitempty"`
}

// Cause is what a Sync's state goes back to.
type Cause struct {
	ID      state.ID `json:"id"`
	Message string   `json:"message"`
}

// WhyLink is one step on the way to a root cause.
type WhyLink struct {
	ID state.ID `json:"id"`
	// Relation to the link before: "depends on", "owns", "checks"; "" for the first.
	Relation string    `json:"relation,omitempty"`
	State    string    `json:"state"` // of a Sync, or the health of an object
	Reason   string    `json:"reason,omitempty"`
	Message  string    `json:"message,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Revision string    `json:"revision,omitempty"`
}

// Why is the way from a Sync to what keeps it from being healthy; only the Sync itself when nothing does.
type Why struct {
	Chain []WhyLink `json:"chain"`
}
