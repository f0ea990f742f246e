package plan

import (
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Hook is what an object's annotations say about when it runs: Setpoint's own, Argo CD's and Helm's.
type Hook struct {
	Phase  HookPhase
	Wave   int
	Always bool // on every sync and every repair, not once per revision
	// When the object is deleted: before it is created anew, when it succeeded, when it failed.
	DeleteBefore, DeleteSucceeded, DeleteFailed bool
	// Timeout of one run; zero for the Sync's.
	Timeout time.Duration
}

// HookPhase is the part of a sync that a hook belongs to.
type HookPhase string

// The phases.
const (
	HookPre  HookPhase = "pre"  // before anything else is changed, but for definitions
	HookMain HookPhase = "main" // among the others, by wave
	HookPost HookPhase = "post" // when all is applied and healthy, and what is no longer declared is gone
	HookFail HookPhase = "fail" // when the revision has failed
	HookSkip HookPhase = "skip" // never
)

// HookOf reads the annotations of an object; false when it is no hook.
func HookOf(_ *state.Object) (Hook, bool) { return Hook{}, false }
