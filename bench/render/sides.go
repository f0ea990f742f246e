package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/tools"
)

// chart renders a chart on both sides.
func chart(ctx context.Context, dir string) (pair, error) {
	program, err := tools.Build(ctx, "helm")
	if err != nil {
		return pair{}, err
	}
	files := chartFiles()
	if err := write(dir, files); err != nil {
		return pair{}, err
	}
	formats := render.Formats{Helm: helm.New(helm.Options{})}
	how := v1alpha1.Rendering{Helm: &v1alpha1.Helm{Chart: "chart"}}
	at := revisions{formats: formats, path: "chart", how: how}
	return pair{
		what:    "a chart of 24 objects",
		command: commanded(program, "template", "release", filepath.Join(dir, "chart")),
		process: func(ctx context.Context) (int, error) { return at.render(ctx, files) },
		again: func(ctx context.Context) (int, error) {
			return at.render(ctx, changed(files, "chart/values.yaml", "1.0", fmt.Sprintf("1.0.%d", at.count)))
		},
	}, nil
}

// overlay builds a kustomization on both sides.
func overlay(ctx context.Context, dir string) (pair, error) {
	program, err := tools.Build(ctx, "kustomize")
	if err != nil {
		return pair{}, err
	}
	files := overlayFiles()
	if err := write(dir, files); err != nil {
		return pair{}, err
	}
	at := revisions{formats: render.Formats{Kustomize: kustomize.Renderer{}}, path: "production"}
	return pair{
		what:    "an overlay on a base of 40 objects",
		command: commanded(program, "build", filepath.Join(dir, "production")),
		process: func(ctx context.Context) (int, error) { return at.render(ctx, files) },
		again: func(ctx context.Context) (int, error) {
			return at.render(ctx, changed(files, "production/patch.yaml", "5", fmt.Sprint(5+at.count)))
		},
	}, nil
}

// revisions renders one revision after the other.
type revisions struct {
	formats render.Formats
	path    string
	how     v1alpha1.Rendering
	count   int
}

func (r *revisions) render(ctx context.Context, files map[string]string) (int, error) {
	r.count++
	artifact := memory.New(state.Revision{ID: fmt.Sprint(r.count)}, files)
	result, err := r.formats.Render(ctx, render.Request{Artifact: artifact, Path: r.path, Name: "release", How: r.how})
	return result.Objects.Len(), err
}

// commanded runs a command, and counts the objects that it writes.
func commanded(program string, args ...string) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		command := exec.CommandContext(ctx, program, args...)
		var said bytes.Buffer
		command.Stderr = &said
		out, err := command.Output()
		if err != nil {
			return 0, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, said.Bytes())
		}
		return bytes.Count(append([]byte("\n"), out...), []byte("\nkind: ")), nil
	}
}
