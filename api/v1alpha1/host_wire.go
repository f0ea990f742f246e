package v1alpha1

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Release is one release of an App: a build with a configuration, numbered from 1, and never changed.
type Release struct {
	Number int    `json:"number"`
	Build  string `json:"build"`  // digest of what runs
	Config string `json:"config"` // digest of what it runs with; secrets enter it as keyed hashes
	// State: Pending (it is taking over), Active (it runs), Superseded, Failed (it did not take over; see Reason and Message).
	State    string         `json:"state"`
	Reason   string         `json:"reason,omitempty"`
	Message  string         `json:"message,omitempty"`
	Created  time.Time      `json:"created"`
	Revision state.Revision `json:"revision,omitzero"` // that asked for it first
	// Available: its files are still there, so that one can go back to it.
	Available bool `json:"available"`
}

// The words of Release.State.
const (
	ReleasePending    = "Pending"
	ReleaseActive     = "Active"
	ReleaseSuperseded = "Superseded"
	ReleaseFailed     = "Failed"
)

// Releases are those of an App, the newest first.
type Releases struct {
	App string `json:"app"`
	// RolledBack is the release that a person has gone back to; it holds until the App's declaration changes. 0 when nobody has.
	RolledBack int       `json:"rolledBack,omitempty"`
	Since      time.Time `json:"since,omitzero"` // of RolledBack
	Releases   []Release `json:"releases"`
}

// RollbackRequest asks to go back to a release.
type RollbackRequest struct {
	To int `json:"to,omitempty"` // a release's number; 0 for the one that was active before the present one
}

// LogLine is one line of an App's output.
type LogLine struct {
	Time    time.Time `json:"time"`
	App     string    `json:"app"`
	Process string    `json:"process"` // "web.2"
	Release int       `json:"release"`
	Stream  string    `json:"stream"` // stdout, stderr
	Text    string    `json:"text"`
}

// LogQuery selects lines of an App's output.
type LogQuery struct {
	Process string    // "web.2", "web" for all of a type, "" for all
	Since   time.Time // written at or after
	Tail    int       // at most so many of the newest; 0 for all
	Follow  bool      // go on with what is written from then on
}
