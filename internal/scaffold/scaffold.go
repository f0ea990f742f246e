// Package scaffold writes what people start from: a first repository. It never overwrites what somebody has changed. Files: scaffold.go
// makes the files, from the real ones under files/; place.go puts files on a disk, and is what `setpoint install` uses too.
package scaffold

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed files
var files embed.FS

// The systems that there is a starting repository for.
const (
	Host       = "host"
	Kubernetes = "kubernetes"
)

// placeholder stands for the name of the host or cluster, in paths and texts.
const placeholder = "NAME"

// Repository gives the files of a starting repository for a host or a cluster of some name, ordered by path. The name is a DNS label.
func Repository(system, name string) ([]File, error) {
	top := path.Join("files", system)
	var found []File
	err := fs.WalkDir(files, top, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(at)
		if err != nil {
			return err
		}
		inside := strings.ReplaceAll(strings.TrimPrefix(at, top+"/"), placeholder, name)
		if inside == "gitignore" { // with its dot it would speak of this very tree
			inside = "." + inside
		}
		found = append(found, File{Path: inside, Content: []byte(strings.ReplaceAll(string(text), placeholder, name))})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("starting repository for %s: %w", system, err)
	}
	slices.SortFunc(found, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// Root gives the path of the root Sync in a starting repository.
func Root(system, name string) string {
	if system == Host {
		return "hosts/" + name
	}
	return "clusters/" + name
}
