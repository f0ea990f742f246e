package apps

import (
	"encoding/json"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Reading gives the owner's apps that take variables from some objects of a cluster.
func (d *Driver) Reading(owner state.Owner, ids []state.ID) []state.ID {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id state.ID) bool {
		return id.Group != "" || id.Kind != "ConfigMap" && id.Kind != "Secret"
	})
	if len(ids) == 0 {
		return nil // most events
	}
	var apps []state.ID
	for _, record := range d.records() {
		m, err := recall(record)
		if err != nil || record.Owner != owner {
			continue
		}
		var declared v1alpha1.App
		if json.Unmarshal(m.Declaration, &declared) == nil && slices.ContainsFunc(declared.Spec.EnvFrom, readsAny(ids)) {
			apps = append(apps, record.ID)
		}
	}
	return apps
}

// defaultNamespace is that of an object whose reference names none, see v1alpha1.ObjectName.
const defaultNamespace = "default"

func readsAny(ids []state.ID) func(v1alpha1.EnvSource) bool {
	names := func(id state.ID, kind string, object *v1alpha1.ObjectName) bool {
		if object == nil || id.Kind != kind || id.Name != object.Name {
			return false
		}
		return id.Namespace == object.Namespace || object.Namespace == "" && id.Namespace == defaultNamespace
	}
	return func(source v1alpha1.EnvSource) bool {
		return slices.ContainsFunc(ids, func(id state.ID) bool {
			return names(id, "ConfigMap", source.ConfigMap) || names(id, "Secret", source.Secret)
		})
	}
}
