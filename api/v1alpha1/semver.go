package v1alpha1

import "github.com/Masterminds/semver/v3"

// isRange says whether a text is a range of versions as the Git source reads it.
func isRange(text string) bool {
	_, err := semver.NewConstraint(text)
	return err == nil
}
