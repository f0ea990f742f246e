package helm

import (
	"cmp"
	"encoding/json"

	release "helm.sh/helm/v4/pkg/release/v1"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// release gives the record of what was rendered, as Helm itself would keep it.
func (j *job) release(how *v1alpha1.Helm, made *rendered) (*render.Release, error) {
	record := release.Release{
		Name: j.name, Namespace: j.namespace, Chart: made.chart, Config: made.values,
		Manifest: stream(made.manifests), Hooks: made.hooks, Info: &release.Info{Notes: made.notes},
		ApplyMethod: string(release.ApplyMethodServerSideApply),
	}
	data, err := json.Marshal(record)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "record", "release "+j.name, err)
	}
	return &render.Release{
		Name: j.name, Namespace: j.namespace, History: cmp.Or(how.History, v1alpha1.DefaultHelmHistory), Data: data,
	}, nil
}
