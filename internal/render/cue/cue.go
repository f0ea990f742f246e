// Package cue renders CUE with its Go library, in a process that is confined: it sees the files of the artifact and nothing else.
package cue

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
)

// Format is the name of this renderer in results, and of its evaluator in a confined process.
const Format = "cue"

// Renderer renders CUE. Safe for concurrent use.
type Renderer struct {
	// Limits of an evaluation; the zero value stands for confined.DefaultLimits.
	Limits confined.Limits
}

var _ render.Renderer = Renderer{}

// New gives a renderer with the default limits.
func New() Renderer { return Renderer{} }

// program is what an evaluation gets.
type program struct {
	Dir        string            `json:"dir"`
	File       string            `json:"file,omitempty"` // in Dir; the package of Dir when empty
	Tags       map[string]string `json:"tags,omitempty"`
	Expression string            `json:"expression,omitempty"`
}

// at is what errors name.
func (p program) at() string { return path.Join(p.Dir, p.File) }

// Render evaluates the package of a directory, or a file.
func (r Renderer) Render(ctx context.Context, request render.Request) (render.Result, error) {
	recorder := render.Record(request.Artifact)
	result := render.Result{Path: request.Path, Format: Format}
	work := program{Dir: request.Path}
	if how := request.How.CUE; how != nil {
		work.Tags, work.Expression = how.Tags, how.Expression
	}
	info, err := recorder.Stat(request.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fault.New(fault.NotFound, "render", request.Path, "there is nothing")
	case err != nil:
		err = render.Fault(request.Path, err)
	case !info.IsDir():
		work.Dir, work.File = path.Split(request.Path)
		work.Dir = path.Clean(work.Dir)
	}
	if err == nil {
		result.Found, err = confined.Run(ctx, confined.Job{
			Kind: Format, At: work.at(), Request: work, Files: recorder, Limits: r.Limits,
		})
	}
	result.Reads = recorder.Reads()
	return result, err
}
