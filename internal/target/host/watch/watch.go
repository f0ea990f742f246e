// Package watch tells when something at a path may have changed, by inotify. It watches directories and never files: of each path its
// directory, and everything that decides where the path leads, so that a directory which is renamed, replaced by a link, or only
// made later is noticed too. Paths in one directory share its watches: ten thousand files in ten directories cost a dozen.
//
// An event says only "look again": it may come twice, or for nothing. It is never lost: when the kernel drops some, all keys are told.
//
// Its files: watch.go is what callers see; ways.go follows paths and keeps the kernel's watches in step with them; hear.go turns the
// kernel's events into keys; follow.go gathers them for those who listen.
package watch

import (
	"errors"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// Watcher watches any number of paths for any number of keys. Safe for concurrent use.
type Watcher struct {
	root   *rootfs.Root
	log    *slog.Logger
	kernel *fsnotify.Watcher
	heard  heard
	ended  chan struct{} // closed when nothing is heard any more

	mu        sync.Mutex
	keys      map[string][]string      // key: the paths that it watches
	ways      map[string]*way          // by the directory as it was named
	steps     map[string]map[*way]bool // by an entry that decides where ways lead
	ends      map[string]map[*way]bool // by the directory that ways lead to
	watched   map[string]*watched      // by a directory, without links in its path
	inodes    map[inode]string         // which of those the kernel watches it as
	followers map[*follower]struct{}
}

// New makes a watcher for paths inside a root. It must be closed. The error is a fault with a hint when the host has no inotify
// instance left; without a watcher everything works that is looked at from time to time.
func New(root *rootfs.Root, log *slog.Logger) (*Watcher, error) {
	kernel, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, explain(root.HostPath("/"), err)
	}
	w := &Watcher{
		root: root, log: log, kernel: kernel, ended: make(chan struct{}),
		heard: heard{wake: make(chan struct{}, 1), events: map[string]fsnotify.Op{}},
		keys:  map[string][]string{}, ways: map[string]*way{}, watched: map[string]*watched{}, inodes: map[inode]string{},
		steps: map[string]map[*way]bool{}, ends: map[string]map[*way]bool{}, followers: map[*follower]struct{}{},
	}
	go w.heard.hear(kernel)
	go w.understand()
	return w, nil
}

// Close ends the watcher and its goroutines. Those who follow it hear nothing any more.
func (w *Watcher) Close() error {
	err := w.kernel.Close()
	<-w.ended
	return err
}

// Set says which paths a key watches from now on: absolute paths inside the root. A path that ends in "/" stands for all entries of
// that directory, but not for the directory itself. Saying the same again costs next to nothing. An error is a fault with a hint: some of
// the paths are not watched, and are tried again when they are set again or something on the way to them changes.
func (w *Watcher) Set(key string, paths ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.keys[key]
	if slices.Equal(before, paths) && !w.broken(paths) {
		return nil
	}
	w.keys[key] = slices.Clone(paths)
	var errs []error
	for _, name := range paths { // first those to come, so that what is watched in both cases stays so
		errs = append(errs, w.add(key, name))
	}
	for _, name := range before {
		if !slices.Contains(paths, name) {
			w.drop(key, name)
		}
	}
	if len(paths) == 0 {
		delete(w.keys, key)
	}
	return errors.Join(errs...)
}

// Directories gives the directories that paths are watched in, as they were named, in no order.
func (w *Watcher) Directories() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.ways))
}

// Remove forgets a key.
func (w *Watcher) Remove(key string) { _ = w.Set(key) } // nothing is added, so nothing can fail

// split gives the directory of a path and the name that is watched in it, "" for all of them.
func split(name string) (dir, base string) {
	if rest, all := strings.CutSuffix(name, "/"); all {
		return path.Join("/", rest), ""
	}
	return path.Dir(name), path.Base(name)
}

func (w *Watcher) broken(paths []string) bool {
	return slices.ContainsFunc(paths, func(name string) bool {
		dir, _ := split(name)
		return w.ways[dir] == nil || w.ways[dir].err != nil
	})
}

func (w *Watcher) add(key, name string) error {
	dir, base := split(name)
	this := w.ways[dir]
	if this == nil {
		this = &way{dir: dir, names: map[string][]string{}}
		w.ways[dir] = this
		w.lead(this, "")
	} else if this.err != nil {
		w.lead(this, "")
	}
	if !slices.Contains(this.names[base], key) {
		this.names[base] = append(this.names[base], key)
	}
	return this.err
}

func (w *Watcher) drop(key, name string) {
	dir, base := split(name)
	this := w.ways[dir]
	if this == nil {
		return
	}
	is := func(other string) bool { return other == key }
	if this.names[base] = slices.DeleteFunc(this.names[base], is); len(this.names[base]) == 0 {
		delete(this.names, base)
	}
	if len(this.names) == 0 {
		w.leave(this, this.trace)
		delete(w.ways, dir)
	}
}

// explain makes faults of what the kernel says when it has no more to give.
func explain(name string, err error) error {
	const late = "; until then changes there are seen late, when everything is looked at"
	failed := &fault.Error{Op: "watch", Item: name, Kind: fault.Transient, Err: err}
	switch {
	case errors.Is(err, unix.ENOSPC):
		failed.Err = errors.New("the host has no inotify watches left")
		return failed.WithHint("raise sysctl fs.inotify.max_user_watches" + late)
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		failed.Err = errors.New("the host has no inotify instances or open files left")
		return failed.WithHint("raise sysctl fs.inotify.max_user_instances and ulimit -n" + late)
	case errors.Is(err, unix.EACCES):
		failed.Kind = fault.Denied
		return failed.WithHint("let the agent's user read the directory" + late)
	}
	return failed
}
