package watch

import (
	"errors"
	"strings"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// way is a directory as it was named, with what is watched in it, and where its path leads at the moment.
type way struct {
	dir   string
	names map[string][]string // name in the directory ("" for all): keys
	trace rootfs.Trace
	err   error // why it is not, or not wholly, watched
}

// maxTurns bounds how often a way is followed anew because it changed while it was followed.
const maxTurns = 10

// lead follows a way anew and watches what is on it. Everything at or below the entry renewed ("" for none) may be another directory
// under the same name now, so its watches are made anew. Something may change between looking and watching: it looks again until
// both agree.
func (w *Watcher) lead(this *way, renewed string) {
	for range maxTurns {
		trace, err := w.root.Trace(this.dir)
		before := this.trace
		this.trace = trace
		w.enter(this, renewed)
		w.leave(this, before)
		w.index(this)
		if err != nil {
			this.err = err
			return
		}
		again, err := w.root.Trace(this.dir)
		if this.err != nil || err == nil && sameWay(again, trace) {
			return
		}
		renewed = ""
	}
}

func sameWay(a, b rootfs.Trace) bool {
	return a.Complete == b.Complete && strings.Join(a.Steps, "\x00") == strings.Join(b.Steps, "\x00") &&
		strings.Join(a.Directories, "\x00") == strings.Join(b.Directories, "\x00")
}

// watched is a directory that the kernel watches for us.
type watched struct {
	ways  int // that go through it
	inode inode
}

type inode struct{ device, number uint64 }

// enter counts the way's directories in, and watches them.
func (w *Watcher) enter(this *way, renewed string) {
	this.err = nil
	for _, dir := range this.trace.Directories {
		if w.watched[dir] == nil {
			w.watched[dir] = &watched{}
		}
		w.watched[dir].ways++
		// A directory that vanishes now is found missing when the way is followed again.
		err := w.watch(dir, renewed != "" && below(dir, renewed))
		if err != nil && !errors.Is(err, unix.ENOENT) && this.err == nil {
			this.err = explain(w.root.HostPath(dir), err)
		}
	}
}

// watch makes sure that the kernel watches a directory under its name. It knows directories by their inodes and fsnotify keeps the first
// name of each: one that was renamed has to be given back under the old name first, or that would be done later, to the wrong one.
func (w *Watcher) watch(dir string, renewed bool) error {
	info, err := w.root.Stat(dir)
	if err != nil {
		return err
	}
	this, now := w.watched[dir], inode{info.Device, info.Inode}
	if named, known := w.inodes[now]; known && named != dir {
		_ = w.kernel.Remove(w.root.HostPath(named))
	}
	if renewed || this.inode != now {
		_ = w.kernel.Remove(w.root.HostPath(dir)) // of a directory that is gone it is gone, too
		w.forget(dir, this.inode)
	}
	this.inode, w.inodes[now] = now, dir
	return w.kernel.Add(w.root.HostPath(dir)) // which changes nothing for one that is watched
}

// forget forgets under which name the kernel watches an inode, unless it is another one by now.
func (w *Watcher) forget(dir string, old inode) {
	if w.inodes[old] == dir {
		delete(w.inodes, old)
	}
}

func below(dir, top string) bool { return dir == top || top == "/" || strings.HasPrefix(dir, top+"/") }

// leave counts the directories of a trace out, and gives back the watches that nobody needs.
func (w *Watcher) leave(this *way, trace rootfs.Trace) {
	for _, dir := range trace.Directories {
		known := w.watched[dir]
		if known.ways--; known.ways > 0 {
			continue
		}
		delete(w.watched, dir)
		w.forget(dir, known.inode)
		if err := w.kernel.Remove(w.root.HostPath(dir)); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) &&
			!errors.Is(err, unix.EINVAL) { // EINVAL: the directory is gone, and its watch with it
			w.log.Debug("a watch could not be given back", "path", dir, "error", err)
		}
	}
	for _, step := range trace.Steps {
		remove(w.steps, step, this)
	}
	if n := len(trace.Directories); n > 0 {
		remove(w.ends, trace.Directories[n-1], this)
	}
}

// index makes the way found by the entries that decide about it. It comes after leave, which may have taken some of the same away.
func (w *Watcher) index(this *way) {
	for _, step := range this.trace.Steps {
		insert(w.steps, step, this)
	}
	if n := len(this.trace.Directories); n > 0 && this.trace.Complete {
		insert(w.ends, this.trace.Directories[n-1], this)
	}
}

func insert(index map[string]map[*way]bool, name string, this *way) {
	if index[name] == nil {
		index[name] = map[*way]bool{}
	}
	index[name][this] = true
}

func remove(index map[string]map[*way]bool, name string, this *way) {
	if delete(index[name], this); len(index[name]) == 0 {
		delete(index, name)
	}
}
