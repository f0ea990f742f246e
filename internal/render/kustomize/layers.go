package kustomize

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// virtual is the directory of the view that holds what is not in the artifact. Whatever the artifact has there cannot be seen.
const virtual = ".setpoint-render"

// maxLayers bounds the repositories and charts that one render uses.
const maxLayers = 50

// layer is an artifact that is mounted into the view: what is in it sees nothing else.
type layer struct {
	at    string // directory in the view; "." for the artifact that is rendered
	title string // for people; "" for the artifact that is rendered
	files *render.Recorder
}

// layerOf gives the layer that a path of the view belongs to, and the path there.
func (v *view) layerOf(name string) (*layer, string) {
	for i := range v.layers {
		if rest, ok := strings.CutPrefix(name, v.layers[i].at); ok && (rest == "" || rest[0] == '/') {
			return &v.layers[i], path.Join(".", strings.TrimPrefix(rest, "/"))
		}
	}
	return &v.own, name
}

// display gives a path of the view as people know it.
func (v *view) display(name string) string {
	if made, ok := v.made[name]; ok {
		return made.title
	}
	layer, inner := v.layerOf(name)
	switch {
	case layer.title == "":
		return name
	case inner == ".":
		return layer.title
	}
	return layer.title + "//" + inner
}

// mount mounts an artifact, once for each title.
func (v *view) mount(title string, pull func() (*render.Recorder, error)) (layer, error) {
	for _, known := range v.layers {
		if known.title == title {
			return known, nil
		}
	}
	if len(v.layers) == maxLayers {
		cause := fmt.Sprintf("uses more than %d repositories and charts of elsewhere", maxLayers)
		return layer{}, fault.New(fault.Invalid, "render", v.path, cause).WithHint("split it over several Syncs")
	}
	files, err := pull()
	if err != nil {
		return layer{}, err
	}
	// The number has as many digits each time, so that no mount's path begins like another's.
	added := layer{at: fmt.Sprintf("%s/%02d", virtual, len(v.layers)), title: title, files: files}
	v.layers = append(v.layers, added)
	return added, nil
}

// pulled gives an artifact of elsewhere. Whoever gives it watches it: what is read of it is no part of the recorded reads.
func (v *view) pulled(spec v1alpha1.SourceSpec) (*render.Recorder, error) {
	artifact, err := v.request.Outside.Sources.Artifact(v.ctx, spec)
	if err != nil {
		return nil, err
	}
	return render.Record(artifact), nil
}

// made is a file that is in no artifact.
type made struct {
	title   string // for people
	content []byte
}

// put adds a file that is in no artifact, and gives its path for the library.
func (v *view) put(title string, content []byte) string {
	name := fmt.Sprintf("%s/made-%d.yaml", virtual, len(v.made))
	v.made[name] = made{title: title, content: content}
	return "/" + name
}

// count counts what is read, and says when it is too much.
func (v *view) count(bytes int) error {
	v.reads++
	v.bytes += bytes
	switch {
	case v.reads > maxReads:
		return v.refuse(fault.New(fault.Invalid, "render", v.path, fmt.Sprintf("reads more than %d files", maxReads)))
	case v.bytes > maxBytes:
		return v.refuse(fault.New(fault.Invalid, "render", v.path, fmt.Sprintf("reads more than %d MiB", maxBytes>>20)))
	}
	return nil
}

func (v *view) readFile(name string) ([]byte, error) {
	layer, inner := v.layerOf(name)
	if made, ok := v.made[name]; ok {
		return made.content, nil
	}
	return layer.files.ReadFile(inner)
}

func (v *view) stat(name string) (fs.FileInfo, error) {
	layer, inner := v.layerOf(name)
	return layer.files.Stat(inner)
}

func (v *view) readDir(name string) ([]fs.DirEntry, error) {
	layer, inner := v.layerOf(name)
	return layer.files.ReadDir(inner)
}
