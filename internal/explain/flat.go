package explain

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// leaf is a field that holds no others: a scalar, or an empty mapping or list.
type leaf struct {
	pointer string // RFC 6901
	// path is the pointer with the items of lists named by a key where all have one, so that it stays true when items are added.
	path  string
	value any
}

// last gives the name of the field, or the number of the item; "" for everything.
func (l leaf) last() string {
	names := append([]string{""}, state.PointerNames(l.pointer)...)
	return names[len(names)-1]
}

// Field is one of an object that holds no others: a scalar, or an empty mapping or list.
type Field struct {
	Pointer string // RFC 6901
	Value   any
}

// Fields takes the content of an object apart, sorted by their names.
func Fields(content map[string]any) []Field {
	leaves := leavesOf(content)
	fields := make([]Field, len(leaves))
	for i, one := range leaves {
		fields[i] = Field{one.pointer, one.value}
	}
	return fields
}

// made is an object with its fields.
type made struct {
	object *state.Object
	doc    *document.Document // nil when it is not as a file has it

	leaves   []leaf
	paths    map[string]int
	pointers map[string]int
	lengths  map[string]int // of lists, by their pointers
}

func flatten(object *state.Object) *made {
	m := &made{object: object, lengths: map[string]int{}}
	m.leaves = walkLeaves(object.Content(), func(pointer string, items []any) { m.lengths[pointer] = len(items) })
	m.paths, m.pointers = make(map[string]int, len(m.leaves)), make(map[string]int, len(m.leaves))
	for i, one := range m.leaves {
		m.paths[one.path], m.pointers[one.pointer] = i, i
	}
	return m
}

// get gives the field at a path.
func (m *made) get(path string) (leaf, bool) {
	i, ok := m.paths[path]
	if !ok {
		return leaf{}, false
	}
	return m.leaves[i], true
}

// at gives the field at a pointer.
func (m *made) at(pointer string) (leaf, bool) {
	i, ok := m.pointers[pointer]
	if !ok {
		return leaf{}, false
	}
	return m.leaves[i], true
}

// same says whether two objects have the same value at a path.
func (m *made) same(other *made, path string) bool {
	mine, here := m.get(path)
	theirs, there := other.get(path)
	return here && there && reflect.DeepEqual(mine.value, theirs.value)
}

// keeps says whether another render of the object has the same value in a field: at its path; or where the item of a list that it is in is
// called otherwise there, at its place, as long as there are as many items.
func (m *made) keeps(other *made, field leaf) bool {
	if _, there := other.get(field.path); there {
		return m.same(other, field.path)
	}
	value, there := other.at(field.pointer)
	if !there || !reflect.DeepEqual(value.value, field.value) {
		return false
	}
	for end := len(field.pointer); end > 0; end = strings.LastIndexByte(field.pointer[:end], '/') {
		if m.lengths[field.pointer[:end]] != other.lengths[field.pointer[:end]] {
			return false
		}
	}
	return true
}

// leavesOf takes JSON-shaped data apart.
func leavesOf(content any) []leaf { return walkLeaves(content, func(string, []any) {}) }

// walkLeaves does so, and shows each list on the way.
func walkLeaves(content any, list func(pointer string, items []any)) []leaf {
	var all []leaf
	var walk func(pointer, path string, value any)
	walk = func(pointer, path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				token := state.Pointer(name)
				walk(pointer+token, path+token, v[name])
			}
			if len(v) > 0 {
				return
			}
		case []any:
			list(pointer, v)
			for i, name := range itemNames(v) {
				walk(pointer+"/"+strconv.Itoa(i), path+"/"+name, v[i])
			}
			if len(v) > 0 {
				return
			}
		}
		all = append(all, leaf{pointer: pointer, path: path, value: value})
	}
	walk("", "", content)
	return all
}

// itemNames gives names to the items of a list: texts by themselves, mappings by a key, or all by their numbers, where neither tells them
// apart.
func itemNames(items []any) []string {
	key := keyOf(items)
	names := make([]string, len(items))
	seen := map[string]bool{}
	for i, item := range items {
		text := scalar(item)
		if fields, ok := item.(map[string]any); ok {
			text = scalar(fields[key])
		}
		names[i] = "[" + key + "=" + state.Pointer(text)[1:] + "]"
		seen[text] = text != ""
	}
	if len(seen) == len(items) && !slices.Contains(slices.Collect(maps.Values(seen)), false) {
		return names
	}
	for i := range items {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// keys are fields by which the items of a list are told apart, in the order in which they are tried.
var keys = []string{"name", "mountPath", "containerPort", "port", "key", "host", "path", "ip", "id"}

// keyOf gives the field that tells all items of a list apart; "" when there is none.
func keyOf(items []any) string {
	for _, key := range keys {
		seen := map[string]bool{}
		for _, item := range items {
			fields, _ := item.(map[string]any)
			if text := scalar(fields[key]); text != "" {
				seen[text] = true
			}
		}
		if len(seen) == len(items) {
			return key
		}
	}
	return ""
}

// scalar gives a text or number as text, and "" for everything else.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}
