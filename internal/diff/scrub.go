package diff

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// scrubbed stands where a secret was.
const scrubbed = "(secret)"

// The bounds of what is looked for: a shorter value would be found in every word, and a longer text is only found by its lines.
const (
	minScrubbed  = 4
	maxScrubbed  = 20_000
	minWholeLine = 8
)

// Scrubber takes secret values out of texts that others have written: errors of an API server, outputs of programs. The zero value knows
// none. Immutable, and safe for concurrent use.
type Scrubber struct{ values []string } // the longest first, so that what is within another does not cut it

// NewScrubber makes one of secret values: of each it also knows the forms in base64 and in quotes, and its single lines. Values shorter
// than four bytes, and the words true, false and null, cannot be told from other text and are left out.
func NewScrubber(values []string) Scrubber {
	wanted := map[string]bool{}
	for _, value := range values {
		if len(wanted) >= maxScrubbed {
			break
		}
		addForms(wanted, value)
	}
	return Scrubber{slices.SortedFunc(maps.Keys(wanted), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})}
}

// addForms adds the forms in which a value shows up in texts.
func addForms(wanted map[string]bool, value string) {
	if len(value) >= minScrubbed {
		for _, part := range InBase64(value) {
			if len(part) >= minScrubbed {
				wanted[part] = true
			}
		}
	}
	value = strings.TrimSpace(value)
	if !Telling(value) {
		return
	}
	addWritten(wanted, value)
	if !strings.Contains(value, "\n") {
		return
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minWholeLine && len(wanted) < maxScrubbed {
			addWritten(wanted, line)
		}
	}
}

// InBase64 gives what is seen of a value in base64, at whichever of the three places of a group it begins: of its first and last character
// only those that no neighbour has a bit in.
func InBase64(value string) (parts []string) {
	const group = 3
	for lead := range group {
		padded := strings.Repeat("\x00", lead) + value
		text := base64.RawStdEncoding.EncodeToString([]byte(padded))
		from, to := (lead*8+5)/6, len(padded)*8/6
		parts = append(parts, text[from:to])
	}
	return parts
}

// addWritten adds a text in the ways in which it is written.
func addWritten(wanted map[string]bool, text string) {
	for _, form := range InQuotes(text) {
		if len(form) >= minScrubbed {
			wanted[form] = true
		}
	}
}

// InQuotes gives a text as it is and as Go, JSON and YAML write it between quotes: JSON with <, > and & as they are, and with them
// escaped, as most programs in Go and the functions of templates do.
func InQuotes(text string) []string {
	forms := []string{text, strings.ReplaceAll(text, "'", "''")}
	if number, err := strconv.ParseFloat(text, 64); err == nil { // as templates print numbers from a million up
		forms = append(forms, strconv.FormatFloat(number, 'g', -1, 64))
	}
	escaped, _ := json.Marshal(text) // a text always can be
	for _, form := range []string{strconv.Quote(text), compact(text), string(escaped)} {
		forms = append(forms, form[1:len(form)-1])
	}
	return forms
}

// Telling says whether a secret value can be told from other text.
func Telling(value string) bool {
	return len(value) >= minScrubbed && value != "true" && value != "false" && value != "null"
}

// Text gives a text without the values.
func (s Scrubber) Text(text string) string {
	for _, value := range s.values {
		if len(value) <= len(text) {
			text = strings.ReplaceAll(text, value, scrubbed)
		}
	}
	return text
}

// Error gives an error without the values: the same one when it tells none, else one of the same kinds and hints.
func (s Scrubber) Error(err error) error {
	if err == nil || len(s.values) == 0 || !s.tells(err) {
		return err
	}
	parts := fault.Flatten(err)
	clean := make([]error, len(parts))
	for i, part := range parts {
		if clean[i] = part; s.tells(part) {
			hidden := &fault.Error{Kind: fault.KindOf(part), Err: errors.New(s.Text(part.Error()))}
			if hidden.Err.Error() == part.Error() { // else the hint may say in other words what was taken out
				hidden.Hint = s.Text(fault.HintOf(part))
			}
			clean[i] = hidden
		}
	}
	if len(clean) == 1 {
		return clean[0]
	}
	return errors.Join(clean...)
}

func (s Scrubber) tells(err error) bool {
	text, hint := err.Error(), fault.HintOf(err)
	return s.Text(text) != text || s.Text(hint) != hint
}

// SecretsOf gives the texts and numbers of an object that are certainly secret: what is marked, the data of a Secret both as it is and
// decoded, and the content of a File that is sensitive. What the object's own name says is none. The object may be nil.
func SecretsOf(object *state.Object) []string {
	if object == nil {
		return nil
	}
	content := object.Content()
	g := gathering{veil: newVeil(content, Options{Marks: MarksOf(object)}), known: object.APIVersion() + " " + object.ID().String()}
	if g.veil.secretKind || g.veil.sensitive || len(g.veil.marks) > 0 {
		g.look(nil, content)
	}
	return g.found
}

// ScrubberOf gives the one that knows the secrets of an object; the object may be nil.
func ScrubberOf(object *state.Object) Scrubber { return NewScrubber(SecretsOf(object)) }

// gathering collects the secrets of an object.
type gathering struct {
	veil  veil
	known string // what everybody may know
	found []string
}

// look walks to the values at and below a path, and takes those that are secret.
func (g *gathering) look(path Path, value any) {
	if len(path) > 0 && g.secret(path) {
		g.take(value)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			g.look(path.Child(Segment{Name: name}), child)
		}
	case []any:
		for i, child := range v {
			g.look(path.Child(Segment{Name: strconv.Itoa(i)}), child)
		}
	}
}

func (g *gathering) secret(path Path) bool {
	switch {
	case g.veil.marks.hide(path):
		return true
	case g.veil.secretKind:
		return path[0].Name == "data" || path[0].Name == "stringData"
	}
	return g.veil.hostKind != "" && g.veil.sensitive && g.veil.hidesOnHost(path, nil)
}

// take adds every text and number of a value.
func (g *gathering) take(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, child := range v {
			g.take(child)
		}
	case []any:
		for _, child := range v {
			g.take(child)
		}
	case string:
		g.add(v)
		if plain, err := base64.StdEncoding.DecodeString(v); err == nil && g.veil.secretKind {
			g.add(string(plain))
		}
	case int64, float64:
		g.add(KeyText(v))
	}
}

func (g *gathering) add(text string) {
	if !strings.Contains(g.known, text) {
		g.found = append(g.found, text)
	}
}

// Hide takes what is secret in the desired object out of the entry's error and of what is said of its health: those that were asked about
// the object may quote it.
func (e *Entry) Hide() { e.Health.Message, e.Err = Hide(e.Want, e.Health.Message, e.Err) }

// Hide takes what is secret in a desired object out of a message and an error about it. The object may be nil.
func Hide(want *state.Object, message string, err error) (string, error) {
	if want == nil || err == nil && message == "" || !keepsSecrets(want) {
		return message, err
	}
	scrubber := ScrubberOf(want)
	return scrubber.Text(message), scrubber.Error(err)
}

// keepsSecrets says whether an object has any for SecretsOf, as far as that costs nothing to know.
func keepsSecrets(object *state.Object) bool {
	return object.Kind() == "Secret" || object.ID().Group == v1alpha1.GroupHost || len(object.Secrets()) > 0
}
