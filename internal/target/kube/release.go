package kube

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/diff"
)

// task gives a desired object of the comparison as what would be applied.
func (c *comparison) task(w *wanted) task {
	return task{owner: c.owner, wanted: w, ignore: c.ignored(w)}
}

// body gives what is sent. At ignored paths it has the values of the actual object, so that the apply neither changes nor drops
// them; those that belong to others by now are left out, so that we do not hold on to them, and do not write a value back that
// its owner has changed since we saw it. Without an actual object everything is as declared: somebody has to set the first value.
func (t *Target) body(ctx context.Context, one task, l *live) ([]byte, error) {
	content := t.applied(one.wanted, one.owner)
	if len(one.ignore) > 0 && l != nil {
		actual := l.object()
		options := diff.Options{Ignore: one.ignore, Shape: t.cluster.schemas.shapes(ctx, one.wanted.resource.gvk())}
		content = diff.Merge(content, actual, options)
		r := releaser{ours: l.owners.applied(t.cluster.cfg.FieldManager), shape: options.Shape}
		for _, text := range one.ignore {
			if path, err := diff.ParsePath(text); err == nil && len(path) > 0 {
				r.release(content, actual, path)
			}
		}
	}
	return json.Marshal(content)
}

// applied gives the fields that a manager owns by apply.
func (o ownership) applied(manager string) []diff.Path {
	var paths []diff.Path
	for _, c := range o {
		if c.isApply(manager) {
			c.eachPath(func(path diff.Path) { paths = append(paths, path) })
		}
	}
	return paths
}

// releaser takes out of what is applied the ignored values that are there but not ours any more: applying even the same value
// would make us own it again, and its owner's next apply a conflict. Leaving out what is ours would delete it.
type releaser struct {
	ours  []diff.Path
	shape func(pattern string) diff.Shape
}

// release goes down a path in what is applied and in the actual object. The actual value stays where the path has a wildcard or a
// position, or leads into a map that is written as a whole.
func (r releaser) release(content, actual map[string]any, path diff.Path) {
	in, from := any(content), any(actual)
	for i, segment := range path {
		last := i == len(path)-1
		if i > 0 && r.shape != nil && r.shape(patternOf(path[:i])).Closed {
			return
		}
		if len(segment.Keys) > 0 {
			items, _ := in.([]any)
			others, _ := from.([]any)
			at, there := indexOf(items, segment.Keys), indexOf(others, segment.Keys)
			if at < 0 || there < 0 {
				return
			}
			in, from = items[at], others[there]
			if last {
				r.dropFields(in, from, path)
			}
			continue
		}
		fields, _ := in.(map[string]any)
		others, _ := from.(map[string]any)
		if last {
			r.drop(fields, others, path)
			return
		}
		in, from = fields[segment.Name], others[segment.Name]
	}
}

// drop takes out the field that a path ends with, or what of it is not ours.
func (r releaser) drop(fields, others map[string]any, path diff.Path) {
	name := path[len(path)-1].Name
	value, declared := fields[name]
	actual, there := others[name]
	if !declared || !there {
		return
	}
	itself, below := r.owned(path)
	if !itself && !below {
		delete(fields, name)
		return
	}
	if below { // else it is a value that is ours, be it a map that is written as a whole
		r.dropFields(value, actual, path)
	}
}

// dropFields takes out the fields of a map, or of a list's item but for its keys, that are not ours.
func (r releaser) dropFields(value, actual any, path diff.Path) {
	fields, _ := value.(map[string]any)
	others, _ := actual.(map[string]any)
	for name := range fields {
		isKey := slices.ContainsFunc(path[len(path)-1].Keys, func(key diff.Key) bool { return key.Name == name })
		if !isKey {
			r.drop(fields, others, path.Child(diff.Segment{Name: name}))
		}
	}
}

// owned says whether a field is ours, and whether something in it is.
func (r releaser) owned(path diff.Path) (itself, below bool) {
	for _, ours := range r.ours {
		if within(ours, path) {
			itself = itself || len(ours) == len(path)
			below = below || len(ours) > len(path)
		}
	}
	return itself, below
}

// patternOf writes a path with every item of a list as "*", as schemas are asked.
func patternOf(path diff.Path) string {
	pattern := slices.Clone(path)
	for i, segment := range pattern {
		if len(segment.Keys) > 0 {
			pattern[i] = diff.Segment{Name: "*"}
		}
	}
	return pattern.String()
}

// indexOf finds the item of a list that has the keys, -1 when there is none. A declared item may leave keys out that the server
// fills in, but not all of them.
func indexOf(items []any, keys []diff.Key) int {
	return slices.IndexFunc(items, func(item any) bool {
		fields, _ := item.(map[string]any)
		found := false
		for _, key := range keys {
			value, has := fields[key.Name]
			if has && diff.KeyText(value) != key.Value {
				return false
			}
			found = found || has
		}
		return found
	})
}

// within says whether a path is, or lies below, what a rule speaks of.
func within(path, rule diff.Path) bool {
	if len(path) < len(rule) {
		return false
	}
	for i, segment := range rule {
		if !segmentMatches(path[i], segment) {
			return false
		}
	}
	return true
}

// segmentMatches says whether a step of a path is one that a rule speaks of: the rule may be a wildcard, or name fewer keys.
func segmentMatches(segment, rule diff.Segment) bool {
	if len(rule.Keys) == 0 {
		return rule.Name == "*" || len(segment.Keys) == 0 && rule.Name == segment.Name
	}
	return !slices.ContainsFunc(rule.Keys, func(key diff.Key) bool { return !slices.Contains(segment.Keys, key) })
}

// leftToOthers says whether a field is one of the ignored ones, or in one of them.
func leftToOthers(field string, ignore []string) bool {
	path, err := diff.ParsePath(field)
	return err == nil && slices.ContainsFunc(ignore, func(text string) bool {
		rule, err := diff.ParsePath(text)
		return err == nil && within(path, rule)
	})
}
