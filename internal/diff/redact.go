package diff

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Redactor shows secret values as short keyed hashes: equal values look equal, a change is visible, and without the key nothing
// can be learned by guessing. These are secret, in objects of any kind where no kind is named:
//
//   - everything below data and stringData of a Secret;
//   - the value of an environment variable (an item of a list "env") whose name speaks of a password, secret, token, credential
//     or key, or whose value is a URL with a password;
//   - the content of a File of this host that says it is sensitive, and of an App's variables those that an "env" list would hide;
//   - the annotation kubectl.kubernetes.io/last-applied-configuration, which repeats the whole object.
//
// Without a Key secrets are shown as "redacted", and changes of them cannot be told from each other.
type Redactor struct {
	// Key is at least 16 random bytes that stay the same for as long as hashes are to be compared.
	Key []byte
}

// Hash gives what is shown instead of a value: "hmac:1a2b3c4d".
func (r Redactor) Hash(value any) string {
	if len(r.Key) == 0 {
		return "redacted"
	}
	mac := hmac.New(sha256.New, r.Key)
	mac.Write([]byte(compact(value)))
	return "hmac:" + hex.EncodeToString(mac.Sum(nil)[:4])
}

// Object gives a copy of an object in which every secret value is redacted.
func (r Redactor) Object(content map[string]any) map[string]any {
	v := newVeil(content, Options{Redact: r})
	return v.cover(nil, content).(map[string]any)
}

// Desired gives the content of a desired object in which every secret value is redacted, also those that are marked as secret.
func (r Redactor) Desired(object *state.Object) map[string]any {
	content := object.Content()
	v := newVeil(content, Options{Redact: r, Marks: MarksOf(object)})
	return v.cover(nil, content).(map[string]any)
}

// veil knows what of one object is secret.
type veil struct {
	redact     Redactor
	more       func(Path) bool
	marks      Marks
	lump       bool // lists that hold a marked field are hidden whole: where it is in them is only known of one side
	lists      lister
	secretKind bool
	hostKind   string // of an object on a host, else ""
	sensitive  bool   // a File that says so
}

func newVeil(want map[string]any, opts Options) veil {
	apiVersion, _ := want["apiVersion"].(string)
	// An object without apiVersion is wrong, but what it holds is secret all the same.
	secret := want["kind"] == "Secret" && (apiVersion == "v1" || apiVersion == "")
	v := veil{redact: opts.Redact, more: opts.Secret, marks: opts.Marks, lists: newLister(want, opts.Shape), secretKind: secret}
	if strings.HasPrefix(apiVersion, v1alpha1.GroupHost+"/") {
		v.hostKind, _ = want["kind"].(string)
		spec, _ := want["spec"].(map[string]any)
		v.sensitive, _ = spec["sensitive"].(bool)
	}
	return v
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

var (
	secretName = regexp.MustCompile(`(?i)passw(or)?d|passphrase|(^|_)pass($|_)|(^|_)pwd($|_)|secret|token|credential|` +
		`(^|_)auth($|_)|(api|private|access|encryption|signing)[-_]?key|[-_]key$`)
	urlPassword = regexp.MustCompile(`://[^/\s@]*:[^/\s]*@`)
)

// hides says whether the value at a path is secret as a whole. parent is the map that holds it.
func (v veil) hides(path Path, value any, parent map[string]any) bool {
	if len(path) == 0 {
		return false
	}
	last := path[len(path)-1].Name
	if v.secretKind && (path[0].Name == "data" || path[0].Name == "stringData") {
		if _, isMap := value.(map[string]any); len(path) > 1 || !isMap {
			return true
		}
	}
	if v.hostKind != "" && v.hidesOnHost(path, value) {
		return true
	}
	if last == lastApplied || v.more != nil && v.more(path) || v.marks.hide(path) {
		return true
	}
	if _, isList := value.([]any); isList && v.lump && v.marks.below(path) {
		return true
	}
	return last == "value" && len(path) >= 3 && path[len(path)-3].Name == "env" &&
		secretVariable(value, parent)
}

// hidesOnHost is hides for the kinds of a host.
func (v veil) hidesOnHost(path Path, value any) bool {
	last := len(path) - 1
	switch {
	case v.hostKind == v1alpha1.KindFile:
		return v.sensitive && len(path) == 2 && slices.Contains(contentFields, path[1].Name)
	case (v.hostKind == v1alpha1.KindApp || v.hostKind == v1alpha1.KindCommand) && last > 0 &&
		slices.Contains(variableFields, path[last-1].Name):
		return secretVariable(value, map[string]any{"name": path[last].Name})
	}
	return false
}

// contentFields of a File make its content; variableFields of an App or a Command hold environment variables by name.
var (
	contentFields  = []string{"content", "contentBase64", "template"}
	variableFields = []string{"env", "values"}
)

// secretVariable says whether an environment variable is secret, by its name or by what its value looks like.
func secretVariable(value any, parent map[string]any) bool {
	name, _ := parent["name"].(string)
	return secretName.MatchString(name) || urlPassword.MatchString(KeyText(value))
}

// cover copies a value with the secrets in it redacted. The path leads to the value.
func (v veil) cover(path Path, value any) any {
	switch item := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(item))
		for name, child := range item {
			next := path.Child(Segment{Name: name})
			if v.hides(next, child, item) {
				out[name] = v.redact.Hash(child)
			} else {
				out[name] = v.cover(next, child)
			}
		}
		return out
	case []any:
		out := make([]any, len(item))
		for i, child := range item {
			next := path.Child(Segment{Name: strconv.Itoa(i)})
			if v.hides(next, child, nil) {
				out[i] = v.redact.Hash(child)
			} else {
				out[i] = v.cover(next, child)
			}
		}
		return out
	}
	return value
}

