package agent

import (
	evaluation "github.com/setpoint-dev/setpoint/internal/render/confined"
	"github.com/setpoint-dev/setpoint/internal/render/cue"
	"github.com/setpoint-dev/setpoint/internal/render/jsonnet"
)

// Evaluate serves one evaluation of a program of a source when this process was started for that, and says so: the process has nothing else
// to do then. It comes before anything else in main, and in the TestMain of tests that render such programs.
func Evaluate() bool {
	return evaluation.Main(map[string]evaluation.Evaluator{jsonnet.Format: jsonnet.Evaluate, cue.Format: cue.Evaluate})
}
