package helm

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// The bounds of what charts depend on.
const (
	maxDependencyDepth = 10
	maxDependencies    = 200
)

// load gives the chart with all that it depends on. It may be changed, but for what its files hold.
func (j *job) load(ctx context.Context) (*chart.Chart, error) {
	l := loading{job: j}
	root, err := l.directory(ctx, j.artifact, j.chart, 0)
	if err != nil {
		return nil, err
	}
	j.identity = strings.Join(l.keys, "\n")
	return root, nil
}

// loading is the loading of one chart with all that it depends on.
type loading struct {
	*job

	count int
	keys  []string // of what was loaded
}

// directory loads the chart in a directory, and the dependencies that it does not bring along.
func (l *loading) directory(ctx context.Context, artifact *render.Recorder, dir string, depth int) (*chart.Chart, error) {
	if l.count++; depth > maxDependencyDepth || l.count > maxDependencies {
		const limit = "its charts depend on each other more than %d levels deep, or are more than %d"
		return nil, l.invalid(fmt.Sprintf(limit, maxDependencyDepth, maxDependencies))
	}
	artifact.Tree(dir)
	key, known := artifact.Hash(dir)
	if _, decrypts := artifact.Artifact.(render.Secretive); decrypts {
		key = "decrypted:" + key // what is encrypted for others reads as something else here
	}
	var one *loaded
	var err error
	if known {
		one, err = l.charts.get(key, func() (*loaded, error) { return read(artifact, dir) })
	} else {
		one, err = read(artifact, dir)
	}
	if err != nil {
		return nil, err
	}
	l.keys = append(l.keys, key)
	made := instance(one.chart)
	if artifact != l.artifact {
		return made, nil // a packed chart is complete, and what it does not bring it does not want
	}
	return made, l.complete(ctx, place{dir: dir, depth: depth}, made)
}

// place is the directory of a chart in the artifact of the Sync.
type place struct {
	dir   string
	depth int
}

// complete adds what a chart depends on and does not bring along in its directory charts. As with Helm, what is there is taken whatever its
// version, and what the charts there depend on is their own affair.
func (l *loading) complete(ctx context.Context, at place, c *chart.Chart) error {
	missing := missingOf(c)
	if len(missing) == 0 {
		return nil
	}
	locked, err := lockedOf(c, path.Join(at.dir, "Chart.lock"))
	if err != nil {
		return err
	}
	for _, dependency := range missing {
		sub, err := l.find(ctx, at, dependency, cmp.Or(locked[dependency], dependency.Version))
		if err != nil {
			return err
		}
		c.AddDependency(sub)
	}
	return nil
}

// missingOf gives what a chart depends on and does not bring along, each once.
func missingOf(c *chart.Chart) []*chart.Dependency {
	var missing []*chart.Dependency
	for _, wanted := range c.Metadata.Dependencies {
		there := slices.ContainsFunc(c.Dependencies(), func(sub *chart.Chart) bool { return sub.Name() == wanted.Name })
		twice := slices.ContainsFunc(missing, func(other *chart.Dependency) bool {
			return other.Name == wanted.Name && other.Version == wanted.Version && other.Repository == wanted.Repository
		})
		if !there && !twice {
			missing = append(missing, wanted)
		}
	}
	return missing
}

// find loads one dependency from where its repository says.
func (l *loading) find(ctx context.Context, at place, wanted *chart.Dependency, version string) (*chart.Chart, error) {
	item := fmt.Sprintf("%s: dependency %s", path.Join(at.dir, "Chart.yaml"), wanted.Name)
	var sub *chart.Chart
	var err error
	switch scheme, rest, _ := strings.Cut(wanted.Repository, "://"); {
	case scheme == "file":
		sub, err = l.beside(ctx, at, item, rest)
	case scheme == "https", scheme == "http", scheme == "oci":
		sub, err = l.pulled(ctx, at, item, v1alpha1.HelmSource{URL: wanted.Repository, Chart: wanted.Name, Version: version})
	case strings.HasPrefix(wanted.Repository, "@"), strings.HasPrefix(wanted.Repository, "alias:"):
		return nil, fault.New(fault.Invalid, "resolve", item, fmt.Sprintf("%q names a repository of one machine", wanted.Repository)).
			WithHint("write the repository's URL, or put the chart into the directory charts")
	default:
		return nil, fault.New(fault.NotFound, "resolve", item, "it is not in the directory charts").
			WithHint("put it there with helm dependency build, or say in Chart.yaml which repository it comes from")
	}
	if err != nil {
		return nil, err
	}
	if sub.Name() != wanted.Name || !chartutil.IsCompatibleRange(wanted.Version, sub.Metadata.Version) {
		cause := fmt.Sprintf("there is chart %s %s, and wanted is %s %s", sub.Name(), sub.Metadata.Version, wanted.Name, wanted.Version)
		return nil, fault.New(fault.Invalid, "resolve", item, cause)
	}
	return sub, nil
}

// beside loads a chart of the same artifact.
func (l *loading) beside(ctx context.Context, at place, item, reference string) (*chart.Chart, error) {
	dir := path.Join(at.dir, reference)
	if path.IsAbs(reference) || dir == ".." || strings.HasPrefix(dir, "../") {
		return nil, fault.New(fault.Invalid, "resolve", item, fmt.Sprintf("file://%s leads out of the source", reference)).
			WithHint("file:// takes a path from the directory of the chart to another in the same source")
	}
	return l.directory(ctx, l.artifact, dir, at.depth+1)
}

// pulled loads a chart of another source.
func (l *loading) pulled(ctx context.Context, at place, item string, from v1alpha1.HelmSource) (*chart.Chart, error) {
	sources := l.request.Outside.Sources
	if sources == nil {
		return nil, fault.New(fault.NotFound, "resolve", item, "no source can be asked for it here").
			WithHint("put it into the directory charts with helm dependency build")
	}
	artifact, err := sources.Artifact(ctx, v1alpha1.SourceSpec{Helm: &from})
	if err != nil {
		return nil, passOn("resolve", item, err)
	}
	return l.directory(ctx, render.Record(artifact), chartIn(artifact, from.Chart), at.depth+1)
}

// chartIn gives the directory of the chart in the artifact of a Helm source.
func chartIn(artifact source.Artifact, name string) string {
	if info, err := artifact.Stat("Chart.yaml"); err == nil && !info.IsDir() {
		return "."
	}
	return name
}
