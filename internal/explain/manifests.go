package explain

import (
	"context"
	"fmt"
	"path"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// manifests is a file that declares objects.
type manifests struct {
	x    *explainer
	file string
	made []*made
}

// manifestsOf gives those of a file of the artifact; what cannot be read is empty.
func (x *explainer) manifestsOf(file string) *manifests {
	if known := x.files[file]; known != nil {
		return known
	}
	m := &manifests{x: x, file: file}
	x.files[file] = m
	m.made = documentsIn(x.cfg.Files, file)
	return m
}

func documentsIn(files source.Artifact, file string) []*made {
	data, err := files.ReadFile(file)
	if err != nil {
		return nil
	}
	documents, _ := document.Read(data, file) // the renderer could read it
	all := make([]*made, len(documents))
	for i := range documents {
		all[i] = flatten(documents[i].Object)
		all[i].doc = &documents[i]
	}
	return all
}

func (m *manifests) objects(context.Context) ([]*made, error) { return m.made, nil }

func (m *manifests) because(context.Context, *made) []Place { return nil }

func (m *manifests) from(_ context.Context, object *made, path string) []Place {
	field, _ := object.get(path)
	return []Place{m.x.place(Manifest, m.file, object.doc.Line(field.pointer), "")}
}

// folder is what a renderer gives whose objects are as their files have them, or that tells no more than a file.
type folder struct {
	x        *explainer
	language string // that the files are evaluated in; "" for manifests
	made     []*made
}

func (f *folder) objects(ctx context.Context) ([]*made, error) {
	var err error
	if f.made == nil {
		f.made, err = f.x.again.run(ctx, f.x.again.request)
	}
	return f.made, err
}

func (f *folder) because(context.Context, *made) []Place { return nil }

func (f *folder) from(ctx context.Context, object *made, path string) []Place {
	origin := object.object.Origin()
	if f.language != "" {
		return []Place{f.x.place(Program, origin.File, 0, "evaluated by "+f.language)}
	}
	file := f.x.manifestsOf(origin.File)
	if written := declaredAt(file.made, origin); written != nil {
		if _, ok := written.get(path); ok {
			return file.from(ctx, written, path)
		}
		field, _ := object.get(path)
		return []Place{f.x.place(Manifest, file.file, written.doc.Line(field.pointer), "")}
	}
	return []Place{f.x.declared(object)}
}

// declaredAt gives the object that a file declares at a place; nil when there is none.
func declaredAt(all []*made, origin state.Origin) *made {
	for _, one := range all {
		if one.doc.Origin == origin {
			return one
		}
	}
	return nil
}

// resolved says where a field comes from that was not in the object when it was rendered: it is what a file of the source holds.
func (x *explainer) resolved(ctx context.Context, p pair, pointer string) []Place {
	origin := p.object.Origin()
	if p.object.ID().Group == v1alpha1.GroupHost {
		for _, reference := range referencesOf(pointer) {
			written, ok := p.written.at(reference)
			name, isText := written.value.(string)
			if !ok || !isText {
				continue
			}
			at := path.Join(path.Dir(origin.File), name)
			if path.IsAbs(name) {
				at = path.Clean(name)[1:]
			}
			return add([]Place{x.place(Content, at, 0, "")}, p.top.from(ctx, p.written, written.path)...)
		}
	}
	return []Place{x.declared(p.written)}
}

// referencesOf gives the fields by which an object of a host says which file of the source a field is to hold.
func referencesOf(pointer string) []string {
	parts := state.PointerNames(pointer)
	if len(parts) < 2 || parts[0] != "spec" {
		return nil
	}
	switch parts[1] {
	case "content", "contentBase64":
		return []string{"/spec/contentFrom/file"}
	case "template":
		return []string{"/spec/template/file"}
	case "envFrom":
		if len(parts) > 2 {
			return []string{fmt.Sprintf("/spec/envFrom/%s/file", parts[2])}
		}
	case "build":
		return []string{"/spec/build/directory"}
	}
	return nil
}
