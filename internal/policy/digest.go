package policy

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// planned is what a digest says of one change.
type planned struct {
	Op     diff.Op
	ID     state.ID
	Want   state.Digest
	Fields [][3]string // path, old, new
}

// Digest gives the digest of exactly one plan, which an approval names: of each change its operation, object and desired content, and of
// an update the fields with their values before and after. Who wrote them and when is not part of it, nor is the order; what would not
// be done (what is equal, kept, or on its way out) does not count. It is never "", also of no changes.
func Digest(changes []diff.Entry) state.Digest {
	plan := make([]planned, 0, len(changes))
	for _, entry := range changes {
		if !pending(entry) {
			continue
		}
		one := planned{Op: entry.Op, ID: entry.ID}
		if entry.Want != nil {
			one.Want = entry.Want.Digest()
		}
		if entry.Op == diff.Update {
			for _, field := range entry.Fields {
				one.Fields = append(one.Fields, [3]string{field.Path, field.Old, field.New})
			}
			slices.SortFunc(one.Fields, func(a, b [3]string) int { return slices.Compare(a[:], b[:]) })
		}
		plan = append(plan, one)
	}
	slices.SortFunc(plan, func(a, b planned) int {
		if order := a.ID.Compare(b.ID); order != 0 {
			return order
		}
		return strings.Compare(string(a.Op), string(b.Op))
	})
	text, _ := json.Marshal(plan)
	return state.DigestBytes(text)
}