// show gives both values of a finding as JSON: redacted, and cut to what can be read. "" is absent.
func (v veil) show(f finding) (live, want string) {
	v.lump = true
	// One side may look harmless where the other does not: what hides one hides both.
	hidden := v.hides(f.path, f.want, f.parents[0]) || v.hides(f.path, f.live, f.parents[1])
	present := func(value any, there bool) (any, bool) {
		switch {
		case !there:
			return nil, false
		case hidden:
			return v.redact.Hash(value), true
		}
		return v.cover(f.path, value), true
	}
	liveValue, exists := present(f.live, f.exists)
	wantValue, wanted := present(f.want, f.wanted)
	a, b := readable(liveValue), readable(wantValue)
	start := 0
	if exists && wanted {
		start = excerpt(a, b)
	}
	if exists {
		live = shorten(liveValue, a, start)
	}
	if wanted {
		want = shorten(wantValue, b, start)
	}
	return live, want
}

// Show gives two values in the form of a Field's Old and New: as JSON, of long texts the part where they begin to differ, with
// length and hash. It hides nothing: secrets are hashed before (see Redactor).
func Show(live, want any) (before, after string) {
	a, b := readable(live), readable(want)
	start := excerpt(a, b)
	return shorten(live, a, start), shorten(want, b, start)
}

// maxValue is the longest value that is shown in full, in bytes of readable.
const maxValue = 300

// readable gives a text as it is, everything else as JSON.
func readable(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return compact(value)
}

// excerpt gives where the parts of two texts begin that are shown: of two long ones, shortly before their first difference.
func excerpt(a, b string) int {
	if len(a) > maxValue && len(b) > maxValue {
		return beforeDifference(a, b)
	}
	return 0
}

// beforeDifference gives where an excerpt of two long texts has to begin to show their first difference with the line or the
// few characters before it.
func beforeDifference(a, b string) int {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	const context = 40
	start := max(0, at-context)
	if line := strings.LastIndexByte(a[start:at], '\n'); line >= 0 {
		start += line + 1
	}
	for start > 0 && !utf8.RuneStart(a[start]) {
		start--
	}
	return start
}

// shorten gives JSON of at most some 500 bytes: a long value is a text with a part of it, its length and its hash.
func shorten(value any, text string, start int) string {
	if len(text) <= maxValue {
		return compact(value)
	}
	part := text[start:]
	before, after := "", ""
	if start > 0 {
		before = "…"
	}
	if len(part) > maxValue-100 {
		part, after = part[:maxValue-100], "…"
	}
	part = strings.ToValidUTF8(part, "")
	return compact(fmt.Sprintf("%s%s%s (%d bytes, sha256:%s)", before, part, after, len(text), state.DigestBytes([]byte(text)).Short()))
}

// compact gives JSON on one line, with < and > as they are.
func compact(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return strconv.Quote("not JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
