package helm

import (
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// secrets are the values that may not be shown: those that come from Secrets, and random ones.
type secrets struct{ values []string }

func (s *secrets) add(value string) {
	if value = strings.TrimSpace(value); diff.Telling(value) {
		s.values = append(s.values, value)
	}
}

// addAll adds the texts and numbers that a value holds.
func (s *secrets) addAll(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, item := range v {
			s.addAll(item)
		}
	case []any:
		for _, item := range v {
			s.addAll(item)
		}
	case string:
		s.add(v)
	case float64:
		s.add(strconv.FormatFloat(v, 'f', -1, 64))
	}
}

// scrubber takes out of what is said all that this render knows to be secret, also what was decrypted in the artifact. A chart may quote
// any of its values when it fails.
func (j *job) scrubber() diff.Scrubber {
	values := j.secrets.values
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
