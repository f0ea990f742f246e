package diff

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// Options of a comparison. The zero value compares everything and shows secrets without a hash.
type Options struct {
	// Ignore are paths that are not compared, with all below them (see Path for wildcards).
	Ignore []string
	// Shape looks up the schema by a path in which the items of lists are "*": "/spec/template/spec/containers/*/ports". May be
	// nil: then well-known lists of Kubernetes' built-in kinds are associative, and all others atomic.
	Shape func(pattern string) Shape
	// Owns says whether a declared field whose value is empty (false, 0, "", {}, []) and that the actual object lacks is there
	// all the same: many systems leave out such values when they store an object. Nil: they are always equal to absence.
	// The path is valid only during the call.
	Owns func(path Path) bool
	// Redact shows secrets as short keyed hashes.
	Redact Redactor
	// Secret names further values to redact, beside those that Redactor knows. May be nil.
	Secret func(path Path) bool
	// Marks name the fields of the desired object that are marked as secret (see MarksOf).
	Marks Marks
}

// maxFields bounds the answer for one object; somebody who reads it needs no more.
const maxFields = 200

// Compare gives the declared fields that differ in live, in the order of their paths, at most 200. Fields that want does not
// mention, or mentions as null, are not differences, nor are those that the target itself sets (status, and of the metadata
// resourceVersion, uid and the like); apiVersion is not compared, because an object is the same in every version.
//
// Items of associative lists and sets are found by their keys or values, and further items of live are no difference; atomic
// lists have to be equal item by item. Numbers are compared by value, quantities (see Shape) by amount, a Secret's stringData
// and data as bytes, both under /data.
func Compare(want, live map[string]any, opts Options) []Field {
	w := &walk{
		opts:  opts,
		lists: newLister(want, opts.Shape),
		veil:  newVeil(want, opts),
	}
	// Siblings share the path's memory: it is copied where something is found, which is seldom.
	w.fields(place{path: make(Path, 0, 32), rules: parseRules(opts.Ignore)}, declared(want, w.veil.secretKind), live)
	slices.SortStableFunc(w.found, func(a, b finding) int { return strings.Compare(a.text, b.text) })
	if len(w.found) > maxFields {
		w.found = w.found[:maxFields]
	}
	fields := make([]Field, 0, len(w.found))
	for _, f := range w.found {
		before, after := w.veil.show(f)
		fields = append(fields, Field{Path: f.text, Old: before, New: after})
	}
	return fields
}

// serverFields are set by the target, whatever is declared.
var serverFields = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion",
	"selfLink", "uid",
}

// declared gives the part of a desired object that can be compared, without changing the object.
func declared(want map[string]any, secret bool) map[string]any {
	out := maps.Clone(want)
	delete(out, "apiVersion")
	delete(out, "kind")
	delete(out, "status")
	if metadata, ok := out["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		for _, name := range serverFields {
			delete(metadata, name)
		}
		out["metadata"] = metadata
	}
	plain, ok := out["stringData"].(map[string]any)
	if !secret || !ok {
		return out
	}
	delete(out, "stringData")
	data, _ := out["data"].(map[string]any)
	data = maps.Clone(data)
	if data == nil {
		data = make(map[string]any, len(plain))
	}
	for name, value := range plain {
		data[name] = value // not a string: shown as it is, and refused by the server
		if text, isText := value.(string); isText {
			data[name] = base64.StdEncoding.EncodeToString([]byte(text))
		}
	}
	out["data"] = data
	return out
}

// walk gathers the differences of one object.
type walk struct {
	opts  Options
	lists lister
	veil  veil
	found []finding
}

// finding is one difference, before its values are made presentable.
type finding struct {
	path           Path
	text           string
	want, live     any
	wanted, exists bool
	parents        [2]map[string]any // as of place
}

func (w *walk) add(at place, want, live any, exists bool) {
	w.found = append(w.found, finding{
		path: slices.Clone(at.path), text: at.path.String(), want: want, live: live, wanted: true, exists: exists, parents: at.parents,
	})
}

func (w *walk) fields(at place, want, live map[string]any) {
	for name, value := range want {
		below, all := at.rules.field(name)
		if all {
			continue
		}
		actual, exists := live[name]
		next := place{path: append(at.path, Segment{Name: name}), rules: below, parents: [2]map[string]any{want, live}}
		w.value(next, value, actual, exists)
	}
}

func (w *walk) value(at place, want, live any, exists bool) {
	if want == nil {
		return
	}
	if !exists || live == nil {
		w.absent(at, want, exists)
		return
	}
	switch v := want.(type) {
	case map[string]any:
		actual, ok := live.(map[string]any)
		if !ok {
			w.add(at, want, live, true)
			return
		}
		w.fields(at, v, actual)
		w.closed(at, v, actual)
	case []any:
		actual, ok := live.([]any)
		if !ok {
			w.add(at, want, live, true)
			return
		}
		w.list(at, v, actual)
	default:
		if !w.same(at.path, want, live) {
			w.add(at, want, live, true)
		}
	}
}

// absent is value for a declared field that live lacks.
func (w *walk) absent(at place, want any, exists bool) {
	if isZero(want) && (w.opts.Owns == nil || w.opts.Owns(at.path)) {
		return
	}
	if fields, isMap := want.(map[string]any); isMap && len(at.rules) > 0 && !isEmpty(want) {
		w.fields(at, fields, nil) // some of it is ignored, so each field is looked at by itself
		return
	}
	w.add(at, want, nil, exists)
}

// closed finds what only live has in a map that is replaced as a whole.
func (w *walk) closed(at place, want, live map[string]any) {
	if w.opts.Shape == nil || !w.lists.shape(at.path, want).Closed {
		return
	}
	for name, actual := range live {
		if _, known := want[name]; known || isZero(actual) {
			continue
		}
		if _, all := at.rules.field(name); !all {
			path := at.path.Child(Segment{Name: name})
			w.found = append(w.found, finding{
				path: path, text: path.String(), live: actual, exists: true, parents: [2]map[string]any{want, live},
			})
		}
	}
}

func (w *walk) list(at place, want, live []any) {
	pairs, paired := w.lists.pair(at.path, want, live)
	if !paired && len(want) != len(live) {
		w.add(at, want, live, true)
		return
	}
	for i, pair := range pairs {
		below, all := at.rules.item(i, pair.want, pair.live)
		if all {
			continue
		}
		next := place{path: append(at.path, pair.segment), rules: below}
		fields, isMap := pair.want.(map[string]any)
		switch {
		case !pair.there && isMap && len(below) > 0:
			w.fields(next, fields, nil)
		case !pair.there, pair.want == nil && pair.live != nil:
			// An item is there or not, even an empty one, and a null one is a value, not a field left open.
			w.add(next, pair.want, pair.live, pair.there)
		default:
			w.value(next, pair.want, pair.live, pair.there)
		}
	}
}

// same compares two values of which the desired one is neither a map nor a list.
func (w *walk) same(path Path, want, live any) bool {
	if want == live && isPlain(live) {
		return true
	}
	if !isPlain(live) {
		return false
	}
	quantity := quantityPath(path)
	if w.opts.Shape != nil && !quantity {
		quantity = w.lists.shape(path, want).Quantity
	}
	if equalScalars(want, live, quantity) {
		return true
	}
	return w.veil.secretKind && len(path) == 2 && path[0].Name == "data" && equalBytes(want, live)
}

// isPlain says whether a value can be compared with ==: maps and lists cannot.
func isPlain(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}
