package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// protected are the kinds that others stand on: whoever changes one of them changes what is in it.
var protected = []string{"Namespace", "CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim"}

// approval holds what is new until a person approves it: all of it, or what is risky.
func approval(input Input) []Verdict {
	if strictness[input.Terms.Approval] == 0 {
		return nil
	}
	asked := func(change Change) bool { return !change.repairs() }
	if input.Terms.Approval == v1alpha1.ApprovalRisky {
		if installs(input) {
			return nil
		}
		asked = func(change Change) bool { return !change.repairs() && input.Terms.risky(change) }
	}
	var waiting []string
	for _, change := range input.Changes {
		if asked(change) {
			waiting = append(waiting, fmt.Sprintf("%s %s", change.Op, change.ID))
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	name := input.name()
	return []Verdict{{Outcome: Hold, Check: ApprovalRequired, Approvable: true,
		Message: fmt.Sprintf("a person has to approve this (approval: %s): %s", input.Terms.Approval, listing(waiting)),
		Remedy:  "see `setpoint diff " + name + "`, then `setpoint approve " + name + "`"}}
}

// installs says whether the plan is a first installation, which can break nothing of the Sync's own.
func installs(input Input) bool {
	return input.Owned == 0 && !slices.ContainsFunc(input.Changes, func(change Change) bool { return change.Op != diff.Create })
}

// risky are deletions, replacements, and any change of a protected kind.
func (t *Terms) risky(change Change) bool {
	if change.Op == diff.Delete || change.Op == diff.Replace {
		return true
	}
	is := func(pattern string) bool { return protects(pattern, change.ID) }
	return slices.ContainsFunc(protected, is) || slices.ContainsFunc(t.Protected, is)
}

// protects says whether a pattern protects an object: as patterns for kinds, but that a kind without a group is that of any group, so
// that "StatefulSet" protects what its author means.
func protects(pattern string, id state.ID) bool {
	if !strings.Contains(pattern, "/") {
		return Matches(pattern, id.Kind)
	}
	return matchesKind(pattern, id)
}
