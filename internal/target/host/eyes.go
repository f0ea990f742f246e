package host

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
	"github.com/setpoint-dev/setpoint/internal/target/host/witness"
)

const (
	// maxSeen is how many directories are looked at for who changes them: each look has a cost, and naming somebody is worth less than
	// noticing the change, which has no such limit.
	maxSeen = 2000
	// refreshAfter gathers changes of what is looked at.
	refreshAfter = 100 * time.Millisecond
)

// eyes have a witness look at the directories that are watched, where the agent may use one: it then knows who changed something.
// Safe for concurrent use; nil sees nothing.
type eyes struct {
	root    *rootfs.Root
	witness *witness.Witness
	watched func() []string // the directories, inside the root, to look at

	mu    sync.Mutex
	timer *time.Timer // of a refresh that is due; nil for none
	ended bool
}

// newEyes gives nil where nobody can be seen. Watched is to be set before they are used.
func newEyes(root *rootfs.Root, log *slog.Logger) *eyes {
	seeing, err := witness.Open(log)
	if err != nil {
		log.Info("who changes files is not known", "error", err, "hint", fault.HintOf(err))
		return nil
	}
	return &eyes{root: root, witness: seeing}
}

// refresh looks anew, soon: another directory may be watched, or may have been made, or have taken another's place.
func (e *eyes) refresh() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer == nil && !e.ended {
		e.timer = time.AfterFunc(refreshAfter, e.look)
	}
}

func (e *eyes) look() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timer = nil
	if e.ended {
		return
	}
	dirs := e.watched()
	slices.Sort(dirs)
	dirs = dirs[:min(len(dirs), maxSeen)]
	for i, dir := range dirs {
		dirs[i] = e.root.HostPath(dir)
	}
	e.witness.Set(dirs)
}

// Who gives who changed what is at a path inside the root last, and when; false when nobody knows.
func (e *eyes) Who(name string) (who string, when time.Time, ok bool) {
	return e.witness.Who(e.root.HostPath(name))
}

// Close ends looking.
func (e *eyes) Close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	e.ended = true
	if e.timer != nil {
		e.timer.Stop()
	}
	e.mu.Unlock()
	return e.witness.Close()
}
