package agent

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// Preview says what a local folder would change in the cluster and on this host if it were committed, changing nothing: the Sync it
// stands for, every child Sync in it that follows the same source, and, with an agent that tells what it has now, the Syncs that would be
// changed or removed. The cluster itself is asked (server-side dry-run).
func Preview(ctx context.Context, cfg PreviewConfig) ([]Previewed, error) {
	artifact, err := directory.Open(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = artifact.Close() }()
	p := &preview{
		cfg: cfg, artifact: artifact, renderer: newRenderer(sops.Options{Getenv: cfg.SOPS}), sources: newStandIns(cfg.StandIns),
		seen:       map[string]bool{},
		namespaces: map[string]bool{}, kinds: map[state.GroupKind]bool{},
	}
	defer p.sources.close()
	p.clusters = newClusters(Config{
		Name: cfg.Name, NoCluster: cfg.NoCluster, Kubeconfig: cfg.Kubeconfig, Context: cfg.Context, Namespace: cfg.Namespace, Log: cfg.Log,
	})
	defer p.clusters.close()
	here := Config{Name: cfg.Name, Data: cfg.Data, HostRoot: orElse(cfg.HostRoot, "/"), Log: cfg.Log}
	p.host = &thisHost{cfg: here.hostConfig(keyAt(cfg.Data))}
	p.host.cfg.ReadOnly = true
	defer func() { _ = p.host.close() }() // nothing was written
	top, err := p.effective(orElse(cfg.Sync, self.Root))
	if err != nil {
		return nil, err
	}
	top.spec.Path = cfg.Path
	if err := p.nameAgent(ctx, top.to); err != nil {
		return nil, err
	}
	p.walk(ctx, orElse(cfg.Sync, self.Root), top, artifact)
	found := make([]Previewed, 0, len(p.todo))
	for _, one := range p.todo {
		found = append(found, p.compare(ctx, one))
	}
	return found, nil
}

type preview struct {
	cfg        PreviewConfig
	artifact   source.Artifact
	renderer   render.Renderer
	sources    *standIns
	clusters   *clusters
	host       *thisHost
	seen       map[string]bool
	todo       []previewing
	namespaces map[string]bool // that the folder declares
	kinds      map[state.GroupKind]bool
}

// previewing is one Sync on the way to being compared.
type previewing struct {
	shown   Previewed
	e       effective
	objects state.Set
	wrong   error
	gone    bool // the Sync would be removed; its changes are known already
}

// nameAgent finds out whose objects the preview is about: those of the agent that is named, that answers, or that is the only
// one to drive the cluster.
func (p *preview) nameAgent(ctx context.Context, to v1alpha1.ToKubernetes) error {
	if p.cfg.Name == "" && p.cfg.Known != nil {
		p.cfg.Name = p.cfg.Known.Name
	}
	if p.cfg.Name != "" {
		return nil
	}
	names, err := p.agents(ctx, to)
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		p.cfg.Name = "preview" // nobody owns anything there yet
	case len(names) == 1:
		p.cfg.Name = names[0]
	default:
		return &fault.Error{Op: "find", Item: "the agent whose Sync this is", Kind: fault.Conflict,
			Err: errors.New("there are several"), Hint: "say which one with --name: " + strings.Join(names, ", ")}
	}
	return nil
}

// agents gives the names of those that own something in the cluster or on this host.
func (p *preview) agents(ctx context.Context, to v1alpha1.ToKubernetes) ([]string, error) {
	opened, err := p.host.get(ctx)
	if err != nil {
		return nil, err
	}
	names := opened.Agents()
	cluster, err := p.clusters.target(ctx, to)
	if err != nil || cluster == nil {
		return names, err
	}
	driver, ok := cluster.(*kube.Target)
	if !ok {
		return nil, fault.New(fault.Internal, "find", "the agent of this cluster", "the target is of another kind")
	}
	more, err := driver.Agents(ctx)
	names = append(names, more...)
	slices.Sort(names)
	return slices.Compact(names), err
}

// effective gives what the Sync that the folder stands for inherits, as far as the agent tells.
func (p *preview) effective(name string) (effective, error) {
	top := effective{to: v1alpha1.ToKubernetes{Kubeconfig: p.cfg.Kubeconfig, Context: p.cfg.Context, Namespace: p.cfg.Namespace}}
	if name == self.Root || p.cfg.Known == nil {
		return top, nil
	}
	known, ok := p.cfg.Known.Declared[self.SyncID(name)]
	if !ok {
		return top, fault.New(fault.NotFound, "preview", "Sync "+name, "the agent has no such Sync").
			WithHint("see them all with `setpoint status`")
	}
	above, err := p.effective(known.Parent)
	if err != nil {
		return top, err
	}
	return inherit(known.Object, above)
}

