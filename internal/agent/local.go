package agent

import (
	"context"
	"errors"
	"path"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// LocalConfig says what of a local checkout to render, without a cluster.
type LocalConfig struct {
	// Path of the folder or file.
	Path string
	// Sync is the name of one that is declared there: what it declares is rendered, as it says. Empty: the folder itself.
	Sync string
	// StandIns stand in for what would be pulled.
	StandIns StandIns
	// Objects are paths of manifests that stand in for ConfigMaps and Secrets of a cluster.
	Objects []string
	// How the folder itself is rendered; with Sync it is the Sync that says so.
	How v1alpha1.Rendering
	// Values are files on this machine that are merged into the values of a chart.
	Values []string
	// Name and Namespace of a release.
	Name, Namespace string
	// Environment gives the variables that may be substituted, and SOPS those that documents are decrypted with; nil for none.
	Environment func(name string) (string, bool)
	SOPS        func(name string) string
	// SOPSServices has the key services asked that a document names, which is the only use of the network.
	SOPSServices bool
}

// Render turns a folder of a local checkout into objects, with no network but key services where those are allowed.
func Render(ctx context.Context, cfg LocalConfig) (render.Result, error) {
	l, top, err := openLocal(ctx, cfg)
	if err != nil {
		return render.Result{}, err
	}
	defer l.close()
	result, err := l.renderer.Render(ctx, top)
	return result, errors.Join(err, result.Err())
}

// local renders a checkout.
type local struct {
	cfg      LocalConfig
	renderer render.Renderer
	sources  *standIns
	objects  objects
	checkout *directory.Artifact
	found    declaration // of the Sync that is asked for
	values   []valueFile // in plaintext
	keys     sops.Options
}

// declaration is that of a Sync, with what it was rendered from.
type declaration struct {
	object *state.Object
	in     render.Request
}

// openLocal opens a checkout, and says what of it to render. It is to be closed, unless there is an error.
func openLocal(ctx context.Context, cfg LocalConfig) (*local, render.Request, error) {
	artifact, inside, err := directory.Enclosing(cfg.Path)
	if err != nil {
		return nil, render.Request{}, err
	}
	l := &local{cfg: cfg, sources: newStandIns(cfg.StandIns), checkout: artifact}
	l.keys = sops.Options{Getenv: cfg.SOPS, Offline: !cfg.SOPSServices}
	err = l.readValues(ctx)
	l.renderer = newRenderer(l.keys)
	var top render.Request
	if err == nil {
		top, err = l.top(ctx, inside)
	}
	if err != nil {
		l.close()
		return nil, render.Request{}, err
	}
	return l, top, nil
}

func (l *local) close() {
	l.sources.close()
	_ = l.checkout.Close() // it was only read
}

// top says what to render: the folder, or what the Sync says that is asked for.
func (l *local) top(ctx context.Context, inside string) (render.Request, error) {
	cfg := l.cfg
	var err error
	if l.objects, err = readObjects(ctx, cfg.Objects, l.renderer); err != nil {
		return render.Request{}, err
	}
	top := l.request(l.checkout, inside, cfg.Name, l.cfg.How)
	if cfg.Sync == "" {
		return top, nil
	}
	found, err := l.search(ctx, top, 0)
	if err == nil && found == nil {
		err = fault.New(fault.NotFound, "find", "Sync "+cfg.Sync, cfg.Path+" does not declare it").
			WithHint("name the folder that holds its declaration, or that of a Sync above it")
	}
	if err != nil {
		return render.Request{}, err
	}
	return *found, nil
}

func (l *local) request(artifact source.Artifact, at, name string, how v1alpha1.Rendering) render.Request {
	return render.Request{
		Artifact: artifact, Path: path.Clean(at), Name: orElse(name, "release"), Namespace: l.cfg.Namespace, How: how,
		Outside: render.Outside{Sources: l.sources, Values: l.objects, Environ: l.cfg.Environment},
	}
}

// search looks for the declaration of the Sync that is asked for, from Sync to Sync downwards.
func (l *local) search(ctx context.Context, in render.Request, depth int) (*render.Request, error) {
	result, err := l.renderer.Render(ctx, in)
	if err != nil {
		return nil, err
	}
	var errs []error
	for object := range result.Objects.All() {
		name := object.ID().Name
		if object.ID() != self.SyncID(name) || depth > maxDepth {
			continue
		}
		below, err := l.declared(object, in)
		if name == l.cfg.Sync {
			l.found = declaration{object: object, in: in}
			return below, err
		}
		if err == nil {
			var found *render.Request
			if found, err = l.search(ctx, *below, depth+1); found != nil {
				return found, err
			}
		}
		errs = append(errs, fault.Wrap(fault.KindOf(err), "look through", "Sync "+name, err)) // it may hold the one that is asked for
	}
	return nil, errors.Join(errs...)
}

// declared says how a Sync is rendered that another declares.
func (l *local) declared(object *state.Object, parent render.Request) (*render.Request, error) {
	decoded, err := v1alpha1.DecodeSync(object)
	if err != nil {
		return nil, err
	}
	name := object.ID().Name
	tree, err := l.sources.tree(name, decoded.Spec, parent.Artifact)
	if err != nil {
		return nil, err
	}
	request := l.request(tree, decoded.Spec.Path, name, decoded.Spec.Rendering)
	request.Namespace = parent.Namespace
	if to := decoded.Spec.To; to != nil && to.Kubernetes != nil && to.Kubernetes.Namespace != "" {
		request.Namespace = to.Kubernetes.Namespace
	}
	return &request, nil
}
