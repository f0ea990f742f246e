package witness

import (
	"path/filepath"
	"time"
)

// latest finds the last of what is known about a path: of the entry itself, of the directory when it is one, and of what was done to the
// directories above it, since whoever replaces a directory replaces what is in it. The witness is locked.
func (w *Witness) latest(path string, now time.Time) (best record, found bool) {
	take := func(r record, ok bool) {
		if ok && (!found || r.order > best.order) {
			best, found = r, true
		}
	}
	path = filepath.Clean(path)
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	for child := dir; child != filepath.Dir(child); child = filepath.Dir(child) {
		take(w.replaced(child, now))
	}
	key, there := keyAt(dir)
	if m := w.marks[dir]; m != nil && !there && !found { // what was done to it before it was taken away, by somebody not seen
		key = m.key
	}
	take(w.memory.find(spot{dir: key, name: name}, now))
	if own, _ := keyAt(path); own != "" {
		take(w.memory.find(spot{dir: own, name: "."}, now))
	}
	return best, found
}

// settling is how soon after a directory was replaced it must have been marked: what is changed in it between is not seen, and said to be
// whose the directory is.
const settling = 10 * time.Second

// replaced gives who put a directory at its path, or took it away, while nobody can have changed it unseen since.
func (w *Witness) replaced(dir string, now time.Time) (record, bool) {
	parent := filepath.Dir(dir)
	if w.marks[parent] == nil {
		return record{}, false
	}
	at, _ := keyAt(parent)
	r, known := w.memory.find(spot{dir: at, name: filepath.Base(dir)}, now)
	if !known || !r.replaced {
		return record{}, false
	}
	key, there := keyAt(dir)
	if !there {
		return r, true
	}
	since := now // about to be marked, when it is set
	if place := w.places[key]; place != nil {
		since = place.since
	} else if w.marks[dir] == nil {
		return record{}, false
	}
	return r, since.Sub(r.when) <= settling
}
