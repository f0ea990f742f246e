package host

import (
	"log/slog"
	"path"
	"slices"
	"strings"
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

// eyes have a witness look at the directories of everything that is watched, where the agent may use one: it then knows who changed
// something. Safe for concurrent use; nil sees nothing.
type eyes struct {
	root    *rootfs.Root
	witness *witness.Witness

	mu    sync.Mutex
	keys  map[string][]string // key: the directories of its paths
	dirs  map[string]int      // by how many keys each is looked at
	timer *time.Timer         // of a refresh that is due; nil for none
	ended bool
}

// newEyes gives nil where nobody can be seen.
func newEyes(root *rootfs.Root, log *slog.Logger) *eyes {
	seeing, err := witness.Open(log)
	if err != nil {
		log.Info("who changes files is not known", "error", err, "hint", fault.HintOf(err))
		return nil
	}
	return &eyes{root: root, witness: seeing, keys: map[string][]string{}, dirs: map[string]int{}}
}

// set says which paths a key is about from now on; one that ends in "/" stands for the entries of that directory.
func (e *eyes) set(key string, paths []string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var dirs []string
	for _, name := range paths {
		dir := path.Dir(name)
		if entries, all := strings.CutSuffix(name, "/"); all {
			dir = path.Join("/", entries)
		}
		dirs = append(dirs, e.root.HostPath(dir))
	}
	before := e.keys[key]
	if slices.Equal(before, dirs) {
		return
	}
	for _, dir := range dirs {
		e.dirs[dir]++
	}
	for _, dir := range before {
		if e.dirs[dir]--; e.dirs[dir] == 0 {
			delete(e.dirs, dir)
		}
	}
	if e.keys[key] = dirs; len(dirs) == 0 {
		delete(e.keys, key)
	}
	e.plan()
}

// refresh looks anew: a directory may have been made, or have taken another's place.
func (e *eyes) refresh() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plan()
}

func (e *eyes) plan() {
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
	dirs := make([]string, 0, len(e.dirs))
	for dir := range e.dirs {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	e.witness.Set(dirs[:min(len(dirs), maxSeen)])
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
