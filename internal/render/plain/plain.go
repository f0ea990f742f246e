// Package plain renders a directory of YAML and JSON files: every manifest below it, as it is written.
package plain

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Format is the name of this renderer in results.
const Format = "plain"

// maxBytes bounds what one render reads.
const maxBytes = 256 << 20

// maxFile bounds one file: reading one takes some twenty times its length.
const maxFile = 16 << 20

// Renderer renders plain files. Safe for concurrent use.
type Renderer struct{}

var _ render.Renderer = Renderer{}

// Render reads every manifest at or below a path. All errors of all files are given.
func (Renderer) Render(ctx context.Context, artifact source.Artifact, path string) (render.Result, error) {
	recorder := render.Record(artifact)
	walk := walker{artifact: recorder}
	walk.start(ctx, path)
	files := read(ctx, recorder, walk.files)
	result := render.Result{Path: path, Format: Format, Reads: recorder.Reads()}
	if err := ctx.Err(); err != nil {
		return result, fault.Wrap(fault.Transient, "render", path, err)
	}
	var found []render.Found
	errs := walk.errs
	for _, file := range files {
		found = append(found, file.found...)
		if file.err != nil {
			errs = append(errs, file.err)
		}
	}
	var err error
	result.Objects, err = render.Gather(found, errs)
	return result, err
}

// parsed is what one file holds.
type parsed struct {
	found []render.Found
	err   error
}

// read reads and parses files side by side, and gives them in their order.
func read(ctx context.Context, artifact source.Artifact, names []string) []parsed {
	files := make([]parsed, len(names))
	var next, total atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				files[i] = parse(artifact, names[i], &total)
			}
		})
	}
	group.Wait()
	return files
}

func parse(artifact source.Artifact, name string, total *atomic.Int64) parsed {
	data, err := artifact.ReadFile(name)
	if err != nil {
		return parsed{err: render.Fault(name, err)}
	}
	size := int64(len(data))
	if size > maxFile {
		cause := fmt.Sprintf("the file is longer than %d MiB", maxFile>>20)
		return parsed{err: fault.New(fault.Invalid, "read", name, cause).
			WithHint("if it is not meant for Setpoint, name it in a " + IgnoreFile + " file beside or above it")}
	}
	if before := total.Add(size) - size; before <= maxBytes && before+size > maxBytes {
		cause := fmt.Sprintf("the manifests are longer than %d MiB together", maxBytes>>20)
		return parsed{err: fault.New(fault.Invalid, "read", name, cause).WithHint("split the directory over several Syncs")}
	} else if before > maxBytes {
		return parsed{}
	}
	documents, err := document.Read(data, name)
	found := make([]render.Found, len(documents))
	for i, doc := range documents {
		found[i].Object = doc.Object
		if doc.Object.ID().Group == ownGroup {
			found[i].Line = doc.Line // keeps the node tree, so only where it is needed
		}
	}
	return parsed{found: found, err: err}
}
