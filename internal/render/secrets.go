package render

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of what is looked for in objects: a shorter value would be found everywhere and hide nothing, and of a text of several lines
// that a template has indented only the longer lines tell anything.
const (
	minSecret  = 4
	minLine    = 8
	maxSecrets = 10_000
)

// Secretive is an artifact in which encrypted files read as what they hold. Safe for concurrent use.
type Secretive interface {
	source.Artifact
	// Raw gives the artifact as it is stored.
	Raw() source.Artifact
	// Sensitive says whether a file that has been read is an encrypted one. What was made of it must not be kept for others: they may
	// have other keys.
	Sensitive(name string) bool
	// Secrets gives the values that were encrypted in the files that have been read.
	Secrets() []string
	// Encrypted gives the pointers of the values of an object that were encrypted where it was declared; ok is false when it was not
	// declared in an encrypted file as it stands there.
	Encrypted(object *state.Object) (pointers []string, ok bool)
}

// Raw gives the artifact as it is stored, with encrypted files as they are.
func (r *Recorder) Raw() source.Artifact {
	if secretive, ok := r.Artifact.(Secretive); ok {
		return secretive.Raw()
	}
	return r.Artifact
}

// Sensitive says whether a file that has been read is an encrypted one, so that nothing of it may be kept for others.
func (r *Recorder) Sensitive(name string) bool {
	secretive, ok := r.Artifact.(Secretive)
	return ok && secretive.Sensitive(name)
}

// markDecrypted marks what was encrypted in the artifact as secret in the objects that were made of it: of a manifest that stands in an
// encrypted file exactly the fields that were encrypted; elsewhere every text that contains what was.
func (r *Recorder) markDecrypted(format string, found []Found) []Found {
	secretive, ok := r.Artifact.(Secretive)
	if !ok {
		return found
	}
	secrets := newNeedles(secretive.Secrets())
	marked := slices.Clone(found)
	for i, one := range found {
		pointers, exact := secretive.Encrypted(one.Object)
		switch {
		case format == asWritten && exact:
			marked[i].Object = one.Object.WithSecrets(pointers)
		case format != asWritten || secretive.Sensitive(one.Object.Origin().File):
			marked[i].Object = secrets.mark(one.Object)
		}
	}
	return marked
}

// asWritten is the format whose objects are as their files have them.
const asWritten = "plain"

// scrub takes what was decrypted out of an error: whoever reads a file may quote it.
func (r *Recorder) scrub(err error) error {
	secretive, ok := r.Artifact.(Secretive)
	if !ok || err == nil {
		return err
	}
	return diff.NewScrubber(secretive.Secrets()).Error(err)
}

// MarkSecrets gives an object in which every text that contains one of the values, or one of them in base64, is marked as secret, and
// every number that is one. Only values of at least four bytes count, and at most ten thousand of them. What an object is known by
// (apiVersion, kind, name, namespace) cannot be secret. It takes a time that grows with the length of the object, and hardly with the
// number of values.
func MarkSecrets(object *state.Object, values []string) *state.Object {
	return newNeedles(values).mark(object)
}

// needles are values that are looked for, with their forms in base64 and JSON, by the first bytes of each.
type needles map[[minSecret]byte][]string

func newNeedles(values []string) needles {
	n := needles{}
	for i, value := range values {
		if i == maxSecrets {
			break
		}
		value = strings.TrimSpace(value)
		if !diff.Telling(value) {
			continue
		}
		n.add(value)
		for _, part := range diff.InBase64(value) {
			n.add(part)
		}
		if quoted, err := json.Marshal(value); err == nil {
			n.add(string(quoted[1 : len(quoted)-1]))
		}
		if strings.Contains(value, "\n") {
			n.lines(value)
		}
	}
	return n
}

func (n needles) add(value string) {
	if len(value) < minSecret {
		return
	}
	start := [minSecret]byte([]byte(value[:minSecret]))
	if !slices.Contains(n[start], value) {
		n[start] = append(n[start], value)
	}
}

func (n needles) lines(value string) {
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minLine && len(n) < maxSecrets {
			n.add(line)
		}
	}
}

// in says whether a text contains one of the values.
func (n needles) in(text string) bool {
	for i := 0; i+minSecret <= len(text); i++ {
		for _, value := range n[[minSecret]byte([]byte(text[i:i+minSecret]))] {
			if strings.HasPrefix(text[i:], value) {
				return true
			}
		}
	}
	return false
}

// is says whether a text is one of the values.
func (n needles) is(text string) bool {
	return len(text) >= minSecret && slices.Contains(n[[minSecret]byte([]byte(text[:minSecret]))], text)
}

func (n needles) mark(object *state.Object) *state.Object {
	if len(n) == 0 {
		return object
	}
	found := finder{needles: n}
	found.walk("", object.Content())
	if len(found.pointers) == 0 {
		return object
	}
	return object.WithSecrets(found.pointers)
}

// identity are the fields that an object is known by.
var identity = []string{"/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"}

// finder gathers the pointers of the values that contain a secret.
type finder struct {
	needles

	pointers []string
}

func (f *finder) walk(at string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, item := range v {
			f.walk(at+"/"+pointerNames.Replace(name), item)
		}
	case []any:
		for i, item := range v {
			f.walk(at+"/"+strconv.Itoa(i), item)
		}
	case string:
		if !slices.Contains(identity, at) && f.in(v) {
			f.pointers = append(f.pointers, at)
		}
	case int64, float64:
		if f.is(diff.KeyText(v)) {
			f.pointers = append(f.pointers, at)
		}
	}
}

// pointerNames writes a name in a JSON pointer (RFC 6901).
var pointerNames = strings.NewReplacer("~", "~0", "/", "~1")
