package host

import (
	"maps"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/files"
)

// Check says what is wrong with an object that only a host knows, without looking at one: a template that cannot be carried out. What
// v1alpha1.Check finds is not repeated. The error is Invalid; nil for objects of other groups.
func Check(object *state.Object) error {
	if object.ID().GroupKind() != (state.GroupKind{Group: group, Kind: v1alpha1.KindFile}) {
		return nil
	}
	file, err := v1alpha1.DecodeFile(object)
	if err != nil || file.Spec.Template == nil {
		return nil //nolint:nilerr // v1alpha1.Check says so
	}
	template := file.Spec.Template
	return files.CheckTemplate(template.Text, template.Values, slices.Sorted(maps.Keys(template.Secrets)))
}
