package policy

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
)

// fewObjects are so few that deleting most of them is everyday work.
const fewObjects = 4

// massDeletion holds what would delete most of what the Sync owns, and what would delete or replace something that holds the content of
// others: a namespace, a definition, a volume. That a Sync goes altogether is the same: whoever judged it where it was declared saw one
// object and not what it owns.
func massDeletion(input Input) []Verdict {
	if input.Terms.MassDeletion == v1alpha1.GuardAllow {
		return nil
	}
	var gone, holders []string
	for _, change := range input.Changes {
		switch {
		case change.Op == diff.Delete:
			gone = append(gone, change.ID.String())
		case change.Op != diff.Replace:
			continue
		}
		if change.Holds != "" {
			holders = append(holders, fmt.Sprintf("%s would be %sd, and with it %s", change.ID, change.Op, change.Holds))
		}
	}
	var reasons []string
	if input.Owned >= fewObjects && 2*len(gone) > input.Owned {
		reason := fmt.Sprintf("%d of its %d objects would be deleted: %s", len(gone), input.Owned, listing(gone))
		if input.Deleting {
			reason = "the Sync is no longer declared, and " + reason
		}
		reasons = append(reasons, reason)
	}
	if len(holders) > 0 {
		reasons = append(reasons, listing(holders))
	}
	if len(reasons) == 0 {
		return nil
	}
	name := input.name()
	return []Verdict{{Outcome: Hold, Check: MassDeletion, Approvable: true, Message: strings.Join(reasons, "; "),
		Remedy: "see `setpoint diff " + name + "`; if it is meant, approve it with `setpoint approve " + name +
			"`, or set guards.massDeletion: allow"}}
}
