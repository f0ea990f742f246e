// Package policy judges desired state before it is carried out: an ordered list of named checks, each of which allows, holds or denies
// with a sentence and a remedy. It is pure.
package policy

// Outcome of a check.
type Outcome string

// The outcomes.
const (
	Allow Outcome = "allow"
	Hold  Outcome = "hold" // until the declaration or a person says otherwise
)

// Verdict is what a check says.
type Verdict struct {
	Outcome Outcome
	Check   string // the name of the check, CamelCase; it is the reason that people see
	Message string
	Remedy  string
}

// Input is what checks look at.
type Input struct {
	Objects    int  // that the revision declares
	AllowEmpty bool // the declaration says that none is meant
}

// check is one rule.
type check func(Input) Verdict

// checks are all rules; the first that does not allow decides.
var checks = []check{emptyRender}

// Judge gives the first verdict that is not Allow, or Allow.
func Judge(input Input) Verdict {
	for _, judge := range checks {
		if verdict := judge(input); verdict.Outcome != Allow {
			return verdict
		}
	}
	return Verdict{Outcome: Allow}
}

// emptyRender holds a revision that declares nothing at all: nearly always a moved folder or a wrong path, and obeying it would
// delete everything that the Sync owns.
func emptyRender(input Input) Verdict {
	if input.Objects > 0 || input.AllowEmpty {
		return Verdict{Outcome: Allow}
	}
	return Verdict{Outcome: Hold, Check: "EmptyRender",
		Message: "its path declares no objects; nothing is deleted",
		Remedy:  "put the path right, or set spec.allowEmpty: true if having nothing is meant"}
}
