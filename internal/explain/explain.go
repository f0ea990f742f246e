// Package explain says where each field of a rendered object comes from: a line of a manifest, a patch, a field of a kustomization, a
// template and the values that it uses, a variable, an import. Renderers are black boxes to it. It reads what is written, and where several
// things could have made a field it renders again without one of them, or with another value, and looks whether the field changes. What
// cannot be told like that is told less exactly; nothing is guessed.
//
// In the order of the story: explain.go joins the rest, flat.go takes objects apart into fields, rendering.go renders again within bounds,
// overlaid.go changes a file for that; manifests.go, layer.go and chart.go are what objects come from: files, kustomizations and charts.
// kustomization.go, child.go, without.go, patch.go and generator.go belong to the second, values.go and perturb.go to the third.
// variables.go says what substitution has put in, and place.go names places.
package explain

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Config says what to explain.
type Config struct {
	Renderer render.Renderer
	// Request is what is rendered, as it would be without being explained.
	Request render.Request
	// Files is the artifact of the request as it is to be read: decrypted, where documents are encrypted.
	Files source.Artifact
	// Sync is the declaration that the request comes from; the zero value when it comes from none.
	Sync Declaration
	// ValueFiles are files outside of the artifact that the values of a chart come from, a later one over an earlier one.
	ValueFiles []ValueFile
	// Wanted says which objects to explain; nil for all.
	Wanted func(state.ID) bool
	// Progress hears what is being done when it takes long; nil for nobody.
	Progress func(text string)
	// Limit is for how long things may be rendered again. Default 30 s. What is not known then is told less exactly.
	Limit time.Duration
}

// Declaration is that of a Sync, with the artifact that it was read from.
type Declaration struct {
	Object *state.Object
	Files  source.Artifact
}

// ValueFile is a file of values of a chart.
type ValueFile struct {
	Name string
	Data []byte
}

// Explained is an object with the origins of its fields.
type Explained struct {
	Object *state.Object
	// Because are the values without which there would be no such object.
	Because []Place

	declared Place
	leaves   []leaf
	places   map[string][]Place // by the pointers of the leaves
}

// From gives where the field at a pointer (RFC 6901) comes from: what is most telling first, and never nothing. For a mapping or list it is
// where all that is in it comes from.
func (e Explained) From(pointer string) []Place {
	var all []Place
	for _, leaf := range e.leaves {
		if below(leaf.pointer, pointer) {
			all = add(all, e.places[leaf.pointer]...)
		}
	}
	if len(all) == 0 {
		return []Place{e.declared}
	}
	return all
}

// Result is what was found out.
type Result struct {
	Objects []Explained // in the order of their IDs
	// Format that the objects are read as, as in render.Result.
	Format string
	// Partial says that there was not enough time, or too much to try: some origins are told less exactly.
	Partial bool
}

// Explain renders a request, and says where what comes of it comes from. Errors are those of rendering it once.
func Explain(ctx context.Context, cfg Config) (Result, error) {
	x := &explainer{cfg: cfg, memory: &memory{}, layers: map[string]*layer{}, files: map[string]*manifests{}, read: map[string]bool{}}
	cfg.Request.Outside.Memory = x.memory
	x.cfg.Request.Outside.Memory = x.memory
	result, err := cfg.Renderer.Render(ctx, cfg.Request)
	if err != nil {
		return Result{}, err
	}
	if err := result.Err(); err != nil {
		return Result{}, err
	}
	x.again = newRendering(cfg)
	top, err := x.top(ctx, result.Format)
	if err != nil {
		return Result{}, err
	}
	written, err := top.objects(ctx)
	if err != nil {
		return Result{}, err
	}
	if len(written) != len(result.Found) {
		return Result{}, fault.New(fault.Internal, "explain", cfg.Request.Path, "it gives other objects when it is rendered again")
	}
	out := Result{Format: result.Format}
	variables := x.variables(ctx)
	for i, found := range result.Found {
		object := result.Objects.Get(found.Object.ID())
		if object == nil || cfg.Wanted != nil && !cfg.Wanted(object.ID()) {
			continue
		}
		out.Objects = append(out.Objects, x.explained(ctx, pair{top: top, written: written[i], object: object, variables: variables}))
	}
	slices.SortFunc(out.Objects, func(a, b Explained) int { return a.Object.ID().Compare(b.Object.ID()) })
	out.Partial = x.again.spent
	return out, nil
}

// explainer is one run.
type explainer struct {
	cfg    Config
	memory *memory
	again  *rendering
	layers map[string]*layer     // by their directories
	files  map[string]*manifests // by their names
	read   map[string]bool       // files that were looked at
}

// maker is what objects come from.
type maker interface {
	// objects gives what it makes, in its order, always the same.
	objects(ctx context.Context) ([]*made, error)
	// from says where a field of one of these objects comes from; never nothing.
	from(ctx context.Context, object *made, path string) []Place
	// because gives the values without which there would be no such object.
	because(ctx context.Context, object *made) []Place
}

// languages are the formats that are evaluated, for people.
var languages = map[string]string{"jsonnet": "Jsonnet", "cue": "CUE"}

// top is what the objects of the request come from.
func (x *explainer) top(ctx context.Context, format string) (maker, error) {
	how := x.cfg.Request.How.Helm
	switch {
	case format == "helm" && how != nil && how.PostRender != "":
		return x.postRendered(ctx, how.PostRender)
	case format == "helm":
		return x.chart(), nil
	case format == "kustomize":
		return x.layer(ctx, x.cfg.Request.Path, 0)
	case format == "plain":
		return &folder{x: x}, nil
	}
	return &folder{x: x, language: languages[format]}, nil
}

// pair is an object as it is, and as it was before variables were replaced and files of the source taken in.
type pair struct {
	top       maker
	written   *made
	object    *state.Object
	variables map[string]Place
}

func (x *explainer) explained(ctx context.Context, p pair) Explained {
	final := flatten(p.object)
	pointers := x.pointers(p)
	e := Explained{Object: p.object, Because: p.top.because(ctx, p.written), leaves: final.leaves, declared: x.declared(p.written)}
	e.places = make(map[string][]Place, len(final.leaves))
	for _, leaf := range final.leaves {
		e.places[leaf.pointer] = x.field(ctx, p, pointers, leaf.pointer)
	}
	return e
}

// field says where one field comes from.
func (x *explainer) field(ctx context.Context, p pair, pointers map[string]string, pointer string) []Place {
	written, ok := pointers[pointer]
	if !ok {
		return x.resolved(ctx, p, pointer)
	}
	leaf, ok := p.written.at(written)
	if !ok {
		return []Place{x.declared(p.written)}
	}
	return add(p.top.from(ctx, p.written, leaf.path), used(p, leaf, pointer)...)
}

// add appends places that are not there yet.
func add(places []Place, more ...Place) []Place {
	for _, one := range more {
		if !slices.Contains(places, one) {
			places = append(places, one)
		}
	}
	return places
}

// below says whether a pointer leads to a field or into it.
func below(pointer, field string) bool {
	return pointer == field || strings.HasPrefix(pointer, field+"/")
}
