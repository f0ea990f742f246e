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

// made is an object with its fields.
type made struct {
	object *state.Object
	doc    *document.Document // nil when it is not as a file has it

	leaves   []leaf
	paths    map[string]int
	pointers map[string]int
}

func flatten(object *state.Object) *made {
	m := &made{object: object}
	m.fill(object.Content())
	return m
}

func (m *made) fill(content any) {
	m.leaves = leavesOf(content)
	m.paths, m.pointers = make(map[string]int, len(m.leaves)), make(map[string]int, len(m.leaves))
	for i, one := range m.leaves {
		m.paths[one.path], m.pointers[one.pointer] = i, i
	}
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

// leavesOf takes JSON-shaped data apart.
func leavesOf(content any) []leaf {
	var all []leaf
	var walk func(pointer, path string, value any)
	walk = func(pointer, path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				token := "/" + escapes.Replace(name)
				walk(pointer+token, path+token, v[name])
			}
			if len(v) > 0 {
				return
			}
		case []any:
			key := keyOf(v)
			for i, item := range v {
				token := "/" + strconv.Itoa(i)
				named := token
				if key != "" {
					named = "/[" + key + "=" + escapes.Replace(scalar(item.(map[string]any)[key])) + "]"
				}
				walk(pointer+token, path+named, item)
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

var (
	escapes   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

// tokens takes a pointer apart.
func tokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(pointer[1:], "/")
	for i := range parts {
		parts[i] = unescapes.Replace(parts[i])
	}
	return parts
}

// pointerOf puts one together.
func pointerOf(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteByte('/')
		b.WriteString(escapes.Replace(token))
	}
	return b.String()
}
