package host

import (
	"slices"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// ignore takes the fields that are left to others out of an entry, and says whether they were all that there was to update.
func ignore(rules []diff.Ignore, id state.ID, entry *diff.Entry) (nothingLeft bool) {
	if len(entry.Fields) == 0 {
		return false
	}
	var ignored []diff.Path
	for _, rule := range rules {
		if !rule.Matches(id) {
			continue
		}
		for _, text := range rule.Fields {
			if path, err := diff.ParsePath(text); err == nil && len(path) > 0 { // whoever takes paths from users checks them
				ignored = append(ignored, path)
			}
		}
	}
	if len(ignored) == 0 {
		return false
	}
	entry.Fields = slices.DeleteFunc(slices.Clone(entry.Fields), func(field diff.Field) bool {
		path, err := diff.ParsePath(field.Path)
		return err == nil && slices.ContainsFunc(ignored, func(rule diff.Path) bool { return covers(rule, path) })
	})
	return len(entry.Fields) == 0 && entry.Op == diff.Update && entry.Err == nil
}

// covers says whether a path is what a rule names, or lies below it.
func covers(rule, path diff.Path) bool {
	if len(rule) > len(path) {
		return false
	}
	for i, segment := range rule {
		if !fits(segment, path[i]) {
			return false
		}
	}
	return true
}

func fits(rule, segment diff.Segment) bool {
	if len(rule.Keys) == 0 {
		return rule.Name == "*" || len(segment.Keys) == 0 && rule.Name == segment.Name
	}
	for _, key := range rule.Keys {
		if !slices.Contains(segment.Keys, key) {
			return false
		}
	}
	return true
}
