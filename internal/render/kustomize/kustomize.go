// Package kustomize renders kustomizations with the Kustomize library, from nothing but the artifact: no process is started and
// no request made, whatever a kustomization asks for.
package kustomize

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Format is the name of this renderer in results.
const Format = "kustomize"

// maxBytes bounds what a render reads, and what it makes.
const maxBytes = 256 << 20

// turn is held by the one render that uses the library: its OpenAPI schema is global, and a kustomization can replace it.
var turn = make(chan struct{}, 1)

// Renderer renders kustomizations. Safe for concurrent use: renders take turns.
type Renderer struct{}

var _ render.Renderer = Renderer{}

// Render builds the kustomization of a directory. The time that ctx allows ends it at the next file that it reads.
func (Renderer) Render(ctx context.Context, request render.Request) (render.Result, error) {
	recorder, at := render.Record(request.Artifact), request.Path
	result := render.Result{Path: at, Format: Format}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return result, fault.Wrap(fault.Transient, "render", at, ctx.Err())
	}
	view := newView(ctx, recorder, at)
	found, err := build(view)
	result.Reads = recorder.Reads()
	result.Found = found
	return result, err
}

// build runs the library and takes its objects apart.
func build(v *view) (found []render.Found, err error) {
	defer func() {
		if v.schema {
			openapi.ResetOpenAPI() // or the next render would go by this one's schema
		}
		if caught := recover(); caught != nil {
			found, err = nil, fault.New(fault.Invalid, "render", v.path, "Kustomize gives up on this kustomization").
				WithHint("kubectl kustomize may say more")
		}
	}()
	options := &krusty.Options{
		Reorder: krusty.ReorderOptionNone,
		// A kustomization may use any file of the artifact, as nothing outside of it can be seen.
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	}
	resources, err := krusty.MakeKustomizer(options).Run(v, "/"+v.path)
	if err != nil {
		return nil, v.explain(err)
	}
	return v.objects(resources)
}

// objects gives each resource its place in the artifact.
func (v *view) objects(resources resmap.ResMap) ([]render.Found, error) {
	places := v.places()
	found := make([]render.Found, 0, resources.Size())
	total := 0
	for _, resource := range resources.Resources() {
		data, err := resource.MarshalJSON()
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "render", v.path, err)
		}
		if total += len(data); total > maxBytes {
			cause := fmt.Sprintf("the objects are longer than %d MiB together", maxBytes>>20)
			return nil, fault.New(fault.Invalid, "render", v.path, cause).WithHint("split it over several Syncs")
		}
		object, err := state.DecodeObject(data, state.Origin{})
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "render", v.path, err)
		}
		found = append(found, places.find(object))
	}
	return found, nil
}

// explain chooses what to say of a failure: what the view refused, what is wrong in a file that the library names, an ID that
// is there twice, or the library's own words.
func (v *view) explain(err error) error {
	if v.ctx.Err() != nil {
		return fault.Wrap(fault.Transient, "render", v.path, v.ctx.Err())
	}
	if len(v.refused) > 0 {
		return errors.Join(v.refused...)
	}
	if wrong := v.broken(err.Error()); wrong != nil {
		return wrong
	}
	if wrong := v.twice(err.Error()); wrong != nil {
		return wrong
	}
	if match := circle.FindStringSubmatch(err.Error()); match != nil {
		return fault.New(fault.Invalid, "render", v.path, "its bases lead round in a circle, back to "+inside(match[1])).
			WithHint("a base may use neither its overlay nor a directory above itself")
	}
	return fault.New(fault.Invalid, "render", v.path, shortened(err.Error())).
		WithHint("kubectl kustomize shows the same error")
}

// circle is how the library reports bases that go round.
var circle = regexp.MustCompile(`cycle detected: candidate root '([^']*)' contains visited root`)

// maxMessage bounds the library's words, which repeat themselves once for each level of bases.
const maxMessage = 1000

func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = text[:maxMessage/2] + " … " + text[len(text)-maxMessage/2:]
	}
	return strings.ToValidUTF8(text, "")
}
