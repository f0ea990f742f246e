package helm

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// secrets are the values that may not be shown.
type secrets struct {
	given []string // from Secrets that the Sync names
	found []string // made at random, or looked up in the cluster by the chart; a Secret that holds them hides them without a mark
}

func (s *secrets) all() []string { return slices.Concat(s.given, s.found) }

// in gives those that have to be marked in an object. A mark keeps a desired state from being kept on a disk.
func (s *secrets) in(object *state.Object) []string {
	if object.ID().GroupKind() == (state.GroupKind{Kind: "Secret"}) {
		return s.given
	}
	return s.all()
}

// find adds a value that is not given.
func (s *secrets) find(value string) { s.found = with(s.found, value) }

// give adds the texts and numbers that a value holds.
func (s *secrets) give(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, item := range v {
			s.give(item)
		}
	case []any:
		for _, item := range v {
			s.give(item)
		}
	case string:
		s.given = with(s.given, v)
	case float64:
		s.given = with(s.given, strconv.FormatFloat(v, 'f', -1, 64))
	}
}

func with(values []string, value string) []string {
	if value = strings.TrimSpace(value); diff.Telling(value) {
		values = append(values, value)
	}
	return values
}

// lookedUp adds what Secrets hold that a chart has looked up: one, or a list of them.
func (s *secrets) lookedUp(object map[string]any) {
	items, _ := object["items"].([]any)
	for _, item := range append(slices.Clip(items), object) {
		secret, _ := item.(map[string]any)
		data, _ := secret["data"].(map[string]any)
		for _, value := range data {
			encoded, _ := value.(string)
			if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil {
				s.find(string(plain))
			}
		}
	}
}

// scrubber takes out of what is said all that this render knows to be secret, also what was decrypted in the artifact. A chart may quote
// any of its values when it fails.
func (j *job) scrubber() diff.Scrubber {
	values := j.secrets.all()
	if secretive, ok := j.artifact.Artifact.(render.Secretive); ok {
		values = append(slices.Clip(values), secretive.Secrets()...)
	}
	return diff.NewScrubber(values)
}

// maxMessage bounds what is quoted of a chart's words.
const maxMessage = 1000

// quoted gives somebody else's words in one line, without secrets: those are taken out first, as half of one would not be known any more.
func (j *job) quoted(text string) string {
	text = strings.Join(strings.Fields(j.scrubber().Text(text)), " ")
	if len(text) > maxMessage {
		text = text[:maxMessage/2] + " … " + text[len(text)-maxMessage/2:]
	}
	return strings.ToValidUTF8(text, "")
}
