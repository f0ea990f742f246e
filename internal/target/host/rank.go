package host

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// filesRank puts a directory before those in it, and all of them before files and links.
func filesRank(s subject) int {
	if s.id.Kind != v1alpha1.KindDirectory {
		return math.MaxInt
	}
	return strings.Count(s.path(), "/")
}

// path gives where an object of the kinds of files is, or is to be.
func (s subject) path() string {
	if s.want == nil {
		var remembered struct {
			Path string `json:"path"`
		}
		_ = json.Unmarshal(s.record.Data, &remembered) // without one it comes first, and is deleted last
		return remembered.Path
	}
	spec, _ := s.want.Content()["spec"].(map[string]any)
	path, _ := spec["path"].(string)
	return path
}
