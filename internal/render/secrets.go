package render

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of what is looked for in objects: a shorter value would be found everywhere and hide nothing, and of a text of several lines
// that a template has indented only the longer lines tell anything. A key is refused rather than hidden, so that only what cannot be the
// name of a field by chance counts there.
const (
	minSecret  = 4
	minLine    = 8
	minInKey   = 8
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
// every number that is one. A mapping with a key that contains one is marked as a whole, and Formats refuses the object. Only values of at
// least four bytes count, in keys those of eight that are no word, and at most ten thousand of them. What an object is known by
// (apiVersion, kind, name, namespace) cannot be secret. It takes a time that grows with the length of the object, and hardly with the
// number of values.
func MarkSecrets(object *state.Object, values []string) *state.Object {
	return newNeedles(values).mark(object)
}

// needles are values that are looked for, with their forms in base64 and in quotes, by the first bytes of each.
type needles map[[minSecret]byte][]needle

// needle is one form of a value.
type needle struct {
	text  string
	inKey bool // it counts in a key too
}

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
		inKey := len(value) >= minInKey && !word(value)
		for _, form := range slices.Concat(diff.InQuotes(value), diff.InBase64(value)) {
			n.add(form, inKey)
		}
		if strings.Contains(value, "\n") {
			n.lines(value)
		}
	}
	return n
}

func (n needles) add(text string, inKey bool) {
	if len(text) < minSecret {
		return
	}
	start, one := [minSecret]byte([]byte(text[:minSecret])), needle{text: text, inKey: inKey}
	if !slices.Contains(n[start], one) {
		n[start] = append(n[start], one)
	}
}

func (n needles) lines(value string) {
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minLine && len(n) < maxSecrets {
			for _, form := range diff.InQuotes(line) {
				n.add(form, !word(line))
			}
		}
	}
}

// in says whether a text contains one of the values.
func (n needles) in(text string) bool {
	return n.match(text, func(needle) bool { return true })
}

// inKey says whether a key of a mapping contains one of the values that count there.
func (n needles) inKey(key string) bool {
	return len(key) >= minInKey && n.match(key, func(one needle) bool { return one.inKey })
}

// match says whether a text contains one of those needles that count.
func (n needles) match(text string, counts func(needle) bool) bool {
	for i := 0; i+minSecret <= len(text); i++ {
		for _, one := range n[[minSecret]byte([]byte(text[i:i+minSecret]))] {
			if strings.HasPrefix(text[i:], one.text) && counts(one) {
				return true
			}
		}
	}
	return false
}

// word says whether a value may as well be the name of a field, a label, a file or a host: "postgres", "kubernetes.io/hostname",
// "eu-west-1". A file that is encrypted as a whole has many of them, and they stand in keys that nobody made of a secret.
func word(value string) bool {
	return hostName.MatchString(value) ||
		!strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("-_./", r) })
}

// hostName is a name or address of several parts (RFC 1123).
var hostName = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)+$`)

// is says whether a text is one of the values.
func (n needles) is(text string) bool {
	return len(text) >= minSecret &&
		slices.ContainsFunc(n[[minSecret]byte([]byte(text[:minSecret]))], func(one needle) bool { return one.text == text })
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

// refuseSecretKeys refuses objects with a mapping that is marked as a whole because of a key in it, and declarations with secrets in them.
func (r *Result) refuseSecretKeys() {
	for object := range r.Objects.All() {
		if object.ID().Group == v1alpha1.Group && len(object.Secrets()) > 0 {
			r.refuse(object, atOrigin(object, secretDeclaration(object)))
			continue
		}
		for _, pointer := range object.Secrets() {
			names := state.PointerNames(pointer)
			if _, mapping := valueAt(object.Content(), names).(map[string]any); mapping {
				r.refuse(object, atOrigin(object, secretKey(cmp.Or(strings.Join(names, "."), "the object"))))
			}
		}
	}
}

// secretDeclaration: what is declared of a Sync, a Source or a Policy is kept, and told, as it is: its place is no secret, nor its values.
func secretDeclaration(object *state.Object) error {
	first := strings.Join(state.PointerNames(object.Secrets()[0]), ".")
	return fault.New(fault.Invalid, "read", first, "a secret value is in the declaration of a "+object.Kind()).
		WithHint("it would be shown with it: let the Sync take it itself, by helm.valuesFrom or substitute.from, or from an encrypted " +
			"file of its path; what is no secret belongs into a ConfigMap, or stays unencrypted")
}

func secretKey(where string) error {
	return fault.New(fault.Invalid, "read", where, "a secret value would go into a key").
		WithHint("keys are shown to everybody: use a value that is no secret; " +
			"if it is none, leave it unencrypted (sops encrypt --encrypted-regex)")
}

// valueAt gives what is at the end of a way through mappings and lists; nil when there is nothing.
func valueAt(value any, names []string) any {
	for _, name := range names {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
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
		for name := range v {
			if f.inKey(name) {
				f.pointers = append(f.pointers, at) // no pointer goes through the key, as that would tell it
				return
			}
		}
		for name, item := range v {
			f.walk(at+state.Pointer(name), item)
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
