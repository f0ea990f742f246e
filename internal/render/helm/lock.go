package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// lockedOf gives the exact versions of a chart's dependencies from its Chart.lock; none without one. A lock that was made for other
// dependencies is an error, as it is for helm dependency build.
func lockedOf(c *chart.Chart, file string) (map[*chart.Dependency]string, error) {
	if c.Lock == nil {
		return nil, nil
	}
	locked := make(map[*chart.Dependency]string, len(c.Metadata.Dependencies))
	for i, wanted := range c.Metadata.Dependencies {
		if i < len(c.Lock.Dependencies) && c.Lock.Dependencies[i] != nil && c.Lock.Dependencies[i].Name == wanted.Name {
			locked[wanted] = c.Lock.Dependencies[i].Version
		}
	}
	if !fits(c) || len(locked) != len(c.Metadata.Dependencies) {
		return nil, fault.New(fault.Invalid, "read", file, "it is out of sync with the dependencies in Chart.yaml").
			WithHint("run helm dependency update, and commit what it changes")
	}
	return locked, nil
}

// fits says whether a lock was made for what the chart says. The digest is Helm's: of Helm 2 for charts of the first version.
func fits(c *chart.Chart) bool {
	wanted := c.Metadata.Dependencies
	if c.Lock.Digest == jsonDigest([2][]*chart.Dependency{wanted, c.Lock.Dependencies}) {
		return true
	}
	return c.Metadata.APIVersion == chart.APIVersionV1 &&
		c.Lock.Digest == jsonDigest(map[string][]*chart.Dependency{"dependencies": wanted})
}

func jsonDigest(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
