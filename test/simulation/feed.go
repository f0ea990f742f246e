package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// feed is the one repository of a world: a line of commits, and what a look at it finds.
type feed struct {
	plots     []*plot
	revisions map[string]*memory.Artifact
	latest    *memory.Artifact // nil before the first commit
	err       error            // why looks fail now
	checked   time.Time
}

func newFeed() *feed { return &feed{revisions: map[string]*memory.Artifact{}} }

// commit makes the plots a new revision.
func (f *feed) commit() *memory.Artifact {
	files := map[string]string{"README.md": "# A fleet\n"}
	for _, p := range f.plots {
		p.files(files)
	}
	// Equal IDs have equal content in all worlds, because what was rendered in one is used in others (see rendered).
	number := fmt.Sprint(len(f.revisions) + 1)
	tree, _ := memory.New(state.Revision{}, files).Hash(".")
	id := string(state.DigestBytes([]byte(tree + number)))[:40]
	f.latest = memory.New(state.Revision{ID: id, Ref: "main", Message: number}, files)
	f.revisions[id] = f.latest
	return f.latest
}

// look gives what a loop is told of the source.
func (f *feed) look() loop.Latest {
	latest := loop.Latest{Err: f.err, CheckedAt: f.checked}
	if f.latest != nil {
		latest.Artifact = f.latest
	}
	return latest
}

// objects gives what a revision declares at a path, as the real renderer reads it.
func (f *feed) objects(id, path string) (state.Set, error) {
	artifact, ok := f.revisions[id]
	if !ok {
		return state.Set{}, fmt.Errorf("there is no revision %s", id)
	}
	result, err := rendered(artifact, path)
	return result.Objects, err
}

// outcome is a render that was done before.
type outcome struct {
	result render.Result
	err    error
}

// renders are those that were done before, by the hash of what is below the path: most worlds declare what others did already.
var renders = struct {
	sync.Mutex
	known map[string]outcome
}{known: map[string]outcome{}}

const maxRenders = 50_000

// rendered gives what the renderer of plain files makes of a path.
func rendered(artifact source.Artifact, path string) (render.Result, error) {
	hash, _ := artifact.Hash(path)
	key := path + "\n" + hash
	renders.Lock()
	known, ok := renders.known[key]
	renders.Unlock()
	if ok {
		return known.result, known.err
	}
	var made outcome
	formats := render.Formats{Plain: plain.Renderer{}}
	made.result, made.err = formats.Render(context.Background(), render.Request{Artifact: artifact, Path: path})
	renders.Lock()
	defer renders.Unlock()
	if len(renders.known) >= maxRenders {
		clear(renders.known)
	}
	renders.known[key] = made
	return made.result, made.err
}
