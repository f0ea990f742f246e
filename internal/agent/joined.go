package agent

import (
	"sync"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// joined remembers what was mounted last, for as long as its parts stay the same. Safe for concurrent use.
type joined struct {
	mu     sync.Mutex
	parts  []source.Mounted
	into   source.Artifact
	result source.Artifact
	err    error
}

func (j *joined) mount(into source.Artifact, mounts []source.Mounted) (source.Artifact, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.same(into, mounts) {
		j.into, j.parts = into, mounts
		j.result, j.err = source.Mount(into, mounts)
	}
	return j.result, j.err
}

func (j *joined) same(into source.Artifact, mounts []source.Mounted) bool {
	if j.into != into || len(j.parts) != len(mounts) {
		return false
	}
	for i := range mounts {
		if j.parts[i] != mounts[i] {
			return false
		}
	}
	return true
}
