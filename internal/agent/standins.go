package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// StandIns are local directories that stand in for sources, by a name that the source has: the URL that it is pulled from, the name of a
// Source, the place of an import, the name of a chart or of the Sync that declares it.
type StandIns map[string]string

// standIns opens directories that stand in for sources, and closes them.
type standIns struct {
	dirs   StandIns
	opened map[string]*directory.Artifact
}

var _ render.Sources = (*standIns)(nil)

func newStandIns(dirs StandIns) *standIns {
	return &standIns{dirs: dirs, opened: map[string]*directory.Artifact{}}
}

func (s *standIns) close() {
	for _, artifact := range s.opened {
		_ = artifact.Close() // it was only read
	}
}

// find gives the directory that stands in for a source by one of its names.
func (s *standIns) find(names ...string) (source.Artifact, error) {
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	for _, name := range names {
		dir, ok := s.dirs[name]
		if !ok {
			continue
		}
		if s.opened[dir] == nil {
			artifact, err := directory.Open(dir)
			if err != nil {
				return nil, err
			}
			s.opened[dir] = artifact
		}
		return s.opened[dir], nil
	}
	if len(names) == 0 {
		names = []string{"NAME"}
	}
	hint := "give a directory that stands in for it: --set-source " + names[0] + "=DIR"
	if known := slices.Sorted(maps.Keys(s.dirs)); len(known) > 0 {
		hint += " (given are " + strings.Join(known, ", ") + ")"
	}
	return nil, fault.New(fault.NotFound, "read", "source "+names[0], "nothing is pulled here").WithHint(hint)
}

// Artifact implements render.Sources.
func (s *standIns) Artifact(_ context.Context, spec v1alpha1.SourceSpec) (source.Artifact, error) {
	return s.find(sourceNames(spec)...)
}

// sourceNames gives the names of a source itself: what is most its own comes first.
func sourceNames(spec v1alpha1.SourceSpec) []string {
	if spec.Helm != nil {
		return []string{spec.Helm.Chart, sourceName(spec) + "/" + spec.Helm.Chart, sourceName(spec)}
	}
	return []string{sourceName(spec)}
}

// of gives the source that a Sync names or declares.
func (s *standIns) of(declared v1alpha1.SyncSource, more ...string) (source.Artifact, error) {
	return s.find(slices.Concat(more, []string{declared.Name}, sourceNames(declared.SourceSpec))...)
}

// tree gives what a Sync renders from: its own source, or that of its parent, with its imports.
func (s *standIns) tree(name string, spec v1alpha1.SyncSpec, parents source.Artifact) (source.Artifact, error) {
	base := parents
	if spec.Source != nil {
		var err error
		if base, err = s.of(*spec.Source, name); err != nil {
			return nil, err
		}
	}
	var mounts []source.Mounted
	var errs []error
	for _, one := range spec.Imports {
		artifact, err := s.of(one.Source, one.At)
		if err != nil {
			errs = append(errs, importFault(one.At, err))
			continue
		}
		mounts = append(mounts, source.Mounted{At: one.At, Path: orElse(one.Path, "."), Artifact: artifact, Name: one.At})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return source.Mount(base, mounts)
}

// objects are manifests that stand in for ConfigMaps and Secrets of a cluster.
type objects struct{ set state.Set }

var _ render.Values = objects{}

// Object implements render.Values.
func (o objects) Object(_ context.Context, id state.ID) (*state.Object, error) {
	if object := o.set.Get(id); object != nil {
		return object, nil
	}
	if id.Namespace == "default" {
		id.Namespace = ""
		if object := o.set.Get(id); object != nil {
			return object, nil
		}
	}
	return nil, fault.New(fault.NotFound, "read", id.String(), "no cluster is asked here").
		WithHint("give a file or directory with manifests that stand in for it: --objects PATH")
}

// readObjects reads such manifests.
func readObjects(ctx context.Context, paths []string, renderer render.Renderer) (objects, error) {
	var all []*state.Object
	for _, path := range paths {
		artifact, inside, err := directory.Enclosing(path)
		if err != nil {
			return objects{}, err
		}
		result, err := renderer.Render(ctx, render.Request{Artifact: artifact, Path: inside})
		err = errors.Join(err, result.Err(), artifact.Close())
		if err != nil {
			return objects{}, err
		}
		for object := range result.Objects.All() {
			if err := holdsTexts(object); err != nil {
				return objects{}, err
			}
			all = append(all, object)
		}
	}
	set, twice := state.NewSet(all)
	for _, one := range twice {
		return objects{}, fault.New(fault.Invalid, "read", one.ID.String(), "it is given twice").WithHint("give it once with --objects")
	}
	return objects{set: set}, nil
}

// holdsTexts refuses what no cluster would hold: a ConfigMap or Secret with a value that is no text.
func holdsTexts(object *state.Object) error {
	id := object.ID()
	if id.Group != "" || id.Kind != "ConfigMap" && id.Kind != "Secret" {
		return nil
	}
	content := object.Content()
	for _, field := range []string{"data", "stringData"} {
		values, _ := content[field].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if _, ok := values[key].(string); !ok {
				return fault.New(fault.Invalid, "read", object.Origin().String(),
					id.String()+" has a value that is no text: "+field+"."+key).
					WithHint("quote it: a number, true or null is no text")
			}
		}
	}
	return nil
}
