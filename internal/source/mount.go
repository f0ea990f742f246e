package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Mounted is an artifact that is mounted into another.
type Mounted struct {
	At       string // a directory that is not there, from the root
	Path     string // of the directory of Artifact that is mounted; "." for all of it
	Artifact Artifact
	Name     string // of its upstream, for people
}

// Mount gives an artifact with others mounted into it. Its revision is that of the artifact with those of the others beside it: as soon as
// one of them is another, so is the whole. Links stay within the artifact that holds them. It is an error of kind Invalid when something is
// at a mount's place already, NotFound when the directory to be mounted is not there.
func Mount(into Artifact, mounts []Mounted) (Artifact, error) {
	if len(mounts) == 0 {
		return into, nil
	}
	m := &mounted{Artifact: into, points: slices.Clone(mounts), revision: into.Revision()}
	slices.SortFunc(m.points, func(a, b Mounted) int { return strings.Compare(a.At, b.At) })
	sum := sha256.New()
	for _, point := range m.points {
		if err := m.fits(point); err != nil {
			return nil, err
		}
		revision := point.Artifact.Revision()
		fmt.Fprintf(sum, "%q %q %q\n", point.At, point.Path, revision.ID)
		m.revision.Imports = append(m.revision.Imports, state.Import{At: point.At, Source: point.Name, ID: revision.ID, Ref: revision.Ref})
	}
	m.revision.ID += "+" + hex.EncodeToString(sum.Sum(nil)[:6])
	return m, nil
}

// fits checks one mount.
func (m *mounted) fits(point Mounted) error {
	for at := point.At; at != "."; at = path.Dir(at) {
		info, err := m.Artifact.Stat(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if at == point.At || !info.IsDir() {
			return fault.New(fault.Invalid, "import", point.At, "the place of "+point.Name+" is taken: the source has "+at).
				WithHint("choose another directory in spec.imports, or remove that one from the source")
		}
		break
	}
	info, err := point.Artifact.Stat(point.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "import", point.At, point.Name+" has no directory "+point.Path).
			WithHint("look at the path of this import in spec.imports")
	case err != nil:
		return err
	case !info.IsDir():
		return fault.New(fault.Invalid, "import", point.At, point.Path+" of "+point.Name+" is a file").
			WithHint("import the directory that holds it")
	}
	return nil
}

// mounted is an artifact with others mounted into it.
type mounted struct {
	Artifact
	points   []Mounted // sorted by place
	revision state.Revision
}

var _ fs.ReadLinkFS = (*mounted)(nil)

// Revision implements Artifact.
func (m *mounted) Revision() state.Revision { return m.revision }

// at says which artifact a path belongs to, and what it is called there. A directory that only leads to mounts belongs to none.
func (m *mounted) at(name string) (artifact Artifact, inside string, point *Mounted) {
	for i := range m.points {
		point := &m.points[i]
		if name == point.At {
			return point.Artifact, point.Path, point
		}
		if rest, below := strings.CutPrefix(name, point.At+"/"); below {
			return point.Artifact, path.Join(point.Path, rest), point
		}
	}
	return m.Artifact, name, nil
}

// below gives the names of the mounts and of the directories that lead to them, directly in a directory.
func (m *mounted) below(dir string) []string {
	var names []string
	for _, point := range m.points {
		rest, ok := point.At, dir == "."
		if !ok {
			rest, ok = strings.CutPrefix(point.At, dir+"/")
		}
		if ok {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	return slices.Compact(names)
}

// Hash implements Artifact.
func (m *mounted) Hash(name string) (string, bool) {
	if !fs.ValidPath(name) {
		return "", false
	}
	artifact, inside, point := m.at(name)
	hash, ok := artifact.Hash(inside)
	if point != nil || len(m.below(name)) == 0 {
		return hash, ok
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", hash)
	for _, child := range m.below(name) {
		hash, _ := m.Hash(path.Join(name, child))
		fmt.Fprintf(sum, "%q %q\n", child, hash)
	}
	return "mounted:" + hex.EncodeToString(sum.Sum(nil)), true
}

// Stat implements fs.StatFS.
func (m *mounted) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	artifact, inside, point := m.at(name)
	info, err := artifact.Stat(inside)
	switch {
	case err == nil && point != nil && inside == point.Path:
		return directory{name: path.Base(name)}, nil
	case errors.Is(err, fs.ErrNotExist) && len(m.below(name)) > 0:
		return directory{name: path.Base(name)}, nil
	}
	return info, renamed(err, name)
}

// ReadDir implements fs.ReadDirFS.
func (m *mounted) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	artifact, inside, point := m.at(name)
	entries, err := artifact.ReadDir(inside)
	if point != nil {
		return entries, renamed(err, name)
	}
	more := m.below(name)
	if err != nil && (len(more) == 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, renamed(err, name)
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(entry fs.DirEntry) bool { return slices.Contains(more, entry.Name()) })
	for _, child := range more {
		entries = append(entries, directory{name: child})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// ReadFile implements fs.ReadFileFS.
func (m *mounted) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	artifact, inside, _ := m.at(name)
	data, err := artifact.ReadFile(inside)
	return data, renamed(err, name)
}

// ReadLink implements fs.ReadLinkFS.
func (m *mounted) ReadLink(name string) (string, error) {
	artifact, inside, _ := m.at(name)
	target, err := fs.ReadLink(artifact, inside)
	return target, renamed(err, name)
}

// Lstat implements fs.ReadLinkFS.
func (m *mounted) Lstat(name string) (fs.FileInfo, error) {
	artifact, inside, point := m.at(name)
	if point == nil && len(m.below(name)) == 0 || point != nil && inside != point.Path {
		info, err := fs.Lstat(artifact, inside)
		return info, renamed(err, name)
	}
	return m.Stat(name)
}

// Open implements fs.FS.
func (m *mounted) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	artifact, inside, point := m.at(name)
	if point != nil && inside != point.Path || point == nil && len(m.below(name)) == 0 {
		file, err := artifact.Open(inside)
		return file, renamed(err, name)
	}
	entries, err := m.ReadDir(name)
	if err != nil {
		return nil, err
	}
	return OpenDir(directory{name: path.Base(name)}, entries), nil
}

// renamed makes an error speak of the path that was asked for.
func renamed(err error, name string) error {
	var pathed *fs.PathError
	if errors.As(err, &pathed) && pathed.Path != name {
		return &fs.PathError{Op: pathed.Op, Path: name, Err: pathed.Err}
	}
	return err
}

// directory is one that is a mount, or only leads to one. It is its own fs.DirEntry.
type directory struct{ name string }

func (d directory) Name() string               { return d.name }
func (d directory) Size() int64                { return 0 }
func (d directory) Mode() fs.FileMode          { return fs.ModeDir | 0o555 }
func (d directory) ModTime() time.Time         { return time.Time{} }
func (d directory) IsDir() bool                { return true }
func (d directory) Sys() any                   { return nil }
func (d directory) Type() fs.FileMode          { return fs.ModeDir }
func (d directory) Info() (fs.FileInfo, error) { return d, nil }
func (d directory) String() string             { return fs.FormatDirEntry(d) }
