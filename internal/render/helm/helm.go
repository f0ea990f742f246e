// Package helm renders charts by Helm's own library, from nothing but artifacts: no process is started and no request made; what a chart
// wants to know of a cluster, or to have of another source, goes through render.Outside.
//
// In the order of the story: chart.go and archive.go load a chart, cache.go keeps it, dependencies.go and lock.go find what it depends on,
// values.go and schema.go gather and check what it is given, instance.go joins all that for one render; engine.go executes the templates,
// which guard.go, budget.go, weight.go and growth.go keep within bounds, with the functions of functions.go, random.go and clock.go;
// manifests.go and objects.go make objects of the text, and release.go the record that the helm command reads.
package helm

import (
	"cmp"
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// Format is the name of this renderer in results.
const Format = "helm"

// Options of a Renderer. The zero value is good.
type Options struct {
	// PostRender builds the directory request.Path with the given objects as its first resources; nil where nothing can.
	PostRender func(ctx context.Context, request render.Request, objects []render.Found) ([]render.Found, error)
	// CacheBytes bounds the charts that are kept loaded. Default 128 MiB.
	CacheBytes int64
	// Now is the clock. Default time.Now.
	Now func() time.Time

	limits limits // of templates; the default for what is zero
}

// Renderer renders charts. Safe for concurrent use. It keeps the charts that were rendered last loaded, by their content.
type Renderer struct {
	options Options
	charts  *cache
}

var (
	_ render.Renderer = (*Renderer)(nil)
	_ render.Charts   = (*Renderer)(nil)
)

// New makes a renderer.
func New(options Options) *Renderer {
	options.CacheBytes = cmp.Or(options.CacheBytes, defaultCacheBytes)
	options.limits = options.limits.orDefault()
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Renderer{options: options, charts: newCache(options.CacheBytes)}
}

// Render renders the chart that a Sync names, or the one at the request's path. Objects come in the order of helm template: definitions of
// the directory crds, then what is installed, then hooks; hooks that only test are left out, as nothing here would run them.
func (r *Renderer) Render(ctx context.Context, request render.Request) (render.Result, error) {
	recorder := render.Record(request.Artifact)
	request.Artifact = recorder
	how := request.How.Helm
	if how == nil {
		how = &v1alpha1.Helm{}
	}
	one := job{
		Renderer: r, request: request, artifact: recorder,
		chart:   cmp.Or(how.Chart, request.Path),
		name:    cmp.Or(how.Release, request.Name),
		given:   given{from: how.ValuesFrom, inline: how.Values},
		crds:    cmp.Or(how.CRDs, v1alpha1.CRDsUpdate),
		noHooks: how.SkipHooks, noTests: true, noSchema: how.SkipSchema,
	}
	one.namespace = cmp.Or(how.Namespace, request.Namespace, defaultNamespace)
	result := render.Result{Path: request.Path, Format: Format}
	err := one.render(ctx, how, &result)
	result.Reads = recorder.Reads()
	return result, one.scrubber().Error(err)
}

const defaultNamespace = "default"

// render fills a result.
func (j *job) render(ctx context.Context, how *v1alpha1.Helm, result *render.Result) error {
	made, err := j.run(ctx)
	if err != nil {
		return err
	}
	found, err := j.objects(made)
	if err != nil {
		return err
	}
	if how.PostRender != "" {
		if found, err = j.postRender(ctx, how.PostRender, found, made); err != nil {
			return err
		}
	}
	if how.Record == nil || *how.Record {
		if result.Release, err = j.release(how, made); err != nil {
			return err
		}
	}
	result.Found = j.finish(found, made)
	return nil
}

// Chart gives the manifests of a chart as helm template prints them: definitions when they are asked for, then what is installed, then
// hooks. KubeVersion and APIVersions stand for a cluster when there is none, and add to it when there is.
func (r *Renderer) Chart(ctx context.Context, request render.ChartRequest) (manifests []byte, secrets []string, err error) {
	recorder := render.Record(request.Artifact)
	request.Artifact = recorder
	one := job{
		Renderer: r, request: request.Request, artifact: recorder, chart: request.Path, shared: true,
		name:      cmp.Or(request.Release, request.Name, "release-name"),
		namespace: cmp.Or(request.Namespace, request.Request.Namespace, defaultNamespace),
		given:     given{inline: request.Values},
		crds:      v1alpha1.CRDsSkip, noHooks: request.NoHook, noTests: request.SkipTests,
		kubeVersion: request.KubeVersion, apiVersions: request.APIVersions,
	}
	if request.CRDs {
		one.crds = v1alpha1.CRDsUpdate
	}
	made, err := one.run(ctx)
	if err != nil {
		return nil, nil, one.scrubber().Error(err)
	}
	return made.text(), one.secrets.all(), nil
}

// postRender gives the chart's objects to a kustomization, and has what comes of it in the release too.
func (j *job) postRender(ctx context.Context, at string, found []render.Found, made *rendered) ([]render.Found, error) {
	if j.options.PostRender == nil {
		return nil, fault.New(fault.Invalid, "render", at, "nothing is there to post-render with")
	}
	request := j.request
	request.Path, request.How.Helm = at, nil
	found, err := j.options.PostRender(ctx, request, found)
	if err != nil {
		return nil, err
	}
	return found, made.replace(found)
}
