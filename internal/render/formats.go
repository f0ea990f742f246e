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

// Formats renders a path by what is there: a chart that a Sync names by Helm, a directory with a kustomization file by Kustomize, one with
// a Chart.yaml by Helm, one with a main.jsonnet by Jsonnet, one with CUE files by CUE, every other by Plain, and a file by its name. A
// format that is nil is not there.
type Formats struct {
	Kustomize Renderer
	Plain     Renderer
	Helm      Renderer
	Jsonnet   Renderer
	CUE       Renderer
	// Decrypt gives an artifact in which SOPS documents read as what they hold; may be nil.
	Decrypt func(ctx context.Context, request Request) (source.Artifact, error)
	// Check says what only a target can know to be wrong with an object, without asking it; may be nil.
	Check func(*state.Object) error
}

var _ Renderer = Formats{}

// Render looks at the path and hands it to the format that is right for it.
func (f Formats) Render(ctx context.Context, request Request) (Result, error) {
	if f.Decrypt != nil {
		plain, err := f.Decrypt(ctx, request)
		if err != nil {
			return Result{Path: request.Path}, err
		}
		request.Artifact = plain
	}
	recorder := Record(request.Artifact)
	request.Artifact = recorder
	format, err := f.choose(recorder, request)
	if err != nil {
		return Result{Path: request.Path, Reads: recorder.Reads()}, err
	}
	result, err := format.Render(ctx, request)
	if err == nil {
		result.Found = recorder.markDecrypted(result.Format, result.Found)
		result.Found, err = substitute(ctx, request, result.Found)
	}
	if err == nil {
		err = result.Gather(result.Found, nil)
	}
	if err == nil {
		result.refuseSecretKeys()
		result.resolve(recorder, f.Check)
	}
	result.Path, result.Reads = request.Path, recorder.Reads()
	if kind := fault.KindOf(err); kind == fault.Denied || kind == fault.Transient {
		result.Reads = Reads{} // a key that is missing may be there the next time, though nothing has changed in the artifact
	}
	return result, recorder.scrub(err)
}

func (f Formats) choose(artifact source.Artifact, request Request) (Renderer, error) {
	at := request.Path
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
	case request.How.Helm != nil:
		return f.installed(f.Helm, "helm")
	case !info.IsDir():
		switch path.Ext(at) {
		case ".jsonnet":
			return f.installed(f.Jsonnet, "jsonnet")
		case ".cue":
			return f.installed(f.CUE, "cue")
		}
		return f.Plain, nil
	}
	for _, name := range KustomizationFiles {
		if info, err := artifact.Stat(path.Join(at, name)); err == nil && !info.IsDir() {
			return f.Kustomize, nil
		}
	}
	for _, one := range []struct {
		name   string
		format Renderer
	}{{"Chart.yaml", f.Helm}, {"main.jsonnet", f.Jsonnet}} {
		if info, err := artifact.Stat(path.Join(at, one.name)); err == nil && !info.IsDir() && one.format != nil {
			return one.format, nil
		}
	}
	if f.CUE != nil && holdsCUE(artifact, at) {
		return f.CUE, nil
	}
	return f.Plain, nil
}

// installed gives a format that the request asks for by name.
func (f Formats) installed(format Renderer, name string) (Renderer, error) {
	if format == nil {
		return nil, fault.New(fault.Invalid, "render", name, "this format is not there")
	}
	return format, nil
}

// holdsCUE says whether a directory has files of CUE beside no manifest.
func holdsCUE(artifact source.Artifact, at string) bool {
	entries, err := artifact.ReadDir(at)
	if err != nil {
		return false
	}
	found := false
	for _, entry := range entries {
		switch path.Ext(entry.Name()) {
		case ".cue":
			found = found || !entry.IsDir()
		case ".yaml", ".yml", ".json":
			return false
		}
	}
	return found
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
