package render

import (
	"cmp"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// Recorder is an artifact that notes what is looked at through it. Safe for concurrent use.
type Recorder struct {
	source.Artifact

	mu    sync.Mutex
	noted map[string]read
	// What has a whole directory or a link in it is kept apart: such a path may be noted in another way too.
	trees []read // directories with everything below
	links []read // links, and what they lead to
}

var (
	_ source.Artifact = (*Recorder)(nil)
	_ fs.ReadLinkFS   = (*Recorder)(nil)
)

// Record makes a recorder of an artifact; an artifact that is one already is given back, so that renderers can hand on to each
// other. What is read of an artifact without a revision (a plain directory) is not noted: it can change at any time.
func Record(artifact source.Artifact) *Recorder {
	if recorder, ok := artifact.(*Recorder); ok {
		return recorder
	}
	return &Recorder{Artifact: artifact, noted: map[string]read{}}
}

// Reads gives what has been looked at so far.
func (r *Recorder) Reads() Reads {
	r.mu.Lock()
	defer r.mu.Unlock()
	reads := Reads{revision: r.Revision().ID, all: slices.Concat(r.trees, r.links)}
	for _, one := range r.noted {
		if !r.covered(one.path) {
			reads.all = append(reads.all, one)
		}
	}
	if len(reads.all) == 0 {
		return Reads{}
	}
	slices.SortStableFunc(reads.all, func(a, b read) int { return cmp.Compare(a.path, b.path) })
	if whole, ok := r.Hash("."); ok {
		reads.whole = sumOf(whole)
	}
	reads.dirs = r.crowded(reads.all)
	return reads
}

// crowded gives the directories that hold many of the reads, and marks those. A directory with a link is left out: its hash
// says nothing of what the link leads to.
func (r *Recorder) crowded(all []read) (dirs []read) {
	in := map[string][]int{}
	for i, one := range all {
		if one.path != "." && one.what != linking {
			in[path.Dir(one.path)] = append(in[path.Dir(one.path)], i)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(in)) {
		if len(in[dir]) < crowd || r.linked(dir) {
			continue
		}
		if one, ok := r.whole(dir); ok {
			dirs = append(dirs, one)
			for _, i := range in[dir] {
				all[i].dir = len(dirs)
			}
		}
	}
	return dirs
}

// linked says whether a directory lists a link, or cannot be listed.
func (r *Recorder) linked(dir string) bool {
	entries, err := r.Artifact.ReadDir(dir)
	return err != nil || slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Type()&fs.ModeSymlink != 0 })
}

// covered says whether the directory that holds a path is noted as a whole.
func (r *Recorder) covered(path string) bool {
	return slices.ContainsFunc(r.trees, func(tree read) bool {
		return path == tree.path || tree.path == "." || strings.HasPrefix(path, tree.path+"/")
	})
}

// Tree notes a directory with everything below it, once and for all: reading below it is not noted any more. Only links there
// may lead to what the directory's hash does not speak of; see Link.
func (r *Recorder) Tree(path string) {
	if one, ok := r.whole(path); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.trees = append(r.trees, one)
	}
}

// Link notes what a link below a Tree leads to.
func (r *Recorder) Link(path string) {
	if one, ok := r.whole(path); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.links = append(r.links, one)
	}
}

func (r *Recorder) whole(path string) (read, bool) {
	if r.Revision().ID == "" {
		return read{}, false
	}
	hash, ok := r.Hash(path)
	return read{path: path, what: content, hash: sumOf(hash)}, ok
}

// note remembers one look at a path; of several the one that says most counts.
func (r *Recorder) note(path string, what what, list sum) {
	if !fs.ValidPath(path) || r.Revision().ID == "" {
		return
	}
	r.mu.Lock()
	before, seen := r.noted[path]
	covered := r.covered(path)
	r.mu.Unlock()
	if covered || seen && before.what >= what {
		return
	}
	one := read{path: path, what: missing}
	if hash, there := r.Hash(path); there && what != missing {
		one = read{path: path, what: what, hash: sumOf(hash), list: list}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noted[path] = one
}

// Open opens a file or directory, and notes its content.
func (r *Recorder) Open(name string) (fs.File, error) {
	r.note(name, content, sum{})
	return r.Artifact.Open(name)
}

// Stat describes what is at a path, and notes which kind it is.
func (r *Recorder) Stat(name string) (fs.FileInfo, error) {
	info, err := r.Artifact.Stat(name)
	if err != nil {
		r.note(name, missing, sum{})
		return nil, err
	}
	r.note(name, kind, sumOfKind(info))
	return info, nil
}

// ReadDir lists a directory, and notes the names.
func (r *Recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := r.Artifact.ReadDir(name)
	if err != nil {
		r.note(name, missing, sum{})
		return nil, err
	}
	r.note(name, listing, sumOfList(entries))
	return entries, nil
}

// ReadFile reads a file, and notes its content; of a directory only that it is one.
func (r *Recorder) ReadFile(name string) ([]byte, error) {
	data, err := r.Artifact.ReadFile(name)
	if err == nil {
		r.note(name, content, sum{})
	} else if info, _ := r.Stat(name); info != nil && !info.IsDir() {
		r.note(name, content, sum{})
	}
	return data, err
}

// Lstat describes what is at a path without following a link. Only a link is noted: with ReadLink.
func (r *Recorder) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(r.Artifact, name) }

// ReadLink gives what a link points to, and notes it.
func (r *Recorder) ReadLink(name string) (string, error) {
	target, err := fs.ReadLink(r.Artifact, name)
	if err == nil && r.Revision().ID != "" {
		one := read{path: name, what: linking, list: sumOf(target)}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Contains(r.links, one) {
			r.links = append(r.links, one)
		}
	}
	return target, err
}
