// Package jsonnet renders Jsonnet with its Go library, in a process that is confined: it sees the files of the artifact and nothing else.
package jsonnet

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
)

// Format is the name of this renderer in results, and of its evaluator in a confined process.
const Format = "jsonnet"

// Main is the file that a directory is rendered by.
const Main = "main.jsonnet"

// libraries are the directories beside a program, and at the root of the artifact, that imports are looked for in.
var libraries = []string{"vendor", "lib"}

// Renderer renders Jsonnet. Safe for concurrent use.
type Renderer struct {
	// Limits of an evaluation; the zero value stands for confined.DefaultLimits.
	Limits confined.Limits
}

var _ render.Renderer = Renderer{}

// New gives a renderer with the default limits.
func New() Renderer { return Renderer{} }

// program is what an evaluation gets.
type program struct {
	File      string         `json:"file"`
	Libraries []string       `json:"libraries"`
	Variables map[string]any `json:"variables,omitempty"`
	Arguments map[string]any `json:"arguments,omitempty"`
}

// Render evaluates a file, or the file main.jsonnet of a directory.
func (r Renderer) Render(ctx context.Context, request render.Request) (render.Result, error) {
	recorder, at := render.Record(request.Artifact), request.Path
	result := render.Result{Path: at, Format: Format}
	work, err := prepare(recorder, request)
	if err == nil {
		result.Found, err = confined.Run(ctx, confined.Job{
			Kind: Format, At: work.File, Request: work, Files: recorder, Limits: r.Limits,
		})
	}
	result.Reads = recorder.Reads()
	return result, err
}

// prepare says what to evaluate, and with what.
func prepare(recorder *render.Recorder, request render.Request) (program, error) {
	work := program{File: request.Path}
	info, err := recorder.Stat(request.Path)
	if err == nil && info.IsDir() {
		work.File = path.Join(request.Path, Main)
		_, err = recorder.Stat(work.File)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return work, fault.New(fault.NotFound, "render", work.File, "there is no such file").
			WithHint("Jsonnet renders a file, or the file main.jsonnet of a directory")
	}
	if err != nil {
		return work, render.Fault(work.File, err)
	}
	if how := request.How.Jsonnet; how != nil {
		for _, dir := range how.Libraries {
			if !fs.ValidPath(dir) {
				return work, fault.New(fault.Invalid, "render", dir, "a library is a directory of the source").
					WithHint("write it in spec.jsonnet.libraries without a leading /, and without ..")
			}
		}
		work.Libraries = slices.Clone(how.Libraries)
		work.Variables, work.Arguments = maps.Clone(how.Variables), maps.Clone(how.Arguments)
	}
	for _, root := range []string{path.Dir(work.File), "."} {
		for _, name := range libraries {
			if dir := path.Join(root, name); !slices.Contains(work.Libraries, dir) {
				work.Libraries = append(work.Libraries, dir)
			}
		}
	}
	return work, nil
}