// inherit gives a child's declaration with what it has from its parent.
func inherit(object *state.Object, above effective) (effective, error) {
	decoded, err := v1alpha1.DecodeSync(object)
	if err != nil {
		return effective{}, err
	}
	e := effective{spec: decoded.Spec, to: above.to}
	return e, narrow(&e, object.ID().Name)
}

// walk renders a Sync, and then its children.
func (p *preview) walk(ctx context.Context, name string, e effective, tree source.Artifact) {
	if p.seen[name] {
		return
	}
	p.seen[name] = true
	one := previewing{shown: Previewed{Sync: name, Path: e.spec.Path, Changes: []v1alpha1.Change{}}, e: e}
	result, err := p.renderer.Render(ctx, p.request(name, e, tree))
	if err != nil {
		one.gone, one.shown.Problems = true, problems(err)
		p.todo = append(p.todo, one)
		return
	}
	one.objects, one.wrong = result.Objects, result.Err()
	p.todo = append(p.todo, one)
	for object := range result.Objects.All() {
		switch id := object.ID(); {
		case id.Group == "" && id.Kind == "Namespace":
			p.namespaces[id.Name] = true
		case id.Kind == "CustomResourceDefinition":
			p.kinds[plan.Defines(object)] = true
		case id == self.SyncID(id.Name):
			p.child(ctx, object, e, tree)
		}
	}
	p.removed(name, result.Objects)
}

// child follows a declaration when it is about the same checkout, or about a directory that stands in for its source.
func (p *preview) child(ctx context.Context, object *state.Object, parent effective, tree source.Artifact) {
	name := object.ID().Name
	e, err := inherit(object, parent)
	if err == nil && e.spec.Source != nil {
		if _, unknown := p.sources.of(*e.spec.Source, name); fault.KindOf(unknown) == fault.NotFound {
			return // with another source the checkout says nothing about it
		}
	}
	if err == nil {
		tree, err = p.sources.tree(name, e.spec, tree)
	}
	if err != nil {
		p.todo = append(p.todo, previewing{shown: Previewed{Sync: name, Path: e.spec.Path, Problems: problems(err)}, gone: true})
		return
	}
	p.walk(ctx, name, e, tree)
}

// request says how a Sync is rendered: with the values and the answers of the cluster that it is compared with.
func (p *preview) request(name string, e effective, tree source.Artifact) render.Request {
	asked := clusterOf{clusters: p.clusters, to: e.to}
	return render.Request{
		Artifact: tree, Path: path.Clean(e.spec.Path), Name: name, Namespace: e.to.Namespace, How: e.spec.Rendering,
		Outside: render.Outside{Sources: p.sources, Values: asked, Cluster: asked, Environ: p.cfg.Environment},
	}
}

// compare finds the changes of one Sync.
func (p *preview) compare(ctx context.Context, one previewing) Previewed {
	if one.gone {
		return one.shown
	}
	changes, err := p.onTargets(ctx, one)
	one.shown.Changes = append(p.inAgent(one), changes...)
	one.shown.Problems = problems(errors.Join(one.wrong, err))
	slices.SortStableFunc(one.shown.Changes, func(a, b v1alpha1.Change) int { return a.ID.Compare(b.ID) })
	return one.shown
}

func (p *preview) onTargets(ctx context.Context, one previewing) ([]v1alpha1.Change, error) {
	query := target.Query{
		Owner: state.Owner{Agent: p.cfg.Name, Sync: one.shown.Sync}, Exact: true, Ignore: ignores(one.e.spec.Ignore),
		Want: one.objects.Filter(func(object *state.Object) bool { return !isSelf(object.ID()) }),
	}
	systems := &targets{host: p.host.part(one.e.to), cluster: p.clusters.part(one.e.to)}
	report, err := systems.Compare(ctx, query)
	if err != nil {
		return nil, err
	}
	for i := range report.Entries {
		p.allow(&report.Entries[i], one.e.to.Namespace)
	}
	return changesOf(report, one.e.spec.Prune == nil || *one.e.spec.Prune), errors.Join(report.Unknown...)
}

// allow takes back a refusal that is only for want of what the same folder declares: a namespace, the definition of a kind.
func (p *preview) allow(entry *diff.Entry, namespace string) {
	if entry.Op == diff.Create && fault.KindOf(entry.Err) == fault.NotFound &&
		(p.namespaces[orElse(entry.ID.Namespace, namespace)] || p.kinds[entry.ID.GroupKind()]) {
		entry.Err = nil
	}
}
