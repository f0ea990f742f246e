// Package plain renders a directory of YAML and JSON files: every manifest below it, as it is written.
package plain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/render/placeholder"
)

// Format is the name of this renderer in results.
const Format = "plain"

// maxBytes bounds what one render reads.
const maxBytes = 256 << 20

// maxFile bounds one file: reading one takes some twenty times its length.
const maxFile = 16 << 20

// Renderer renders plain files. Safe for concurrent use. The zero value reads every file each time; see New.
type Renderer struct{ memory *memory }

var _ render.Renderer = Renderer{}

// New makes a renderer that does not read again what has not changed, while the objects of an earlier result are in use.
func New() Renderer { return Renderer{memory: &memory{files: map[file]held{}}} }

// Render reads every manifest at or below a path. All errors of all files are given.
func (r Renderer) Render(ctx context.Context, request render.Request) (render.Result, error) {
	recorder, path := render.Record(request.Artifact), request.Path
	walk := walker{artifact: recorder}
	walk.start(ctx, path)
	reading := reading{artifact: recorder}
	if walk.tree { // what is not read is noted all the same
		reading.memory = r.memory
	}
	files := reading.all(ctx, walk.files)
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
	result.Found = found
	return result, errors.Join(errs...)
}

// parsed is what one file holds.
type parsed struct {
	found []render.Found
	err   error
}

// reading is the reading of many files.
type reading struct {
	artifact *render.Recorder
	memory   *memory // nil for none
	total    atomic.Int64
}

// all reads and parses files side by side, and gives them in their order.
func (r *reading) all(ctx context.Context, names []string) []parsed {
	files := make([]parsed, len(names))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				files[i] = r.one(names[i])
			}
		})
	}
	group.Wait()
	return files
}

// one gives what a file holds: from memory, or by reading it.
func (r *reading) one(name string) parsed {
	hash, known := "", false
	if r.memory != nil {
		hash, known = r.artifact.Hash(name)
	}
	if !known {
		p, _ := r.parse(name)
		return p
	}
	key := file{name: name, hash: hash}
	if found, size, ok := r.memory.recall(key); ok {
		if tooLong := r.count(name, size); tooLong != nil {
			return *tooLong
		}
		return parsed{found: found}
	}
	p, size := r.parse(name)
	if p.err == nil && !r.artifact.Sensitive(name) { // whoever has not the key must not get it from here
		r.memory.note(key, size, p.found)
	}
	return p
}

// count adds a file to the bound of all; when that is reached it gives what is told instead of the content: an error, once.
func (r *reading) count(name string, size int64) *parsed {
	switch before := r.total.Add(size) - size; {
	case before > maxBytes:
		return &parsed{}
	case before+size > maxBytes:
		cause := fmt.Sprintf("the manifests are longer than %d MiB together", maxBytes>>20)
		return &parsed{err: fault.New(fault.Invalid, "read", name, cause).WithHint("split the directory over several Syncs")}
	}
	return nil
}

func (r *reading) parse(name string) (p parsed, size int64) {
	data, err := r.artifact.ReadFile(name)
	if err != nil {
		return parsed{err: render.Fault(name, err)}, 0
	}
	size = int64(len(data))
	if size > maxFile {
		cause := fmt.Sprintf("the file is longer than %d MiB", maxFile>>20)
		return parsed{err: fault.New(fault.Invalid, "read", name, cause).
			WithHint("if it is not meant for Setpoint, name it in a " + IgnoreFile + " file beside or above it")}, size
	}
	if tooLong := r.count(name, size); tooLong != nil {
		return *tooLong, size
	}
	documents, err := document.Read(data, name)
	variables := bytes.Contains(data, []byte(placeholder.Mark))
	found := make([]render.Found, len(documents))
	for i, doc := range documents {
		found[i].Object = doc.Object
		// What follows keeps the node tree, so only where something may have to be said of a field.
		if doc.Object.ID().Group == ownGroup || v1alpha1.Check(doc.Object, nil) != nil {
			found[i].Line = doc.Line
		}
		if variables && placeholder.Marked(doc.Object) {
			found[i].Line, found[i].Quoted = doc.Line, doc.Quoted
		}
	}
	return parsed{found: found, err: err}, size
}
