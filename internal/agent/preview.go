package agent

import (
	"context"
	"errors"
	"path"
	"regexp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/directory"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/kube"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// Preview says what a local folder would change in the cluster if it were committed, changing nothing: the Sync it stands for,
// and every child Sync in it that follows the same source. The cluster itself is asked (server-side dry-run).
func Preview(ctx context.Context, cfg PreviewConfig) ([]Previewed, error) {
	artifact, err := directory.Open(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = artifact.Close() }()
	p := &preview{cfg: cfg, artifact: artifact, renderer: newRenderer(), seen: map[string]bool{}}
	p.clusters = newClusters(Config{
		Name: cfg.Name, Kubeconfig: cfg.Kubeconfig, Context: cfg.Context, Namespace: cfg.Namespace, Log: cfg.Log,
	})
	defer p.clusters.close()
	to := v1alpha1.ToKubernetes{Kubeconfig: cfg.Kubeconfig, Context: cfg.Context, Namespace: cfg.Namespace}
	if p.cfg.Name == "" {
		if p.cfg.Name, err = p.findAgent(ctx, to); err != nil {
			return nil, err
		}
	}
	root := effective{to: to}
	root.spec.Path = cfg.Path
	p.sync(ctx, orElse(cfg.Sync, self.Root), root)
	return p.found, nil
}

type preview struct {
	cfg      PreviewConfig
	artifact source.Artifact
	renderer render.Renderer
	clusters *clusters
	seen     map[string]bool
	found    []Previewed
}

// findAgent gives the name of the agent that drives the cluster, when there is only one.
func (p *preview) findAgent(ctx context.Context, to v1alpha1.ToKubernetes) (string, error) {
	cluster, err := p.clusters.target(ctx, to)
	if err != nil {
		return "", err
	}
	if cluster == nil {
		return "", noCluster()
	}
	names, err := cluster.(*kube.Target).Agents(ctx)
	if err != nil {
		return "", err
	}
	switch len(names) {
	case 0:
		return "preview", nil // nobody owns anything there yet
	case 1:
		return names[0], nil
	}
	return "", fault.New(fault.Conflict, "find", "the agent of this cluster", "there are several").
		WithHint("say which one with --name")
}

// sync compares one Sync, and then its children.
func (p *preview) sync(ctx context.Context, name string, e effective) {
	if p.seen[name] {
		return
	}
	p.seen[name] = true
	one := Previewed{Sync: name, Path: e.spec.Path, Changes: []v1alpha1.Change{}}
	result, err := p.renderer.Render(ctx, p.artifact, path.Clean(e.spec.Path))
	if err != nil {
		one.Problems = problems(err)
		p.found = append(p.found, one)
		return
	}
	children := result.Objects.Filter(func(object *state.Object) bool { return isSelf(object.ID()) })
	one.Problems = problems(errors.Join(result.Err(), p.compare(ctx, &one, e, result.Objects)))
	p.found = append(p.found, one)
	for object := range children.All() {
		if object.Kind() == v1alpha1.KindSync {
			p.child(ctx, object, e)
		}
	}
}

// child follows a declaration when it is about the same checkout.
func (p *preview) child(ctx context.Context, object *state.Object, parent effective) {
	decoded, err := v1alpha1.DecodeSync(object)
	name := object.ID().Name
	if err != nil {
		p.found = append(p.found, Previewed{Sync: name, Problems: problems(err)})
		return
	}
	if decoded.Spec.Source != nil {
		return // another source: the checkout says nothing about it
	}
	e := effective{spec: decoded.Spec, to: parent.to, parent: name}
	if err := narrow(&e, name); err != nil {
		p.found = append(p.found, Previewed{Sync: name, Path: e.spec.Path, Problems: problems(err)})
		return
	}
	p.sync(ctx, name, e)
}

func (p *preview) compare(ctx context.Context, one *Previewed, e effective, objects state.Set) error {
	cluster, err := p.clusters.target(ctx, e.to)
	if err == nil && cluster == nil {
		err = noCluster()
	}
	if err != nil {
		return err
	}
	query := target.Query{
		Owner: state.Owner{Agent: p.cfg.Name, Sync: one.Sync}, Exact: true, Ignore: ignores(e.spec.Ignore),
		Want: objects.Filter(func(object *state.Object) bool { return !isSelf(object.ID()) }),
	}
	query, refused := withoutHost(query)
	report, err := cluster.Compare(ctx, query)
	if err != nil {
		return err
	}
	report.Entries = append(report.Entries, refused...)
	one.Changes = changesOf(report, e.spec.Prune == nil || *e.spec.Prune)
	return nil
}

func problems(err error) []v1alpha1.Problem {
	var all []v1alpha1.Problem
	for _, part := range fault.Flatten(err) {
		all = append(all, httpapi.Problem(part))
	}
	return all
}

// ignores reads a declaration's rules.
func ignores(declared []v1alpha1.Ignore) []diff.Ignore {
	var rules []diff.Ignore
	for _, ignore := range declared {
		rules = append(rules, diff.Ignore{
			ID:     state.ID{Group: ignore.Group, Kind: ignore.Kind, Namespace: ignore.Namespace, Name: ignore.Name},
			Fields: ignore.Fields,
		})
	}
	return rules
}

var fullCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// refsOf reads a revision as people write it: a commit, else a branch or a tag.
func refsOf(revision string) []v1alpha1.GitRef {
	if fullCommit.MatchString(revision) {
		return []v1alpha1.GitRef{{Commit: revision}}
	}
	return []v1alpha1.GitRef{{Branch: revision}, {Tag: revision}}
}
