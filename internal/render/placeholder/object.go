package placeholder

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of what substitution makes, in bytes.
const (
	// MaxValue is the length of one value.
	MaxValue = 1 << 20
	// MaxObject is the length of all texts of one object.
	MaxObject = 4 << 20
)

// Object says what to put into the content of one object.
type Object struct {
	Values map[string]Value
	// Quoted says whether a text was written in quotes or as a block, by its pointer (RFC 6901); nil when that is not known.
	Quoted func(pointer string) bool
	// Most is the number of problems after which no more are looked for.
	Most int
}

// Problem is something that keeps an object from being made.
type Problem struct {
	// Pointer (RFC 6901) of the field, as it was written.
	Pointer string
	Cause   string
	Hint    string
}

// Outcome is what substitution made of an object.
type Outcome struct {
	Content map[string]any
	// Secrets are the pointers of fields that secret values went into.
	Secrets []string
	// Renamed gives the pointers as they are for those that were written otherwise, because a key in them holds a variable.
	Renamed map[string]string
	// Problems, when there are any, are all that counts.
	Problems []Problem
}

// Marked says whether an object holds what may be a variable.
func Marked(object *state.Object) bool {
	data, err := object.MarshalJSON()
	return err == nil && bytes.Contains(data, []byte(Mark))
}

// In replaces the variables in the texts and keys of an object's content, which is changed and given back.
//
// Where a text is one variable, and was not written in quotes, a value that reads like a number, a truth value or null becomes one, as if
// it had been written there. It does not where Kubernetes and Setpoint want text: in metadata, labels, selectors, data and environments.
func (o Object) In(content map[string]any) Outcome {
	w := walk{Object: o, left: MaxObject}
	made := w.mapping(content)
	w.outcome.Content = made
	return w.outcome
}

// walk goes through one object.
type walk struct {
	Object

	outcome Outcome
	left    int
	written []string // the tokens of the pointer, as they are written
	made    []string // and as they are after substitution
}

func (w *walk) full() bool { return len(w.outcome.Problems) >= w.Most }

func (w *walk) fail(cause, hint string) {
	if !w.full() {
		w.outcome.Problems = append(w.outcome.Problems, Problem{Pointer: state.Pointer(w.written...), Cause: cause, Hint: hint})
	}
}

func (w *walk) value(value any) any {
	if w.full() {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		return w.mapping(v)
	case []any:
		for i, item := range v {
			w.enter(strconv.Itoa(i), strconv.Itoa(i))
			v[i] = w.value(item)
			w.leave()
		}
	case string:
		return w.text(v)
	}
	return value
}

func (w *walk) enter(written, made string) {
	w.written, w.made = append(w.written, written), append(w.made, made)
}

func (w *walk) leave() {
	w.written, w.made = w.written[:len(w.written)-1], w.made[:len(w.made)-1]
}

// mapping goes through the keys in their order, so that problems are always told in the same.
func (w *walk) mapping(content map[string]any) map[string]any {
	out := make(map[string]any, len(content))
	for _, written := range slices.Sorted(maps.Keys(content)) {
		w.enter(written, written)
		key := w.key(written)
		w.made[len(w.made)-1] = key
		if _, twice := out[key]; twice {
			w.fail("the key "+strconv.Quote(key)+" is there twice", "give the variable in one of the keys another value")
		}
		if key != written {
			if w.outcome.Renamed == nil {
				w.outcome.Renamed = map[string]string{}
			}
			w.outcome.Renamed[state.Pointer(w.written...)] = state.Pointer(w.made...)
		}
		out[key] = w.value(content[written])
		w.leave()
	}
	return out
}

func (w *walk) key(text string) string {
	if !strings.Contains(text, Mark) {
		w.spend(len(text))
		return text
	}
	e := w.expand(text)
	if e.secret {
		w.fail("a secret value would go into a key", "keys are shown to everybody: use a value that is no secret")
	}
	return e.text
}

func (w *walk) text(text string) any {
	if !strings.Contains(text, Mark) {
		w.spend(len(text))
		return text
	}
	e := w.expand(text)
	if e.secret {
		if naming(w.made) {
			w.fail("a secret value would go into "+strings.Join(w.made, "."), "names are shown to everybody: use a value that is no secret")
		}
		w.outcome.Secrets = append(w.outcome.Secrets, state.Pointer(w.made...))
	}
	if e.whole && !textual(w.made) && (w.Quoted == nil || !w.Quoted(state.Pointer(w.written...))) {
		return scalar(e.text)
	}
	return e.text
}

// expand replaces the variables of one text, and tells what is wrong with them.
func (w *walk) expand(text string) expansion {
	e := expand(text, w.Values, w.left)
	w.spend(len(e.text))
	if e.long && w.left >= 0 {
		w.spend(w.left + 1)
	}
	if e.nested {
		w.fail("a default holds another variable", "give it a value of its own instead; in a script, write the inner one as $${NAME}")
	}
	for _, name := range e.missing {
		w.fail("the variable "+name+" has no value", "give it one in spec.substitute of the Sync, or a default: ${"+name+":=…}; "+
			"if it is part of a script, write $${"+name+"}, or leave the object alone by the annotation setpoint.dev/substitute: disabled")
	}
	return e
}

// spend counts what an object holds.
func (w *walk) spend(bytes int) {
	if w.left -= bytes; w.left < 0 && w.left+bytes >= 0 {
		w.fail(fmt.Sprintf("the object is longer than %d MiB with its values", MaxObject>>20), "use shorter values, or several objects")
	}
}

// naming says whether a field is part of what an object is called by.
func naming(tokens []string) bool {
	switch len(tokens) {
	case 1:
		return tokens[0] == "apiVersion" || tokens[0] == "kind"
	case 2:
		return tokens[0] == "metadata" && (tokens[1] == "name" || tokens[1] == "namespace" || tokens[1] == "generateName")
	}
	return false
}

// textMaps are fields whose values are texts in every kind that has them.
var textMaps = map[string]bool{
	"labels": true, "annotations": true, "selector": true, "matchLabels": true, "nodeSelector": true, "env": true,
}

// textual says whether a field holds text whatever it looks like.
func textual(tokens []string) bool {
	last := len(tokens) - 1
	if naming(tokens) || tokens[0] == "metadata" || tokens[0] == "data" || tokens[0] == "stringData" {
		return true
	}
	if last == 0 {
		return false
	}
	switch parent := tokens[last-1]; {
	case textMaps[parent], parent == "args", parent == "command":
		return true
	case tokens[last] == "value" && last >= 2:
		return tokens[last-2] == "env"
	}
	return false
}
