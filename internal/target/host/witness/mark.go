package witness

import (
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// mark is a path that was set, with the directory that was there when it was set last.
type mark struct {
	key     string // "" while it could not be looked at
	refused string // why it could not, so that it is said once
}

// place is a directory that the kernel tells of.
type place struct {
	paths int       // how many marks lead to it
	since time.Time // nothing is known of what happened before
}

// mark has the kernel tell of the directory at a path. Marking what is marked changes nothing, and makes sure that it is: a file system
// that was unmounted meanwhile has lost its marks.
func (w *Witness) mark(dir string, now time.Time) {
	m := w.marks[dir]
	if m == nil {
		m = &mark{}
		w.marks[dir] = m
	}
	d, err := enter(dir)
	if err != nil {
		w.refuse(dir, m, err)
		return // the one that was there is still looked at: it may tell who took it away
	}
	defer d.leave()
	if m.key != d.key {
		w.release(dir, m)
		if w.places[d.key] == nil {
			w.places[d.key] = &place{since: now}
		}
		w.places[d.key].paths++
		m.key = d.key
	}
	if err := w.tellKernel(unix.FAN_MARK_ADD|unix.FAN_MARK_ONLYDIR, d.fd); err != nil {
		w.release(dir, m)
		w.refuse(dir, m, err)
		return
	}
	m.refused = ""
}

// unmark gives back what mark took.
func (w *Witness) unmark(dir string) {
	w.release(dir, w.marks[dir])
	delete(w.marks, dir)
}

// release parts a path from its directory. When that was the last one, the kernel tells nothing of the directory any more, so what is
// known of it would be wrong soon, and is forgotten.
func (w *Witness) release(dir string, m *mark) {
	key := m.key
	m.key = ""
	place := w.places[key]
	if place == nil {
		return
	}
	if place.paths--; place.paths > 0 {
		return
	}
	delete(w.places, key)
	w.memory.forgetDir(key)
	if err := w.unmarkPlace(dir, key); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESTALE) {
		w.log.Debug("the kernel still tells of a directory that nobody asks about", "path", dir, "error", err)
	}
}

// unmarkPlace takes the kernel's mark off a directory that is, or once was, at a path. A directory that was removed has none any more. To
// find one that was moved away takes CAP_DAC_READ_SEARCH; without, its events go on to come, and are dropped.
func (w *Witness) unmarkPlace(dir, key string) error {
	if d, err := enter(dir); err == nil {
		defer d.leave()
		if d.key == key {
			return w.tellKernel(unix.FAN_MARK_REMOVE, d.fd)
		}
	}
	fd, err := reenter(key, dir)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return w.tellKernel(unix.FAN_MARK_REMOVE, fd)
}

// tellKernel changes the mark of an open directory.
func (w *Witness) tellKernel(change uint, dir int) (err error) {
	if closed := w.raw.Control(func(group uintptr) {
		err = unix.FanotifyMark(int(group), change, watched, dir, ".") // an empty path would need a directory open for reading
	}); closed != nil {
		return closed
	}
	return err
}

// refuse remembers that a path cannot be looked at, and says so when that is news, and not only because nothing is there.
func (w *Witness) refuse(dir string, m *mark, err error) {
	if errors.Is(err, fs.ErrNotExist) || w.closed() || err.Error() == m.refused {
		return
	}
	m.refused = err.Error()
	w.log.Info("nobody sees who changes files here; changes are corrected and reported all the same", "path", dir, "error", err)
}
