package explain

import (
	"context"
	"slices"
	"strconv"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxValues bounds the values that are tried, of which those that are given come first.
const maxValues = 500

// perturbation finds out what each value of a chart does: it renders with another one, and looks what changes.
type perturbation struct {
	chart  *chart
	values []given
	merged map[string]any
	// restless are fields that change with whatever changes: those that say all values, or the time.
	restless effect
}

// probing is a value that no chart knows.
const probing = "setpointExplains"

func (p *perturbation) all(ctx context.Context) []effect {
	if others := p.with(ctx, "nothing", nil, "x"); others != nil {
		p.restless = p.compare(others)
	}
	var effects []effect
	for i, one := range p.ordered() {
		if i == maxValues {
			p.chart.x.again.spent = true
			break
		}
		for _, other := range alternatives(one.value) {
			others := p.with(ctx, dotted(one.pointer), state.PointerNames(one.pointer), other)
			if others == nil {
				continue
			}
			found := p.compare(others)
			if len(found.fields)+len(found.gone) > 0 {
				found.value = p.place(one.pointer)
				effects = append(effects, found)
			}
			break
		}
	}
	return effects
}

// ordered gives the values, those of the latest layer first, as they are the likeliest to be asked for.
func (p *perturbation) ordered() []leaf {
	all := leavesOf(p.merged)
	rank := map[string]int{}
	for _, one := range all {
		rank[one.pointer] = p.layerOf(one.pointer)
	}
	slices.SortStableFunc(all, func(a, b leaf) int { return rank[b.pointer] - rank[a.pointer] })
	return slices.DeleteFunc(all, func(one leaf) bool { return one.pointer == "" })
}

// with renders with one value changed; nil when that cannot be.
func (p *perturbation) with(ctx context.Context, what string, path []string, value any) []*made {
	if path == nil {
		path = []string{probing}
	}
	values := set(p.chart.how.Values, p.merged, path, value)
	return p.chart.x.again.try(ctx, "value "+what, p.chart.request(values))
}

// set puts a value into a copy of values. Lists are replaced as a whole when values are merged: so one that the path leads into is taken
// from the merged values.
func set(values, merged map[string]any, path []string, value any) map[string]any {
	out := copied(values)
	name := path[0]
	switch below := merged[name].(type) {
	case map[string]any:
		if len(path) > 1 {
			mine, _ := out[name].(map[string]any)
			out[name] = set(mine, below, path[1:], value)
			return out
		}
	case []any:
		if len(path) > 1 {
			list, _ := state.DeepCopy(below).([]any)
			out[name] = setIn(list, path[1:], value)
			return out
		}
	}
	out[name] = value
	return out
}

// setIn puts a value into what is below a list, in place.
func setIn(into any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	switch v := into.(type) {
	case map[string]any:
		v[path[0]] = setIn(v[path[0]], path[1:], value)
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(v) {
			v[i] = setIn(v[i], path[1:], value)
		}
	}
	return into
}

// alternatives are other values, of which the first is taken that a chart can be rendered with.
func alternatives(value any) []any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return []any{"x", "1"}
		}
		return []any{v + "x", v + "1", ""}
	case bool:
		return []any{!v}
	case int64:
		return []any{v + 1, v - 1}
	case float64:
		return []any{v + 1, v - 1}
	case map[string]any:
		return []any{map[string]any{"x": "x"}}
	case []any:
		return []any{[]any{map[string]any{"name": "x"}}, []any{"x"}}
	}
	return []any{"x", true, int64(1)}
}

// compare says what of the chart's objects is another in a render.
func (p *perturbation) compare(others []*made) effect {
	found := effect{gone: map[*made]bool{}, fields: map[*made]map[string]bool{}}
	for _, object := range p.chart.made {
		other, there := counterpart(object, p.chart.made, others)
		if !there {
			found.gone[object] = true
			continue
		}
		for _, one := range object.leaves {
			if !object.keeps(other, one) && !p.restless.fields[object][one.path] {
				if found.fields[object] == nil {
					found.fields[object] = map[string]bool{}
				}
				found.fields[object][one.path] = true
			}
		}
	}
	return found
}

// layerOf gives the last place that says something of a value; -1 when none does.
func (p *perturbation) layerOf(pointer string) int {
	for i, one := range slices.Backward(p.values) {
		if says(one.values, state.PointerNames(pointer)) {
			return i
		}
	}
	return -1
}

// says whether values say something of what is at a path, which is all that is below a list.
func says(values any, path []string) bool {
	for _, name := range path {
		fields, ok := values.(map[string]any)
		if !ok {
			_, list := values.([]any)
			return list
		}
		if values, ok = fields[name]; !ok {
			return false
		}
	}
	return true
}

func (p *perturbation) place(pointer string) Place {
	i := p.layerOf(pointer)
	if i < 0 {
		return Place{Kind: Value, Detail: dotted(pointer)}
	}
	return p.values[i].place(pointer)
}
