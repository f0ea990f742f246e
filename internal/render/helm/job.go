package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// job is one render of one chart.
type job struct {
	*Renderer
	request  render.Request
	artifact *render.Recorder

	chart           string // the path of its directory
	name, namespace string // of the release
	given           given
	crds            string // one of the words of v1alpha1.Helm
	kubeVersion     string
	apiVersions     []string

	noHooks, noTests, noSchema bool
	// shared: other charts are rendered with the same memory of random values, which is theirs too.
	shared bool

	identity string // of the chart's content with all that it depends on, as far as it is known
	secrets  secrets
}

// run renders the chart, up to manifests.
func (j *job) run(ctx context.Context) (*rendered, error) {
	if err := chartutil.ValidateReleaseName(j.name); err != nil {
		return nil, fault.New(fault.Invalid, "render", j.chart, fmt.Sprintf("a release cannot be named %q", j.name)).
			WithHint("name it by helm.release: at most 53 small letters, digits, - and ., with a letter or digit at each end")
	}
	values, layers, err := j.values(ctx)
	if err != nil {
		return nil, err
	}
	root, err := j.load(ctx)
	if err != nil {
		return nil, err
	}
	capabilities, err := j.capabilities(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := j.prepare(root, values, capabilities)
	if err != nil {
		return nil, err
	}
	layers = append([]layer{{name: j.place("values.yaml"), values: tree.Values}}, layers...)
	top, err := j.renderValues(tree, values, layers, capabilities)
	if err != nil {
		return nil, err
	}
	files, err := j.execute(ctx, tree, top)
	if err != nil {
		return nil, err
	}
	return j.sort(tree, values, files)
}

// prepare makes a chart ready for one render, in a copy: with the subcharts that the values enable.
func (j *job) prepare(root *chart.Chart, values map[string]any, capabilities *common.Capabilities) (tree *chart.Chart, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			tree, err = nil, j.invalid("Helm gives up on the values of this chart")
		}
	}()
	tree = instance(root)
	if kind := tree.Metadata.Type; kind != "" && kind != "application" {
		return nil, j.invalid(fmt.Sprintf("a chart of type %q cannot be installed", kind)).
			WithHint("make a chart of type application that depends on it")
	}
	wanted := tree.Metadata.KubeVersion
	if wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		cause := fmt.Sprintf("the chart wants Kubernetes %s, and this is %s", wanted, capabilities.KubeVersion.Version)
		return nil, j.invalid(cause).WithHint("take a version of the chart that supports the cluster")
	}
	if err := chartutil.ProcessDependencies(tree, values); err != nil {
		return nil, j.invalid(err.Error())
	}
	return tree, nil
}

// capabilities are those of the cluster, and Helm's own where there is none.
func (j *job) capabilities(ctx context.Context) (*common.Capabilities, error) {
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.HelmVersion.Version = cmp.Or(version(), capabilities.HelmVersion.Version)
	kube := j.kubeVersion
	if cluster := j.request.Outside.Cluster; cluster != nil {
		served, err := cluster.Capabilities(ctx)
		if err != nil {
			return nil, err
		}
		capabilities.APIVersions = served.APIVersions
		kube = cmp.Or(kube, served.Version)
	}
	capabilities.APIVersions = slices.Concat(capabilities.APIVersions, j.apiVersions)
	if kube != "" {
		parsed, err := common.ParseKubeVersion(kube)
		if err != nil {
			return nil, j.invalid(fmt.Sprintf("%q is no version of Kubernetes", kube))
		}
		capabilities.KubeVersion = *parsed
	}
	return capabilities, nil
}

// version is that of the Helm that this program is built with, which the library does not know by itself; "" when it is not known either.
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range info.Deps {
		if module.Path == "helm.sh/helm/v4" {
			return module.Version
		}
	}
	return ""
})

// invalid is an error that only the chart's or the Sync's author can mend.
func (j *job) invalid(cause string) *fault.Error {
	return fault.New(fault.Invalid, "render", j.chart, cause)
}

// passOn keeps an error of what was asked for beside the artifact, if it is a fault already.
func passOn(op, item string, err error) error {
	if known, ok := errors.AsType[*fault.Error](err); ok && known != nil {
		return err
	}
	return fault.Wrap(fault.KindOf(err), op, item, err)
}
