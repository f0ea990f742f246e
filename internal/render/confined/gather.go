package confined

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// Origin says which line of which file declares what a path leads to, in the value that a program has: keys (string) and positions (int).
// It gives "" where it does not know, and does not keep the path.
type Origin func(path []any) (file string, line int)

// Gather finds the objects in a value that is JSON: the value is one, or a list or mapping whose values are such, however deep. They come
// in the order of the lists, and of the names in mappings. A null is nothing. What has no origin, as nothing has when that is nil, comes
// from what is evaluated: at. Errors are of kind Invalid and name the path in the value.
func Gather(at string, text []byte, origin Origin) ([]Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", at, err)
	}
	g := gatherer{at: at, origin: origin}
	if err := g.walk(value); err != nil {
		return nil, err
	}
	return g.found, nil
}

type gatherer struct {
	at     string
	origin Origin
	path   []any
	found  []Object
	values int
	bytes  int64
}

func (g *gatherer) walk(value any) error {
	if len(g.path) > maxDepth {
		return g.fail(fmt.Sprintf("it is nested deeper than %d levels", maxDepth), "a value that refers to itself looks like this")
	}
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		for i, item := range v {
			if err := g.below(i, item); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		_, version := v["apiVersion"].(string)
		_, kind := v["kind"].(string)
		switch {
		case version && kind:
			return g.object(v)
		case version:
			return g.fail("the object has no kind", "give it one")
		case kind:
			return g.fail("the object has no apiVersion", "give it one")
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := g.below(key, v[key]); err != nil {
				return err
			}
		}
		return nil
	}
	return g.fail(fmt.Sprintf("want an object with apiVersion and kind, and it is %s", described(value)),
		"give an object, a list of objects, or a mapping whose values are objects; hide the rest (local or :: in Jsonnet, _name in CUE)")
}

func (g *gatherer) below(part, value any) error {
	if g.values++; g.values > maxValues {
		return g.fail(fmt.Sprintf("it has more than %d values", maxValues), hintSmaller)
	}
	g.path = append(g.path, part)
	defer func() { g.path = g.path[:len(g.path)-1] }()
	return g.walk(value)
}

// object takes one, and those of a list of Kubernetes one by one.
func (g *gatherer) object(content map[string]any) error {
	items, isList := content["items"].([]any)
	metadata, _ := content["metadata"].(map[string]any)
	if kind, _ := content["kind"].(string); isList && len(kind) >= 4 && kind[len(kind)-4:] == "List" && metadata["name"] == nil {
		return g.below("items", items)
	}
	data, err := json.Marshal(content)
	if err != nil {
		return g.fail(err.Error(), "")
	}
	g.bytes += int64(len(data))
	switch {
	case len(data) > maxObject:
		return g.fail(fmt.Sprintf("the object is longer than %d MiB", maxObject>>20), "")
	case g.bytes > DefaultLimits.ObjectBytes:
		return g.fail(fmt.Sprintf("the objects are longer than %d MiB together", DefaultLimits.ObjectBytes>>20), hintSmaller)
	case deeper(content, maxDepth):
		return g.fail(fmt.Sprintf("the object is nested deeper than %d levels", maxDepth), "")
	}
	if metadata["name"] == nil {
		named := document.Named(data, "object.json")
		if bytes.Equal(named, data) {
			return g.fail("the object has no metadata.name", "give it one: generateName is for hooks alone")
		}
		data = named
	}
	found := Object{JSON: data}
	if g.origin != nil {
		found.File, found.Line = g.origin(g.path)
	}
	found.File = cmp.Or(found.File, g.at)
	g.found = append(g.found, found)
	return nil
}

func (g *gatherer) fail(cause, hint string) error {
	return fault.New(fault.Invalid, "read", g.at, dotted(g.path)+": "+cause).WithHint(hint)
}

// dotted writes a path in a value as people read it: "web.containers[0]", and "the result" for all of it.
func dotted(path []any) string {
	if len(path) == 0 {
		return "the result"
	}
	var text bytes.Buffer
	for i, part := range path {
		switch p := part.(type) {
		case int:
			fmt.Fprintf(&text, "[%d]", p)
		default:
			if i > 0 {
				text.WriteByte('.')
			}
			fmt.Fprint(&text, p)
		}
	}
	return shortened(text.String(), 200)
}

func described(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("the text %q", shortened(v, 40))
	case bool:
		return fmt.Sprintf("%v", v)
	default:
		return fmt.Sprintf("the number %s", shortened(fmt.Sprint(v), 40))
	}
}

// deeper says whether a value is nested deeper than some levels.
func deeper(value any, levels int) bool {
	if levels < 0 {
		return true
	}
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return deeper(item, levels-1) })
	case map[string]any:
		for _, item := range v {
			if deeper(item, levels-1) {
				return true
			}
		}
	}
	return false
}
