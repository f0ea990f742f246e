package apps

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var (
	secretName = regexp.MustCompile(
		`(?i)passw(or)?d|passphrase|(^|_)pass($|_)|(^|_)pwd($|_)|secret|token|credential|(^|_)auth($|_)|key$`)
	urlPassword = regexp.MustCompile(`://[^/\s@]*:[^/\s]*@`)
)

// changes gives the fields that a new declaration changes: those that differ, and those that it does not have any more. Environment
// variables whose name or value speaks of a secret show as keyed hashes.
func (d *Driver) changes(before json.RawMessage, want *state.Object) []diff.Field {
	old := map[string]any{}
	if last, err := state.DecodeObject(before, state.Origin{}); err == nil {
		old = last.Content()
	}
	now := want.Content()
	opts := diff.Options{Redact: d.cfg.Redact, Secret: func(path diff.Path) bool { return secretVariable(path, old, now) }}
	fields := diff.Compare(now, old, opts)
	for _, field := range diff.Compare(old, now, opts) {
		if field.Old == "" { // only the old one has it
			fields = append(fields, diff.Field{Path: field.Path, Old: field.New})
		}
	}
	slices.SortStableFunc(fields, func(a, b diff.Field) int { return strings.Compare(a.Path, b.Path) })
	return fields
}

// secretVariable says whether a path leads to an environment variable that is secret in one of two declarations.
func secretVariable(path diff.Path, declarations ...map[string]any) bool {
	if len(path) < 2 {
		return false
	}
	name, above := path[len(path)-1].Name, path[len(path)-2].Name
	if above != "env" && above != "values" {
		return false
	}
	return secretName.MatchString(name) || slices.ContainsFunc(declarations, func(content map[string]any) bool {
		return urlPassword.MatchString(textAt(content, path))
	})
}

// textAt gives the text that a path leads to, or "".
func textAt(content any, path diff.Path) string {
	for _, segment := range path {
		switch value := content.(type) {
		case map[string]any:
			content = value[segment.Name]
		case []any:
			index, err := strconv.Atoi(segment.Name)
			if err != nil || index < 0 || index >= len(value) {
				return ""
			}
			content = value[index]
		default:
			return ""
		}
	}
	text, _ := content.(string)
	return text
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
