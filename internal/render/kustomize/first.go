package kustomize

import (
	"bytes"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// prepend puts the objects that are to be post-rendered into a file, and remembers where each was declared.
func (v *view) prepend() error {
	if v.first == nil {
		return nil
	}
	parts := make([][]byte, len(v.first))
	for i, one := range v.first {
		data, err := one.Object.MarshalJSON()
		if err != nil {
			return fault.Wrap(fault.Invalid, "render", v.path, err)
		}
		parts[i] = data
		v.declared = append(v.declared, declared{id: one.Object.ID(), origin: one.Object.Origin(), given: &v.first[i]})
	}
	v.firstFile = v.put("what is post-rendered", bytes.Join(parts, []byte("\n---\n")))
	return nil
}

// begin makes the kustomization that is being read begin with those objects. A component is built as a kustomization then: what it would
// change is there.
func (c *checker) begin() {
	if strings.EqualFold(c.text("kind"), "Component") {
		for key := range c.fields {
			if strings.EqualFold(key, "kind") || strings.EqualFold(key, "apiVersion") {
				delete(c.fields, key)
			}
		}
	}
	if len(c.view.first) == 0 {
		return
	}
	resources, name := c.list("resources")
	c.fields[name] = slices.Insert(resources, 0, any(c.view.firstFile))
}

// secrets gives what is secret in an object that comes of those that were given, when nobody can tell of which it comes: whatever is in any
// of them that it may come of.
func secrets(from []declared) []string {
	var all []string
	for _, one := range from {
		if one.given != nil {
			all = append(all, one.given.Object.Secrets()...)
		}
	}
	return all
}

// lined gives the places of a field of an object that was given.
func lined(found, given render.Found) render.Found {
	found.Line, found.Quoted = given.Line, given.Quoted
	return found
}
