package kustomize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// The bounds of one render: a kustomization can ask for its bases exponentially often.
const (
	maxReads          = 20_000
	maxKustomizations = 500
	maxLinks          = 40
)

// view is the artifact as the library's file system, with the artifact's root as "/". It is read-only, and every kustomization
// that goes through it is checked before the library sees it.
type view struct {
	ctx     context.Context //nolint:containedctx // the library's interface has no other way to hand it on
	request render.Request
	path    string // what is rendered
	own     layer  // the artifact
	layers  []layer
	made    map[string]made // by their paths
	charts  render.Charts   // nil when there are none
	secrets []string        // values that charts have made of what is secret, or at random
	open    []opened        // the kustomizations that are being built, each by the one before

	first     []render.Found // objects that become the first resources; nil when it is no post-rendering
	firstFile string         // that the library reads them from

	alone     bool       // nothing else is being built
	schema    bool       // a kustomization brings its own OpenAPI schema, or names another
	resources []string   // the files that kustomizations list as resources
	declared  []declared // what generators make
	yaml      []string   // the YAML files read, in order
	reads     int
	bytes     int
	bases     int // kustomizations read
	refused   []error
}

var _ filesys.FileSystem = (*view)(nil)

func newView(ctx context.Context, recorder *render.Recorder, request render.Request) *view {
	return &view{ctx: ctx, request: request, path: request.Path, own: layer{at: ".", files: recorder}, made: map[string]made{}}
}

// told are the kinds of errors of reading that are said as they are, beside that nothing is there.
var told = []fault.Kind{fault.Invalid, fault.Denied, fault.Transient}

// refuse remembers an error: the library treats some as if the file were not there, and words others anew.
func (v *view) refuse(err error) error {
	if !slices.ContainsFunc(v.refused, func(known error) bool { return known.Error() == err.Error() }) {
		v.refused = append(v.refused, err)
	}
	return err
}

// inside turns a path of the library into one of the artifact.
func inside(name string) string {
	name = path.Clean("/" + filepath.ToSlash(name))[1:]
	if name == "" {
		return "."
	}
	return name
}

// outside turns a directory of the artifact into one of the library.
func outside(dir string) filesys.ConfirmedDir { return filesys.ConfirmedDir(path.Clean("/" + dir)) }

// ReadFile reads a file, and checks it.
func (v *view) ReadFile(name string) ([]byte, error) {
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	name = inside(name)
	data, err := v.readFile(name)
	if err != nil {
		// The library tries everything as a file first, so that a directory is none says nothing.
		if info, _ := v.stat(name); slices.Contains(told, fault.KindOf(err)) && (info == nil || !info.IsDir()) {
			_ = v.refuse(err)
		}
		return nil, err
	}
	if err := v.count(len(data)); err != nil {
		return nil, err
	}
	if slices.Contains(render.KustomizationFiles, path.Base(name)) {
		if v.bases++; v.bases > maxKustomizations {
			cause := fmt.Sprintf("reads more than %d kustomizations", maxKustomizations)
			return nil, v.refuse(fault.New(fault.Invalid, "render", v.path, cause).WithHint("split it over several Syncs"))
		}
		return v.kustomization(name, data)
	}
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" || ext == ".json" {
		v.yaml = append(v.yaml, name)
	}
	if err := document.Bounded(data, v.display(name)); err != nil {
		return nil, v.refuse(err)
	}
	if bytes.Contains(data, []byte("generateName")) && v.isResource(name) {
		return document.Named(data, name), nil // the library takes nothing without a name
	}
	return data, nil
}

// isResource says whether a kustomization lists a file as a resource, be it through a link.
func (v *view) isResource(name string) bool {
	if _, made := v.made[name]; made {
		return true
	}
	return slices.ContainsFunc(v.resources, func(listed string) bool {
		if listed == name {
			return true
		}
		where, err := v.resolve(listed)
		return err == nil && where == name
	})
}

// CleanedAbs gives the directory and file that a path leads to, with links resolved, as ".." is meant from there.
func (v *view) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	where, err := v.resolve(inside(name))
	if err != nil {
		return "", "", err
	}
	info, err := v.stat(where)
	if err != nil {
		return "", "", err
	}
	if info.IsDir() {
		return outside(where), "", nil
	}
	return outside(path.Dir(where)), path.Base(where), nil
}

// resolve follows every link of a path, each inside of the artifact that holds it.
func (v *view) resolve(name string) (string, error) {
	layer, inner := v.layerOf(name)
	at, rest := ".", strings.Split(inner, "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		info, err := layer.files.Lstat(next)
		if err != nil {
			_, err = layer.files.Stat(next) // notes that it is not there
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := layer.files.ReadLink(next)
		if err != nil {
			return "", err
		}
		target = path.Join(at, target)
		if links++; links > maxLinks || path.IsAbs(target) || target == ".." || strings.HasPrefix(target, "../") {
			cause := "the link leads outside of the source, or in a circle"
			return "", v.refuse(fault.New(fault.Invalid, "read", v.display(path.Join(layer.at, next)), cause).
				WithHint("point the link inside of the source, or remove it"))
		}
		at, rest = ".", append(strings.Split(target, "/"), rest...)
	}
	return path.Join(layer.at, at), nil
}

// IsDir says whether there is a directory at a path.
func (v *view) IsDir(name string) bool {
	info, err := v.stat(inside(name))
	return err == nil && info.IsDir()
}

// Exists says whether there is anything at a path.
func (v *view) Exists(name string) bool {
	_, err := v.stat(inside(name))
	return err == nil
}

// ReadDir lists the names in a directory.
func (v *view) ReadDir(name string) ([]string, error) {
	entries, err := v.readDir(inside(name))
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

// Glob lists the files that match a pattern.
func (v *view) Glob(pattern string) ([]string, error) {
	layer, inner := v.layerOf(inside(pattern))
	names, err := fs.Glob(layer.files, inner)
	for i := range names {
		names[i] = "/" + path.Join(layer.at, names[i])
	}
	return names, err
}

// Walk visits everything below a directory.
func (v *view) Walk(root string, visit filepath.WalkFunc) error {
	layer, inner := v.layerOf(inside(root))
	return fs.WalkDir(layer.files, inner, func(name string, entry fs.DirEntry, err error) error {
		name = path.Join(layer.at, name)
		if err != nil {
			return visit("/"+name, nil, err)
		}
		info, err := entry.Info()
		return visit("/"+name, info, err)
	})
}

// Open opens a file for reading.
func (v *view) Open(name string) (filesys.File, error) {
	layer, inner := v.layerOf(inside(name))
	file, err := layer.files.Open(inner)
	return readOnly{file}, err
}

// readOnly is an open file that refuses to be written.
type readOnly struct{ fs.File }

var errReadOnly = errors.New("a source is read-only")

// Write refuses.
func (readOnly) Write([]byte) (int, error) { return 0, errReadOnly }

// Create refuses.
func (*view) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir refuses.
func (*view) Mkdir(string) error { return errReadOnly }

// MkdirAll refuses.
func (*view) MkdirAll(string) error { return errReadOnly }

// RemoveAll refuses.
func (*view) RemoveAll(string) error { return errReadOnly }

// WriteFile refuses.
func (*view) WriteFile(string, []byte) error { return errReadOnly }
