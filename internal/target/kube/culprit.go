package kube

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unique"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/setpoint-dev/setpoint/internal/diff"
)

// ownership is who wrote which fields of an object (its managedFields), in a compact form that may be kept for thousands of
// objects: 24 bytes per writer, because equal writers and equal sets of fields are shared among all objects. It is immutable
// and safe for concurrent use.
type ownership []claim

// claim is one entry of managedFields.
type claim struct {
	by     unique.Handle[writer]
	fields unique.Handle[string] // fieldsV1 as JSON
	time   int64                 // seconds since 1970, 0 when not known
}

// writer is who made a claim, and how.
type writer struct {
	manager     string
	operation   string // Apply or Update
	subresource string
}

// String gives "kubectl-edit", or "kube-controller-manager (status)".
func (w writer) String() string {
	if w.subresource == "" {
		return w.manager
	}
	return w.manager + " (" + w.subresource + ")"
}

const operationApply = "Apply"

// readOwnership reads an object's metadata.managedFields. Entries that make no sense are left out.
func readOwnership(live map[string]any) ownership {
	metadata, _ := live["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	if len(entries) == 0 {
		return nil
	}
	claims := make(ownership, 0, len(entries))
	for _, item := range entries {
		entry, _ := item.(map[string]any)
		fields, err := json.Marshal(entry["fieldsV1"])
		if entry == nil || err != nil {
			continue
		}
		c := claim{
			by: unique.Make(writer{
				manager: textOf(entry["manager"]), operation: textOf(entry["operation"]), subresource: textOf(entry["subresource"]),
			}),
			fields: unique.Make(string(fields)),
		}
		if at, err := time.Parse(time.RFC3339, textOf(entry["time"])); err == nil {
			c.time = at.Unix()
		}
		claims = append(claims, c)
	}
	return claims
}

// isApply says whether the claim was made by server-side apply of a manager, to the object itself.
func (c claim) isApply(manager string) bool {
	by := c.by.Value()
	return by.manager == manager && by.operation == operationApply && by.subresource == ""
}

// paths gives the claimed fields; nil when they cannot be read.
func (c claim) paths() *fieldpath.Set {
	set := fieldpath.NewSet()
	if set.FromJSON(strings.NewReader(c.fields.Value())) != nil {
		return nil
	}
	return set
}

// appliedBy says whether a manager has applied the object (server-side), and still owns something of it.
func (o ownership) appliedBy(manager string) bool {
	return slices.ContainsFunc(o, func(c claim) bool { return c.isApply(manager) })
}

// shared says whether anybody but a manager owns something of the object itself (not of its status and other subresources).
func (o ownership) shared(manager string) bool {
	return slices.ContainsFunc(o, func(c claim) bool {
		by := c.by.Value()
		return by.manager != manager && by.subresource == ""
	})
}

// owns says which fields a manager owns by apply; for diff.Options.Owns.
func (o ownership) owns(manager string) func(diff.Path) bool {
	var owned map[string]bool // read when first asked for: mostly nobody asks
	return func(path diff.Path) bool {
		if owned == nil {
			owned = map[string]bool{}
			for _, c := range o {
				if c.isApply(manager) {
					c.eachPath(func(path diff.Path) { owned[path.String()] = true })
				}
			}
		}
		return owned[path.String()]
	}
}

// eachPath calls visit for every claimed field.
func (c claim) eachPath(visit func(diff.Path)) {
	set := c.paths()
	if set == nil {
		return
	}
	set.Iterate(func(path fieldpath.Path) { visit(readablePath(path)) })
}

// readablePath gives a field path in the form that differences have.
func readablePath(path fieldpath.Path) diff.Path {
	out := make(diff.Path, 0, len(path))
	for _, element := range path {
		var segment diff.Segment
		switch {
		case element.FieldName != nil:
			segment.Name = *element.FieldName
		case element.Key != nil:
			for _, field := range *element.Key {
				segment.Keys = append(segment.Keys, diff.Key{Name: field.Name, Value: diff.KeyText(field.Value.Unstructured())})
			}
		case element.Value != nil:
			segment.Keys = []diff.Key{{Value: diff.KeyText((*element.Value).Unstructured())}}
		case element.Index != nil:
			segment.Name = diff.KeyText(int64(*element.Index))
		}
		out = append(out, segment)
	}
	return out
}

