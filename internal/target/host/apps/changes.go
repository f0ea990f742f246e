package apps

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// changes gives the fields that a new declaration changes: those that differ, and those that it does not have any more. Environment
// variables whose name or value speaks of a secret show as keyed hashes, and so does what is marked as secret.
func (d *Driver) changes(before json.RawMessage, want *state.Object) []diff.Field {
	old := map[string]any{}
	if last, err := state.DecodeObject(before, state.Origin{}); err == nil {
		old = last.Content()
	}
	now := d.kept(want)
	opts := diff.Options{Redact: d.cfg.Redact, Marks: diff.MarksOf(want)}
	fields := diff.Compare(now, old, opts)
	for _, field := range diff.Compare(old, now, opts) {
		if field.Old == "" { // only the old one has it
			fields = append(fields, diff.Field{Path: field.Path, Old: field.New})
		}
	}
	slices.SortStableFunc(fields, func(a, b diff.Field) int { return strings.Compare(a.Path, b.Path) })
	return fields
}

// kept gives a declaration as it is remembered, for differences of fields: what is marked as secret in it as keyed hashes.
func (d *Driver) kept(want *state.Object) map[string]any {
	if len(want.Secrets()) == 0 {
		return want.Content()
	}
	return d.cfg.Redact.Desired(want)
}

// field makes the difference of something that is not in the declaration.
func field(path, old, now string) diff.Field {
	quoted := func(text string) string {
		if text == "" {
			return ""
		}
		data, err := json.Marshal(text)
		if err != nil {
			return "" // cannot be: texts have JSON
		}
		return string(data)
	}
	return diff.Field{Path: path, Old: quoted(old), New: quoted(now)}
}
