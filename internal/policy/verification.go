package policy

import (
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Verifications gives the signatures that are demanded of every source: from the Syncs above down to this one, and none is ever left out.
// What it gives must not be changed.
func (t *Terms) Verifications() []*v1alpha1.Verification {
	if t == nil {
		return nil
	}
	var all []*v1alpha1.Verification
	for i := range t.Verify {
		all = append(all, &t.Verify[i].Verification)
	}
	return all
}

// RefusesKind says why a kind of source may not be used, or nil: a fault of kind Denied that names who demands signatures and says nothing
// of this kind. A kind that is forgotten there would be a way around all the others.
func (t *Terms) RefusesKind(source v1alpha1.SourceSpec) error {
	if t == nil {
		return nil
	}
	for i := range t.Verify {
		if demanded := &t.Verify[i]; !demanded.About(&source) {
			kind, hint := kindOfSource(source), "use a kind of source that is named there"
			if len(source.Signatures()) > 0 {
				hint += ", or add " + source.Signatures()[0] + " with the keys of those who sign"
			}
			cause := "spec.verify of " + demanded.Where + " demands signatures, and does not name this kind"
			return refused("use", "a source of kind "+kind, cause).WithHint(hint)
		}
	}
	return nil
}

func kindOfSource(source v1alpha1.SourceSpec) string {
	switch {
	case source.Git != nil:
		return "git"
	case source.OCI != nil:
		return "oci"
	case source.Helm != nil:
		return "helm"
	case source.Bucket != nil:
		return "bucket"
	case source.Archive != nil:
		return "archive"
	}
	return "none"
}

func (t *Terms) addVerification(where string, demanded *v1alpha1.Verification) error {
	switch {
	case demanded == nil:
		return nil
	case *demanded == (v1alpha1.Verification{}):
		return broken(where, "spec.verify names no kind of source", "leave it out to demand no signatures")
	case len(t.Verify) == maxEach:
		return broken(where, "there are too many demands for signatures, with those above", "put some of them together")
	}
	t.Verify = append(slices.Clip(t.Verify), Verification{Verification: *demanded, Where: where})
	return nil
}
