package helm

import (
	"maps"
	"slices"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// instance copies a chart as far as a render changes it, which is its metadata, its values and the tree of its subcharts: Helm takes out
// subcharts that are not enabled, renames those with an alias, and imports values. What files hold is shared.
func instance(c *chart.Chart) *chart.Chart {
	one := *c
	one.Metadata = metadataCopy(c.Metadata)
	subcharts := make([]*chart.Chart, 0, len(c.Dependencies()))
	for _, sub := range c.Dependencies() {
		subcharts = append(subcharts, instance(sub))
	}
	one.SetDependencies(subcharts...)
	return &one
}

func metadataCopy(m *chart.Metadata) *chart.Metadata {
	one := *m
	one.Annotations = maps.Clone(m.Annotations)
	one.Keywords, one.Sources = slices.Clone(m.Keywords), slices.Clone(m.Sources)
	if m.Maintainers != nil {
		one.Maintainers = make([]*chart.Maintainer, len(m.Maintainers))
		for i, maintainer := range m.Maintainers {
			other := *maintainer
			one.Maintainers[i] = &other
		}
	}
	if m.Dependencies != nil {
		one.Dependencies = make([]*chart.Dependency, len(m.Dependencies))
		for i, dependency := range m.Dependencies {
			other := *dependency
			other.Tags = slices.Clone(dependency.Tags)
			if dependency.ImportValues != nil {
				other.ImportValues, _ = state.DeepCopy(dependency.ImportValues).([]any)
			}
			one.Dependencies[i] = &other
		}
	}
	return &one
}
