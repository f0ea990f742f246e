package v1alpha1

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Lines gives the line on which the field at a JSON pointer is written, 0 when that is not known.
type Lines func(pointer string) int

// DecodeSync makes a Sync of an object, strictly: an unknown field, a wrong type or a value that means nothing is an error.
// Defaults are filled in. The error joins faults of kind Invalid, one for each thing that is wrong, with the place where the
// object was declared. Objects that were rendered have passed Check, which knows the line of every field.
func DecodeSync(object *state.Object) (*Sync, error) { return decode[Sync](object, kindSync, nil) }

// DecodeSource makes a Source of an object; see DecodeSync.
func DecodeSource(object *state.Object) (*Source, error) {
	return decode[Source](object, kindSource, nil)
}

// DecodePolicy makes a Policy of an object; see DecodeSync.
func DecodePolicy(object *state.Object) (*Policy, error) {
	return decode[Policy](object, kindPolicy, nil)
}

// DecodeFile makes a File of an object; see DecodeSync.
func DecodeFile(object *state.Object) (*File, error) { return decode[File](object, kindFile, nil) }

// DecodeDirectory makes a Directory of an object; see DecodeSync.
func DecodeDirectory(object *state.Object) (*Directory, error) {
	return decode[Directory](object, kindDirectory, nil)
}

// DecodeLink makes a Link of an object; see DecodeSync.
func DecodeLink(object *state.Object) (*Link, error) { return decode[Link](object, kindLink, nil) }

// DecodeApp makes an App of an object; see DecodeSync.
func DecodeApp(object *state.Object) (*App, error) { return decode[App](object, kindApp, nil) }

// Check says what is wrong with an object: with Setpoint's annotations on one of any kind, and with everything in one of
// Setpoint's own kinds. Errors are those of DecodeSync, with the lines that lines knows (it may be nil); nil when nothing is.
func Check(object *state.Object, lines Lines) error {
	err := checkAnnotations(object, lines)
	if group := object.ID().Group; group == Group || group == GroupHost {
		err = errors.Join(err, checkKind(object, lines))
	}
	return err
}

func checkKind(object *state.Object, lines Lines) error {
	id := object.ID()
	var others []string
	for _, known := range described {
		if known.group != id.Group {
			continue
		}
		if known.kind == id.Kind {
			return known.check(object, lines)
		}
		others = append(others, known.kind)
	}
	wrong := violation{"/kind", fmt.Sprintf("%s has no kind %q", id.Group, id.Kind), "its kinds are " + listed(others)}
	return wrong.at(object, lines)
}

// listed gives "a, b and c", of two words or more.
func listed(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// declared is a kind that users write.
type declared[T any] interface {
	*T
	Default()
	violations() []violation
}

// decode takes what has the right shape, so that values can be checked even where a neighbour is wrong, and reports the rest.
func decode[T any, P declared[T]](object *state.Object, kind groupKind, lines Lines) (*T, error) {
	walk := walker{flat: flatNames[kind.group]}
	var into T
	wrong := checkType(object, kind)
	shaped, _ := walk.shape(reflect.TypeFor[T](), object.Content(), "")
	wrong = append(wrong, walk.violations...)
	data, err := json.Marshal(shaped)
	if err == nil {
		err = json.Unmarshal(data, &into)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "decode", place(object, nil, ""), err)
	}
	P(&into).Default()
	for _, v := range P(&into).violations() {
		if !slices.ContainsFunc(wrong, v.follows) {
			wrong = append(wrong, v)
		}
	}
	if len(wrong) > 0 {
		return nil, joined(wrong, object, lines)
	}
	return &into, nil
}

func checkType(object *state.Object, want groupKind) []violation {
	switch {
	case object.Kind() != want.kind:
		return []violation{{"/kind", fmt.Sprintf("is %q, not %q", object.Kind(), want.kind), ""}}
	case object.APIVersion() != want.apiVersion():
		return []violation{{"/apiVersion", fmt.Sprintf("%q is not known", object.APIVersion()), "write " + want.apiVersion()}}
	}
	return nil
}

// joined gives the violations in the order of their lines.
func joined(wrong []violation, object *state.Object, lines Lines) error {
	if lines != nil {
		slices.SortStableFunc(wrong, func(a, b violation) int { return cmp.Compare(lines(a.pointer), lines(b.pointer)) })
	}
	errs := make([]error, len(wrong))
	for i, v := range wrong {
		errs[i] = v.at(object, lines)
	}
	return errors.Join(errs...)
}

// violation is one thing that is wrong with one field.
type violation struct {
	pointer string // RFC 6901
	message string
	hint    string
}

// follows says whether the violation is but a consequence of another: the same field, or one above or below it.
func (v violation) follows(other violation) bool {
	return v.pointer == other.pointer || strings.HasPrefix(v.pointer, other.pointer+"/") ||
		strings.HasPrefix(other.pointer, v.pointer+"/")
}

// at makes it an error of an object.
func (v violation) at(object *state.Object, lines Lines) error {
	cause := v.message
	if field := dotted(v.pointer); field != "" {
		cause = field + ": " + v.message
	}
	return fault.New(fault.Invalid, "decode", place(object, lines, v.pointer), cause).WithHint(v.hint)
}

// place gives "file:line" of a field, or the object's ID when nobody knows where it was declared.
func place(object *state.Object, lines Lines, pointer string) string {
	origin := object.Origin()
	if lines != nil {
		origin.Line = lines(pointer)
	}
	if at := origin.String(); at != "" {
		return at
	}
	return object.ID().String()
}

// dotted writes a JSON pointer as people do: "spec.dependsOn[0].kind".
func dotted(pointer string) string {
	var b strings.Builder
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = unescape.Replace(token)
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)
