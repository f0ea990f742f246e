package agent

import (
	"io/fs"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

// builds are the directories of sources that Apps are built from, by digest, for as long as a Sync refers to them. Safe for concurrent use.
type builds struct {
	mu sync.Mutex
	of map[string][]render.Build // by Sync
}

// refer takes note of what a Sync refers to from now on.
func (b *builds) refer(sync string, builds []render.Build) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(builds) == 0 {
		delete(b.of, sync)
		return
	}
	b.of[sync] = builds
}

// Open gives the files of a build.
func (b *builds) Open(digest string) (fs.FS, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, all := range b.of {
		for _, build := range all {
			if build.Digest == digest {
				return build.Files, nil
			}
		}
	}
	return nil, fault.New(fault.Transient, "open", "the build "+digest, "the source that holds it has not been read yet")
}
