// Package kustomize renders kustomizations with the Kustomize library, from nothing but the artifact and the sources that are given: no
// process is started and no request made, whatever a kustomization asks for.
//
// In the order of the story: kustomize.go builds, gate.go says how many do so at a time, view.go is the artifact as the library sees it,
// layers.go what is mounted there, check.go and plugins.go what a kustomization may say, remote.go and repository.go its remote bases,
// charts.go and values.go its charts, inherit.go what it inherits from its overlays, and places.go where its objects come from.
package kustomize

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Format is the name of this renderer in results.
const Format = "kustomize"

// maxBytes bounds what a render reads, and what it makes.
const maxBytes = 256 << 20

// Options are what a renderer may use beside the artifact.
type Options struct {
	// Charts renders the charts that a kustomization names; without it, they are refused.
	Charts render.Charts
}

// Renderer renders kustomizations. Safe for concurrent use. The zero value renders all but charts.
type Renderer struct{ options Options }

var _ render.Renderer = Renderer{}

// New makes a renderer.
func New(options Options) Renderer { return Renderer{options: options} }

// Render builds the kustomization of a directory. The time that ctx allows ends it at the next file that it reads.
func (r Renderer) Render(ctx context.Context, request render.Request) (render.Result, error) {
	recorder := render.Record(request.Artifact)
	request.Artifact = recorder
	found, err := r.build(ctx, recorder, request, nil)
	return render.Result{Path: request.Path, Format: Format, Found: found, Reads: recorder.Reads()}, err
}

// PostRender builds the directory of the request, a kustomization or a component, with some objects as its first resources, and gives
// what becomes of them. What is secret in an object stays so.
func (r Renderer) PostRender(ctx context.Context, request render.Request, objects []render.Found) ([]render.Found, error) {
	recorder := render.Record(request.Artifact)
	request.Artifact = recorder
	if objects == nil {
		objects = []render.Found{}
	}
	return r.build(ctx, recorder, request, objects)
}

// build builds side by side with others, and once more alone when it turns out that the kustomization changes the library's schema.
func (r Renderer) build(
	ctx context.Context, recorder *render.Recorder, request render.Request, first []render.Found,
) ([]render.Found, error) {
	for _, alone := range []bool{false, true} {
		leave, err := enter(ctx, alone)
		if err != nil {
			return nil, fault.Wrap(fault.Transient, "render", request.Path, err)
		}
		view := newView(ctx, recorder, request)
		view.charts, view.alone, view.first = r.options.Charts, alone, first
		found, err := view.build()
		leave(view.schema)
		if alone || !view.schema {
			return found, err
		}
	}
	return nil, nil // not reached: alone returns
}

// build runs the library and takes its objects apart.
func (v *view) build() (found []render.Found, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			found, err = nil, fault.New(fault.Invalid, "render", v.path, "Kustomize gives up on this kustomization").
				WithHint("kubectl kustomize may say more")
		}
	}()
	if err := v.prepend(); err != nil {
		return nil, err
	}
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
		if len(v.secrets) > 0 {
			object = render.MarkSecrets(object, v.secrets)
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
		return fault.New(fault.Invalid, "render", v.path, "its bases lead round in a circle, back to "+v.display(inside(match[1]))).
			WithHint("a base may use neither its overlay nor a directory above itself")
	}
	return fault.New(fault.Invalid, "render", v.path, shortened(v.displayed(err.Error()))).
		WithHint("kubectl kustomize shows the same error")
}

// circle is how the library reports bases that go round.
var circle = regexp.MustCompile(`cycle detected: candidate root '([^']*)' contains visited root`)

// displayed puts the names that people know in the place of those that a layer has in the view.
func (v *view) displayed(text string) string {
	for _, layer := range slices.Backward(v.layers) {
		text = strings.ReplaceAll(text, "/"+layer.at, layer.title)
	}
	return text
}

// maxMessage bounds the library's words, which repeat themselves once for each level of bases.
const maxMessage = 1000

func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = text[:maxMessage/2] + " … " + text[len(text)-maxMessage/2:]
	}
	return strings.ToValidUTF8(text, "")
}