// blame fills By and When of fields with whoever set them and is not manager. A field that is gone has no owner any more: then
// it was probably whoever wrote the object last, if that was after manager. The fields are changed in place.
func (o ownership) blame(fields []diff.Field, manager string) {
	others := slices.DeleteFunc(slices.Clone(o), func(c claim) bool { return c.by.Value().manager == manager })
	if len(fields) == 0 || len(others) == 0 {
		return
	}
	slices.SortStableFunc(others, func(a, b claim) int { return cmp.Compare(b.time, a.time) })
	owned := make([][]string, len(others))
	for i, c := range others {
		c.eachPath(func(path diff.Path) { owned[i] = append(owned[i], path.String()) })
	}
	for i := range fields {
		field := &fields[i]
		at := slices.IndexFunc(owned, func(paths []string) bool { return covers(paths, field.Path) })
		switch {
		case at >= 0:
			field.By = others[at].by.Value().String()
		case field.Old == "":
			if at = o.suspect(others, field.Path, manager); at < 0 {
				continue
			}
			field.By = "probably " + others[at].by.Value().String()
		default:
			continue
		}
		if others[at].time > 0 {
			field.When = time.Unix(others[at].time, 0).UTC()
		}
	}
}

// suspect gives the first of others, which begin with the newest, that may have removed a field: whoever has not written since
// manager did has not, and who writes a subresource cannot.
func (o ownership) suspect(others []claim, field, manager string) int {
	var applied int64
	for _, c := range o {
		if c.isApply(manager) {
			applied = max(applied, c.time)
		}
	}
	return slices.IndexFunc(others, func(c claim) bool {
		subresource := c.by.Value().subresource
		return c.time >= applied && (subresource == "" || isBelow(field, "/"+subresource))
	})
}

// covers says whether one of the paths is the field, lies in it, or is a leaf that holds it (an atomic list or map).
func covers(paths []string, field string) bool {
	holder := ""
	for _, path := range paths {
		if path == field || isBelow(path, field) {
			return true
		}
		if isBelow(field, path) && len(path) > len(holder) {
			holder = path
		}
	}
	// What holds the field claims it only if nothing is claimed one by one below it.
	return holder != "" && !slices.ContainsFunc(paths, func(path string) bool { return isBelow(path, holder) })
}

// isBelow says whether a path leads to something inside of another.
func isBelow(path, above string) bool {
	return len(path) > len(above) && strings.HasPrefix(path, above) && (path[len(above)] == '/' || path[len(above)] == '[')
}

// abandoned gives the paths that manager owns by apply but that applied (the object exactly as it would be sent) no longer
// has: the next apply removes them, or gives them back. What lies inside of an abandoned field is not named again.
func (o ownership) abandoned(applied map[string]any, manager string) []string {
	var gone []string
	for _, c := range o {
		if !c.isApply(manager) {
			continue
		}
		if set := c.paths(); set != nil {
			set.Iterate(func(path fieldpath.Path) {
				if !declares(applied, path) {
					gone = append(gone, readablePath(path).String())
				}
			})
		}
	}
	slices.Sort(gone)
	var tops []string
	for _, path := range slices.Compact(gone) {
		if !slices.ContainsFunc(tops, func(top string) bool { return isBelow(path, top) }) {
			tops = append(tops, path)
		}
	}
	return tops
}

// declares says whether an object has a field. An item of a list that leaves out a key, because it has a default, is matched by
// its other keys.
func declares(value any, path fieldpath.Path) bool {
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			fields, _ := value.(map[string]any)
			child, found := fields[*element.FieldName]
			if !found {
				return false
			}
			value = child
		default:
			items, _ := value.([]any)
			at := slices.IndexFunc(items, func(item any) bool { return isItem(item, element) })
			if element.Index != nil {
				at = *element.Index
			}
			if at < 0 || at >= len(items) {
				return false
			}
			value = items[at]
		}
	}
	return true
}

// isItem says whether an item of a list is the one that a path element names by keys or by value.
func isItem(item any, element fieldpath.PathElement) bool {
	if element.Value != nil {
		return diff.KeyText(item) == diff.KeyText((*element.Value).Unstructured())
	}
	fields, ok := item.(map[string]any)
	if !ok || element.Key == nil {
		return false
	}
	for _, key := range *element.Key {
		if have, found := fields[key.Name]; found && diff.KeyText(have) != diff.KeyText(key.Value.Unstructured()) {
			return false
		}
	}
	return true
}
