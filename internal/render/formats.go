package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// KustomizationFiles are the names by which a directory says that Kustomize renders it.
var KustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Formats renders a directory by what it holds: one with a kustomization file by Kustomize, every other by Plain, and a file by
// Plain.
type Formats struct {
	Kustomize Renderer
	Plain     Renderer
	// Check says what only a target can know to be wrong with an object, without asking it; may be nil.
	Check func(*state.Object) error
}

var _ Renderer = Formats{}

// Render looks at the path and hands it to the format that is right for it.
func (f Formats) Render(ctx context.Context, artifact source.Artifact, path string) (Result, error) {
	recorder := Record(artifact)
	format, err := f.choose(recorder, path)
	if err != nil {
		return Result{Path: path, Reads: recorder.Reads()}, err
	}
	result, err := format.Render(ctx, recorder, path)
	if err == nil {
		result.resolve(recorder, f.Check)
	}
	result.Path, result.Reads = path, recorder.Reads()
	return result, err
}

func (f Formats) choose(artifact source.Artifact, at string) (Renderer, error) {
	if !fs.ValidPath(at) {
		return nil, fault.New(fault.Invalid, "render", at, "a path goes down from the root of the source").
			WithHint("write it without a leading /, and without ..")
	}
	info, err := artifact.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nothingAt(artifact, at)
	case err != nil:
		return nil, Fault(at, err)
	case !info.IsDir():
		return f.Plain, nil
	}
	for _, name := range KustomizationFiles {
		if info, err := artifact.Stat(path.Join(at, name)); err == nil && !info.IsDir() {
			return f.Kustomize, nil
		}
	}
	return f.Plain, nil
}

// nothingAt says what is there instead.
func nothingAt(artifact source.Artifact, at string) error {
	nearest := path.Dir(at)
	for nearest != "." {
		if info, err := artifact.Stat(nearest); err == nil && info.IsDir() {
			break
		}
		nearest = path.Dir(nearest)
	}
	hint := fmt.Sprintf("the nearest directory that is there is %q", nearest)
	if entries, err := artifact.ReadDir(nearest); err == nil {
		var names []string
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), ".") && len(names) < 12 {
				names = append(names, entry.Name())
			}
		}
		if len(names) > 0 {
			hint += ", with " + strings.Join(names, ", ")
		}
	}
	return fault.New(fault.NotFound, "render", at, "the source has no such path").WithHint(hint)
}

// Fault makes an error of reading an artifact one of the renderer's: a fault keeps its kind, what is missing is NotFound, an end
// of the context Transient, and anything else Transient too, as only the artifact's store can have failed.
func Fault(at string, err error) error {
	var known *fault.Error
	var pathed *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "render", at, "there is no such file")
	case errors.As(err, &pathed):
		err = pathed.Err
	}
	return fault.Wrap(fault.Transient, "render", at, err)
}
