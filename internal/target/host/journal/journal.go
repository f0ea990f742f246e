// Package journal remembers, in the agent's data directory, what its Syncs own on this host, and what was there before them. It is
// written ahead: what the agent is about to take or change stands in it, safe from a crash at any instant, before anything is touched.
package journal

import (
	"encoding/json"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Record is what is remembered of one object.
type Record struct {
	ID    state.ID    `json:"id"`
	Owner state.Owner `json:"owner"`
	// Declared is the digest of the declaration that was carried out last; "" while the first attempt is under way.
	Declared state.Digest `json:"declared,omitempty"`
	// Wave and Keep are what the declaration said of its removal (see diff.Entry).
	Wave int  `json:"wave,omitempty"`
	Keep bool `json:"keep,omitempty"`
	// Data is what the object's kind needs to know beside that.
	Data json.RawMessage `json:"data,omitempty"`
}
