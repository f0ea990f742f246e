package explain

import (
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// hit is the place in a patch that says something of a field.
type hit struct {
	Place
	exact  bool     // it says the field's very value
	target state.ID // that the patch names, if it names one
}

// text is the content of a patch.
type text struct {
	file  string
	data  []byte
	shift int // lines of the file before it; -1 when they are not known
	line  int // of what names it
}

// patch finds the place in a patch that says most exactly something of the field.
func (s spot) patch(one item) hit {
	t := s.patchText(one)
	best := hit{Place: s.layer.x.place(Patch, t.file, t.line, "")}
	trees, err := document.Parse(t.data, t.file)
	if err != nil {
		return best
	}
	depth := -1
	for _, tree := range trees {
		found, at := s.merge(tree)
		if operations, ok := tree.Value.([]any); ok {
			found, at = s.operations(tree, operations)
		}
		if at <= depth {
			continue
		}
		depth = at
		line := t.line
		if t.shift >= 0 {
			line = found.Line + t.shift
		}
		best = hit{s.layer.x.place(Patch, t.file, line, ""), found.exact, found.target}
	}
	return best
}

// patchText reads a patch: from its own file, or from the kustomization.
func (s spot) patchText(one item) text {
	pointer, k := one.pointer(), one.of
	inline, _ := one.value().(string)
	name := inline
	if fields, ok := one.value().(map[string]any); ok {
		inline, _ = fields["patch"].(string)
		name, _ = fields["path"].(string)
		if name == "" {
			pointer += "/patch"
		}
	}
	if name != "" && !strings.Contains(name, "\n") {
		file := path.Join(k.dir, name)
		data, err := s.layer.x.cfg.Files.ReadFile(file)
		if err == nil {
			return text{file: file, data: data}
		}
	}
	line := k.tree.Line(pointer)
	return text{file: k.file, data: []byte(inline), line: line, shift: s.shift(k, inline, line)}
}

// shift gives how many lines of the kustomization come before a patch that is written as a block in it; -1 when it is written in another
// way.
func (s spot) shift(k *kustomization, inline string, line int) int {
	data, err := s.layer.x.cfg.Files.ReadFile(k.file)
	if err != nil {
		return -1
	}
	lines := strings.Split(string(data), "\n")
	for i, want := range strings.Split(strings.TrimRight(inline, "\n"), "\n") {
		if line+i >= len(lines) || strings.TrimSpace(lines[line+i]) != strings.TrimSpace(want) {
			return -1
		}
	}
	return line
}

// merge looks into a strategic merge patch; depth says how near to the field it has got, -1 when the patch is of another object.
func (s spot) merge(tree document.Tree) (hit, int) {
	fields, ok := tree.Value.(map[string]any)
	if !ok {
		return hit{}, -1
	}
	id := state.NewObject(fields, state.Origin{}).ID()
	if id.Kind != "" && id.Kind != s.object.object.Kind() || id.Name != "" && !strings.Contains(s.object.object.ID().Name, id.Name) {
		return hit{Place: Place{Line: tree.Line("")}}, 0 // by its target it may be of this one all the same
	}
	best, depth := hit{Place: Place{Line: tree.Line("")}, target: id}, 1
	for _, one := range leavesOf(tree.Value) {
		at := 1 + common(one.path, s.field.path)
		if at <= depth {
			continue
		}
		depth = at
		pointer := state.Pointer(state.PointerNames(one.pointer)[:at-1]...)
		exact := one.path == s.field.path && reflect.DeepEqual(one.value, s.field.value)
		best = hit{Place{Line: tree.Line(pointer)}, exact, id}
	}
	return best, depth
}

// common counts the steps that two paths have in common.
func common(a, b string) int {
	left, right := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(left) && n < len(right) && left[n] == right[n] {
		n++
	}
	return n - 1 // before the first /
}

// operations looks into a JSON patch: the last operation that leads to the field.
func (s spot) operations(tree document.Tree, operations []any) (hit, int) {
	best, depth := hit{Place: Place{Line: tree.Line("")}}, 0
	if len(operations) == 1 {
		best.Line = tree.Line("/0")
	}
	field := state.PointerNames(s.field.pointer)
	for i, one := range operations {
		fields, _ := one.(map[string]any)
		at, _ := fields["path"].(string)
		if steps := state.PointerNames("/" + strings.TrimPrefix(at, "/")); leads(steps, field) && len(steps) >= depth {
			best, depth = hit{Place: Place{Line: tree.Line("/" + strconv.Itoa(i))}}, len(steps)
		}
	}
	return best, depth
}

// leads says whether a path of a JSON patch leads to a field or to what holds it; "-" is any item of a list.
func leads(steps, field []string) bool {
	if len(steps) > len(field) {
		return false
	}
	for i, step := range steps {
		_, err := strconv.Atoi(field[i])
		if step != field[i] && (step != "-" || err != nil) {
			return false
		}
	}
	return true
}
