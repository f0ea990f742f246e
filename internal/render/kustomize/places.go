package kustomize

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// places finds where objects were declared. The library tells the file; the line is that of the object in it which looks most
// like the one that came out.
type places struct {
	view  *view
	files map[string]file
}

type file struct{ documents []document.Document }

func (p *places) find(object *state.Object, origin *resource.Origin) render.Found {
	root, err := p.view.resolve(p.view.path)
	if err != nil || origin == nil {
		return p.at(object, state.Origin{File: path.Join(p.view.path, p.view.name)}, nil)
	}
	if origin.Path == "" {
		return p.at(object, state.Origin{File: path.Join(root, origin.ConfiguredIn)}, nil)
	}
	name := path.Join(root, origin.Path)
	written := p.resembling(name, object)
	if written == nil {
		return p.at(object, state.Origin{File: name}, nil)
	}
	return p.at(object, written.Origin, func(pointer string) int {
		if pointer != "" && !written.Has(pointer) {
			return 0 // a patch put it there
		}
		return written.Line(pointer)
	})
}

func (p *places) at(object *state.Object, origin state.Origin, line func(string) int) render.Found {
	return render.Found{Object: object.WithOrigin(origin), Line: line}
}

// resembling gives the object of a file that has the same kind, and the name or the longest part of it.
func (p *places) resembling(name string, object *state.Object) *document.Document {
	known, ok := p.files[name]
	if !ok {
		if data, err := p.view.artifact.ReadFile(name); err == nil {
			known.documents, _ = document.Read(data, name) // what the library could read is enough here
		}
		p.files[name] = known
	}
	want := object.ID()
	var best *document.Document
	score := 0
	for i, doc := range known.documents {
		id := doc.Object.ID()
		if id.GroupKind() != want.GroupKind() || !strings.Contains(want.Name, id.Name) {
			continue
		}
		points := 2 * len(id.Name)
		if id.Namespace == want.Namespace {
			points++
		}
		if points > score {
			best, score = &known.documents[i], points
		}
	}
	return best
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
		if data, err := v.artifact.ReadFile(name); err == nil {
			_, err = document.Parse(data, name)
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
		data, err := v.artifact.ReadFile(file)
		if err != nil {
			continue
		}
		documents, _ := document.Read(data, file) // only those that can be read can be meant
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
