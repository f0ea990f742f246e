package helm

import (
	"cmp"
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// choice is what a source follows of a chart.
type choice struct {
	text       string // as it is written; "" is the newest
	constraint *semver.Constraints
}

func parseChoice(text string) (choice, error) {
	constraint, err := semver.NewConstraint(cmp.Or(text, "*"))
	if err != nil {
		return choice{}, fault.New(fault.Invalid, "read", "helm.version", fmt.Sprintf("%q is no version, and no range of versions", text)).
			WithHint(`write it as "6.9.4", ">=6.3 <7", "6.x" or "~6.3"; pre-releases count in ranges that name one: ">=6.3-0"`)
	}
	return choice{text: text, constraint: constraint}, nil
}

// of picks a version, by the rules of Helm: one that is written just so wins, then the greatest that is in the range; pre-releases are in a
// range that names one. Of two that only differ in what stands behind a plus, the one that was created later counts.
func (c choice) of(all []version) (version, bool) {
	for _, one := range all {
		if c.text != "" && one.name == c.text {
			return one, true
		}
	}
	var best version
	var bestParsed *semver.Version
	for _, one := range all {
		parsed, err := semver.NewVersion(one.name)
		if err != nil || !c.constraint.Check(parsed) {
			continue
		}
		if bestParsed == nil ||
			cmp.Or(parsed.Compare(bestParsed), one.created.Compare(best.created), cmp.Compare(one.name, best.name)) > 0 {
			best, bestParsed = one, parsed
		}
	}
	return best, bestParsed != nil
}

// String gives the version for people, "" for the newest.
func (c choice) String() string { return c.text }
