package system_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/test/system"
)

// search takes down what the agent keeps: its log, everything that it has on disk, and what is in the namespace for itself.
func (s *secretScene) search(but ...string) {
	s.Helper()
	s.agent.Search(s.heard)
	for _, resource := range []string{"configmaps", "events"} {
		for _, object := range s.plant.List(system.Path("v1", resource, s.ns, "")) {
			if name := object.String("metadata", "name"); !slices.Contains(but, name) {
				s.heard[resource+" "+name] = system.JSON(s, map[string]any(object))
			}
		}
	}
}

// notTold looks for each secret in all that was heard, and in the same way for what is no secret, in a place that has to tell it: where
// that is not found, a secret would not be found either.
func (s *secretScene) notTold(secrets []string, harmless map[string]string) {
	s.Helper()
	for _, secret := range secrets {
		if len(secret) < 8 {
			s.Fatalf("%q is too short to look for", secret)
		}
		for _, place := range s.tells(secret) {
			s.Errorf("%q is told: %s", secret, place)
		}
	}
	for place, text := range harmless {
		if !slices.ContainsFunc(s.tells(text), func(told string) bool { return strings.HasPrefix(told, place) }) {
			s.Errorf("%s does not tell %q, so that this test may be deaf", place, text)
		}
	}
}

// tells gives the places that tell a text, in each way that it may be written.
func (s *secretScene) tells(text string) []string {
	places := s.heard.Tells(text)
	for _, form := range within(text) {
		for place, said := range s.heard {
			if strings.Contains(said, form) {
				places = append(places, fmt.Sprintf("%s, written as %q", place, form))
			}
		}
	}
	return places
}

// within gives how a secret is written in capital hexadecimal letters, in quotes, in quotes within quotes (a text that holds JSON is itself
// written in JSON), and within a text in base64: the digits that no neighbour has a bit in.
func within(secret string) []string {
	forms := append(inQuotes(secret), strings.ToUpper(hex.EncodeToString([]byte(secret))))
	for _, once := range inQuotes(secret) {
		forms = append(forms, inQuotes(once)...)
	}
	for lead := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(strings.Repeat("-", lead) + secret + "---"))
			forms = append(forms, text[lead*4/3+min(lead, 1):(lead+len(secret))*4/3])
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// inQuotes gives a text as Go, JSON (with and without < as it is) and YAML write it between quotes.
func inQuotes(text string) []string {
	var plain strings.Builder
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text always can be
	escaped, _ := json.Marshal(text)
	return []string{
		inside(strconv.Quote(text)), inside(strings.TrimSpace(plain.String())), inside(string(escaped)),
		strings.ReplaceAll(text, "'", "''"),
	}
}

// inside gives what is between quotes.
func inside(quoted string) string { return quoted[1 : len(quoted)-1] }
