package host

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// filesRank puts a directory before those in it, links after all of them, and files last, which may lie behind a link.
func filesRank(s subject) int {
	switch s.id.Kind {
	case v1alpha1.KindDirectory:
		return strings.Count(s.path(), "/")
	case v1alpha1.KindLink:
		return math.MaxInt - 1
	}
	return math.MaxInt
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
