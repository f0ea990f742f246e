package diff

import (
	"strconv"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Marks are the fields of one desired object that are secret beside those that its kind says (see state.Object.WithSecrets), as they are
// found in a comparison: items of lists by their keys or their positions. The zero value marks nothing. Immutable.
type Marks []mark

// mark is the way to one field.
type mark []step

// step is one step of it: a field by its name, or an item of a list by its position and by what it is.
type step struct {
	name string
	item any
}

// MarksOf gives those of a desired object, which may be nil.
func MarksOf(object *state.Object) Marks {
	if object == nil {
		return nil
	}
	pointers := object.Secrets()
	if len(pointers) == 0 {
		return nil
	}
	content := object.Content()
	marks := make(Marks, 0, len(pointers))
	for _, pointer := range pointers {
		marks = append(marks, markAt(content, pointer))
	}
	return marks
}

func markAt(content any, pointer string) mark {
	var way mark
	for _, name := range state.PointerNames(pointer) {
		one := step{name: name}
		switch v := content.(type) {
		case map[string]any:
			content = v[name]
		case []any:
			content = nil
			if at, err := strconv.Atoi(name); err == nil && at >= 0 && at < len(v) {
				content = v[at]
			}
			one.item = content
		default:
			content = nil
		}
		way = append(way, one)
	}
	return way
}

// is says whether a segment of a path takes this step.
func (s step) is(segment Segment) bool {
	if len(segment.Keys) == 0 {
		return segment.Name == s.name
	}
	fields, _ := s.item.(map[string]any)
	for _, key := range segment.Keys {
		value, there := fields[key.Name]
		if key.Name == "" {
			value, there = s.item, true
		}
		if there && KeyText(value) != key.Value { // what is not there is a key's default
			return false
		}
	}
	return s.item != nil
}

// meets says whether two ways are the same for as long as both go on.
func (m mark) meets(path Path) bool {
	for i := range min(len(m), len(path)) {
		if !m[i].is(path[i]) {
			return false
		}
	}
	return true
}

// hide says whether what is at a path is in a marked field.
func (m Marks) hide(path Path) bool {
	for _, one := range m {
		if len(one) <= len(path) && one.meets(path) {
			return true
		}
	}
	return false
}

// Touch says whether what is at a path holds a marked field, or is in one.
func (m Marks) Touch(path Path) bool { return m.hide(path) || m.below(path) }

// below says whether a marked field is somewhere inside of what is at a path.
func (m Marks) below(path Path) bool {
	for _, one := range m {
		if len(one) > len(path) && one.meets(path) {
			return true
		}
	}
	return false
}
