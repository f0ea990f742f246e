package kustomize

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// declared is one place that declares an object, before names and namespaces were changed.
type declared struct {
	id     state.ID
	origin state.Origin
	doc    *document.Document // nil for what a generator or a chart makes
	given  *render.Found      // what is post-rendered
}

// places finds where the objects that came out were declared. The library would tell, but takes more than twice the time then;
// so an object is looked for among the resources: same kind, and the name or the longest part of it.
type places struct {
	view  *view
	kinds map[state.GroupKind][]declared
}

func (v *view) places() places {
	p := places{view: v, kinds: map[state.GroupKind][]declared{}}
	all := v.declared
	for _, name := range slices.Compact(slices.Sorted(slices.Values(v.resources))) {
		data, err := v.readFile(name)
		if err != nil {
			continue
		}
		documents, _ := document.Read(data, v.display(name)) // what the library could read is enough here
		for i, doc := range documents {
			all = append(all, declared{id: doc.Object.ID(), origin: doc.Origin, doc: &documents[i]})
		}
	}
	for _, one := range all {
		p.kinds[one.id.GroupKind()] = append(p.kinds[one.id.GroupKind()], one)
	}
	return p
}

// find gives an object its place; where several are as likely, or none is, the directory that was rendered.
func (p places) find(object *state.Object) render.Found {
	id := object.ID()
	var best []declared // as likely as each other
	score := 0
	for _, one := range p.kinds[id.GroupKind()] {
		if one.id.Name == "" || !strings.Contains(id.Name, one.id.Name) {
			continue
		}
		points := 2 * len(one.id.Name)
		if one.id.Namespace == id.Namespace {
			points++
		}
		if points > score {
			best, score = nil, points
		}
		if points == score {
			best = append(best, one)
		}
	}
	switch {
	case score == 0:
		object = object.WithSecrets(secrets(p.view.declared))
		fallthrough
	case len(best) > 1:
		return render.Found{Object: object.WithSecrets(secrets(best)).WithOrigin(state.Origin{File: p.view.path})}
	}
	found := render.Found{Object: object.WithSecrets(secrets(best)).WithOrigin(best[0].origin)}
	if best[0].given != nil {
		return lined(found, *best[0].given)
	}
	if doc := best[0].doc; doc != nil {
		found.Line = func(pointer string) int {
			if pointer != "" && !doc.Has(pointer) {
				return 0 // a patch put it there
			}
			return doc.Line(pointer)
		}
	}
	return found
}

// broken gives what is wrong with the YAML files that an error of the library names; nil when nothing is.
func (v *view) broken(text string) error {
	if !strings.Contains(text, "yaml") && !strings.Contains(text, "YAML") && !strings.Contains(text, "json") {
		return nil
	}
	var errs []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(v.yaml))) {
		if !strings.Contains(text, path.Base(name)) {
			continue
		}
		if data, err := v.readFile(name); err == nil {
			_, err = document.Parse(data, v.display(name))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// registered is how the library reports an ID that it has already: "Kind.version.group/name.namespace".
var registered = regexp.MustCompile(`already registered id: ([A-Za-z0-9]+)\.[^/]*/([^ ']+)\.([^. ']+)`)

// twice names the places of an ID that is there twice; nil when the error says something else.
func (v *view) twice(text string) error {
	match := registered.FindStringSubmatch(text)
	if match == nil {
		return nil
	}
	kind, name, namespace := match[1], match[2], strings.Trim(match[3], "[]")
	var found []state.Origin
	var id state.ID
	for _, file := range slices.Compact(slices.Sorted(slices.Values(v.yaml))) {
		data, err := v.readFile(file)
		if err != nil {
			continue
		}
		documents, _ := document.Read(data, v.display(file)) // only those that can be read can be meant
		for _, doc := range documents {
			one := doc.Object.ID()
			if one.Kind == kind && one.Name == name && (one.Namespace == namespace || one.Namespace == "") {
				found, id = append(found, doc.Origin), one
			}
		}
	}
	if len(found) < 2 {
		return nil
	}
	return fault.New(fault.Invalid, "render", id.String(), fmt.Sprintf("declared twice, at %s and at %s", found[0], found[1])).
		WithHint("remove one of them, or give it another name or namespace")
}
