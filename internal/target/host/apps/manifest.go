package apps

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// manifest is what the files of a release were when they were unpacked, by their names in it.
type manifest map[string]imprint

// imprint is one of them. Size and time are looked at; the content only when those differ.
type imprint struct {
	Mode fs.FileMode `json:"mode"`
	Size int64       `json:"size,omitempty"`
	Time int64       `json:"time,omitempty"` // of the last change, in nanoseconds; of files
	Sum  string      `json:"sum,omitempty"`  // SHA-256 of a file
	Link string      `json:"link,omitempty"`
}

// damage is one name that is not what was unpacked.
type damage struct {
	Name string
	How  string // "changed", "missing", "added"
}

// survey makes the manifest of a directory.
func survey(dir string) (manifest, error) {
	found := manifest{}
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		have, err := imprintOf(at, entry)
		if err == nil && entry.Type().IsRegular() {
			have.Sum, err = sumOf(at)
		}
		found[name] = have
		return err
	})
	if err != nil {
		return nil, diskFault("read", dir, err)
	}
	return found, nil
}

func imprintOf(at string, entry fs.DirEntry) (imprint, error) {
	info, err := entry.Info()
	if err != nil {
		return imprint{}, err
	}
	have := imprint{Mode: info.Mode()}
	switch {
	case info.Mode().IsRegular():
		have.Size, have.Time = info.Size(), info.ModTime().UnixNano()
	case info.Mode()&fs.ModeSymlink != 0:
		have.Link, err = os.Readlink(at)
	}
	return have, err
}

func sumOf(at string) (string, error) {
	file, err := os.Open(at)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// compare says what of a directory differs, in the order of names, at most limit of them (0: all).
func (m manifest) compare(dir string, limit int) ([]damage, error) {
	var found []damage
	seen := make(map[string]bool, len(m))
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(dir, at)
		if err = errors.Join(err, relErr); err != nil {
			return err
		}
		want, known := m[name]
		seen[name] = true
		if !known {
			found = append(found, damage{name, "added"})
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		same, err := want.same(at, entry)
		if !same && err == nil {
			found = append(found, damage{name, "changed"})
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // what has gone meanwhile is missing
		return nil, diskFault("read", dir, err)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !seen[name] {
			found = append(found, damage{name, "missing"})
		}
	}
	slices.SortFunc(found, func(a, b damage) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}

func (i imprint) same(at string, entry fs.DirEntry) (bool, error) {
	have, err := imprintOf(at, entry)
	if err != nil {
		return false, err
	}
	if have.Mode != i.Mode || have.Link != i.Link || have.Size != i.Size {
		return false, nil
	}
	if have.Time == i.Time {
		return true, nil
	}
	sum, err := sumOf(at)
	return sum == i.Sum, err
}

// directories gives the directories of a build, for those who watch them.
func (m manifest) directories() []string {
	var all []string
	for name, one := range m {
		if one.Mode.IsDir() {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func readManifest(name string) (manifest, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, diskFault("read", name, err)
	}
	m := manifest{}
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, diskFault("read", name, err)
	}
	return m, nil
}

// write puts the manifest on disk, whole or not at all.
func (m manifest) write(name string) error {
	content, err := json.Marshal(m)
	if err != nil {
		return diskFault("write", name, err)
	}
	fresh := name + ".new"
	file, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return diskFault("write", name, err)
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(fresh, name)
	}
	if err != nil {
		return diskFault("write", name, err)
	}
	return nil
}
