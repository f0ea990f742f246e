package render

import (
	"crypto/sha256"
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// Reads are what a render looked at: while none of it changes, the result stays the same. Immutable; the zero value is of a
// render that looked at nothing that could be compared.
type Reads struct {
	revision string // of the artifact that was read
	whole    sum    // of its whole tree
	all      []read // sorted by path
	dirs     []read // directories that hold several of them; while such a hash is the same, so are they
}

// crowd is the number of reads in one directory from which asking for the directory first pays.
const crowd = 3

// read is one thing that was looked at.
type read struct {
	path string
	what what
	hash sum // of what was there, as the artifact gives it
	list sum // of a listing's names, of a probe's answer, or of a link's target
	dir  int // 1 + the index of its directory in Reads.dirs, 0 for none
}

// what was asked of a path.
type what uint8

const (
	missing what = iota // nothing was there
	kind                // whether it is a file or a directory
	listing             // the names in a directory and their types
	linking             // where a link points to
	content             // a file, or everything below a directory
)

// sum is a SHA-256 cut to half: no two contents can be found that share one, and it is small to keep.
type sum [16]byte

func sumOf(text string) sum {
	full := sha256.Sum256([]byte(text))
	return sum(full[:16])
}

// Len gives the number of things that were looked at.
func (r Reads) Len() int { return len(r.all) }

// Unchanged says whether everything that was read is the same in another artifact. It compares hashes and reads nothing,
// except for the names of a directory whose content has changed: microseconds for each read.
func (r Reads) Unchanged(artifact source.Artifact) bool {
	if len(r.all) == 0 {
		return false
	}
	if r.revision == artifact.Revision().ID {
		return true
	}
	if whole, ok := artifact.Hash("."); ok && sumOf(whole) == r.whole {
		return true
	}
	same := make([]bool, 1+len(r.dirs))
	for i := range r.dirs {
		same[1+i] = r.dirs[i].unchanged(artifact)
	}
	for i := range r.all {
		if !same[r.all[i].dir] && !r.all[i].unchanged(artifact) {
			return false
		}
	}
	return true
}

func (r *read) unchanged(artifact source.Artifact) bool {
	if r.what == linking {
		target, err := fs.ReadLink(artifact, r.path)
		return err == nil && sumOf(target) == r.list
	}
	hash, there := artifact.Hash(r.path)
	if r.what == missing || !there {
		return !there && r.what == missing
	}
	if sumOf(hash) == r.hash {
		return true
	}
	switch r.what {
	case kind:
		info, err := artifact.Stat(r.path)
		return err == nil && sumOfKind(info) == r.list
	case listing:
		entries, err := artifact.ReadDir(r.path)
		return err == nil && sumOfList(entries) == r.list
	}
	return false
}

func sumOfKind(info fs.FileInfo) sum { return sumOf(info.Mode().Type().String()) }

func sumOfList(entries []fs.DirEntry) sum {
	hash := sha256.New()
	for _, entry := range entries {
		hash.Write([]byte(entry.Name() + "\x00" + entry.Type().String() + "\x00"))
	}
	return sum(hash.Sum(nil)[:16])
}
