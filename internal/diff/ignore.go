package diff

import (
	"strconv"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// rules are the ends of ignored paths that are still ahead at some place of an object.
type rules []Path

// parseRules reads ignored paths. What cannot be read is left out: whoever takes paths from users checks them with ParsePath.
func parseRules(paths []string) rules {
	var out rules
	for _, text := range paths {
		if path, err := ParsePath(text); err == nil && len(path) > 0 {
			out = append(out, path)
		}
	}
	return out
}

// field gives the rules that go on below a field of an object; all says that the field is ignored as a whole.
func (r rules) field(name string) (below rules, all bool) {
	for _, path := range r {
		if len(path[0].Keys) > 0 || path[0].Name != wildcard && path[0].Name != name {
			continue
		}
		if len(path) == 1 {
			return nil, true
		}
		below = append(below, path[1:])
	}
	return below, false
}

// item is field for an item of a list, which is named by its position in want, or by fields of either of its two values.
func (r rules) item(index int, want, live any) (below rules, all bool) {
	for _, path := range r {
		head := path[0]
		matches := head.Name == wildcard || head.Name == strconv.Itoa(index)
		if len(head.Keys) > 0 {
			matches = hasKeys(want, head.Keys) || hasKeys(live, head.Keys)
		}
		if !matches {
			continue
		}
		if len(path) == 1 {
			return nil, true
		}
		below = append(below, path[1:])
	}
	return below, false
}

// hasKeys says whether an item of a list has all of the keys.
func hasKeys(item any, keys []Key) bool {
	fields, isMap := item.(map[string]any)
	for _, key := range keys {
		if key.Name == "" {
			if isMap || KeyText(item) != key.Value {
				return false
			}
			continue
		}
		value, found := fields[key.Name]
		if !found || KeyText(value) != key.Value {
			return false
		}
	}
	return true
}

// Merge gives a copy of want with the values that live has at the ignored paths (opts.Ignore; opts.Shape tells lists apart), so
// that writing it changes nothing there. Fields that want does not declare are not added; declared ones that live lacks are
// left out. Without a live object (nil) the copy is want as declared: somebody has to set the first value.
func Merge(want, live map[string]any, opts Options) map[string]any {
	out := state.DeepCopy(want).(map[string]any)
	ignored := parseRules(opts.Ignore)
	if live == nil || len(ignored) == 0 {
		return out
	}
	m := merger{lists: newLister(want, opts.Shape)}
	m.fields(place{rules: ignored}, out, live)
	return out
}

// place is where a walk is: the path so far and the rules still ahead.
type place struct {
	path  Path
	rules rules
	// parents are the maps of want and live that hold the value, where it is a field.
	parents [2]map[string]any
}

type merger struct{ lists lister }

func (m merger) fields(at place, out, live map[string]any) {
	for name, value := range out {
		below, all := at.rules.field(name)
		next := place{path: at.path.Child(Segment{Name: name}), rules: below}
		actual, there := live[name]
		switch {
		case all && !there:
			delete(out, name)
		case all:
			out[name] = m.overlay(next.path, value, actual)
		case len(below) > 0:
			out[name] = m.value(next, value, actual)
		}
	}
}

// value goes down into containers; a container that live lacks counts as empty, so that what is ignored in it is left out.
func (m merger) value(at place, out, live any) any {
	switch v := out.(type) {
	case map[string]any:
		actual, _ := live.(map[string]any)
		m.fields(at, v, actual)
	case []any:
		actual, _ := live.([]any)
		return m.list(at, v, actual)
	}
	return out
}

func (m merger) list(at place, out, live []any) []any {
	pairs, paired := m.lists.pair(at.path, out, live)
	if !paired && len(out) != len(live) {
		return out // it is replaced as a whole, and its positions mean nothing
	}
	kept := make([]any, 0, len(out))
	for i, pair := range pairs {
		below, all := at.rules.item(i, pair.want, pair.live)
		next := place{path: at.path.Child(pair.segment), rules: below}
		switch {
		case all && pair.there:
			kept = append(kept, m.overlay(next.path, pair.want, pair.live))
		case all:
		case len(below) > 0:
			kept = append(kept, m.value(next, pair.want, pair.live))
		default:
			kept = append(kept, pair.want)
		}
	}
	return kept
}

// overlay gives live's values for the parts that want declares.
func (m merger) overlay(path Path, want, live any) any {
	switch w := want.(type) {
	case map[string]any:
		actual, ok := live.(map[string]any)
		if !ok {
			break
		}
		out := make(map[string]any, len(w))
		for name, value := range w {
			if item, there := actual[name]; there {
				out[name] = m.overlay(path.Child(Segment{Name: name}), value, item)
			}
		}
		return out
	case []any:
		actual, ok := live.([]any)
		if !ok || m.lists.shape(path, w).List != ListAssociative {
			break
		}
		pairs, paired := m.lists.pair(path, w, actual)
		if !paired {
			break
		}
		out := make([]any, 0, len(w))
		for _, pair := range pairs {
			if pair.there {
				out = append(out, m.overlay(path.Child(pair.segment), pair.want, pair.live))
			}
		}
		return out
	}
	return state.DeepCopy(live)
}
