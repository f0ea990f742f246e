package plain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
)

const ownGroup = v1alpha1.Group

// maxDepth bounds how deep directories may nest.
const maxDepth = 100

// walker finds the files that are manifests by rule, in the order of their paths.
type walker struct {
	artifact *render.Recorder
	files    []string
	tree     bool // it is a directory, noted with everything below
	errs     []error
}

func (w *walker) fail(at, cause, hint string) {
	w.errs = append(w.errs, fault.New(fault.Invalid, "render", at, cause).WithHint(hint))
}

// start walks from a path. A file is taken whatever its name, as somebody named it.
func (w *walker) start(ctx context.Context, at string) {
	info, err := w.artifact.Stat(at)
	switch {
	case err != nil:
		w.errs = append(w.errs, render.Fault(at, err))
	case !info.IsDir():
		w.files = []string{at}
	default:
		rules := w.above(at)
		w.artifact.Tree(at)
		w.tree = true
		if !w.chart(at) {
			w.directory(ctx, at, rules)
		}
	}
}

// above gives the rules of the directories that hold one, from the root down.
func (w *walker) above(at string) []rule {
	if at == "." {
		return nil
	}
	parent := path.Dir(at)
	return w.rules(parent, w.above(parent))
}

// rules adds those of a directory, if it has any.
func (w *walker) rules(dir string, outer []rule) []rule {
	name := path.Join(dir, IgnoreFile)
	if _, err := w.artifact.Stat(name); err != nil {
		return outer
	}
	data, err := w.artifact.ReadFile(name)
	if err != nil {
		w.errs = append(w.errs, render.Fault(name, err))
		return outer
	}
	inner, errs := parseRules(data, dir)
	w.errs = append(w.errs, errs...)
	return append(slices.Clip(outer), inner...)
}

func (w *walker) directory(ctx context.Context, dir string, outer []rule) {
	if ctx.Err() != nil {
		return
	}
	if strings.Count(dir, "/") > maxDepth {
		w.fail(dir, fmt.Sprintf("directories nest deeper than %d", maxDepth), "")
		return
	}
	entries, err := w.artifact.ReadDir(dir)
	if err != nil {
		w.errs = append(w.errs, render.Fault(dir, err))
		return
	}
	rules := outer
	if slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == IgnoreFile }) {
		rules = w.rules(dir, outer)
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") || ignored(rules, name, entry.IsDir()) {
			continue
		}
		w.entry(ctx, name, entry, rules)
	}
}

func (w *walker) entry(ctx context.Context, name string, entry fs.DirEntry, rules []rule) {
	switch {
	case entry.Type()&fs.ModeSymlink != 0:
		w.link(name)
	case entry.IsDir():
		if !w.foreign(name) {
			w.directory(ctx, name, rules)
		}
	case isManifest(name):
		if len(w.files) == source.DefaultLimits.Files {
			w.fail(name, fmt.Sprintf("more than %d files", source.DefaultLimits.Files), "split the directory over several Syncs")
		}
		if len(w.files) < source.DefaultLimits.Files {
			w.files = append(w.files, name)
		}
	}
}

// isManifest is the rule by which a file is one: its name.
func isManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// link takes what a link leads to when that is a file. Directories would allow for circles.
func (w *walker) link(name string) {
	w.artifact.Link(name)
	info, err := w.artifact.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.fail(name, "a link that leads nowhere", "point it to a file, or remove it")
	case err != nil:
		w.errs = append(w.errs, render.Fault(name, err))
	case info.IsDir():
		w.fail(name, "a link to a directory", "give that directory a Sync of its own, or name the link in "+IgnoreFile)
	case isManifest(name):
		w.files = append(w.files, name)
	}
}

// foreign reports a directory that something else is meant to render: taking its files as they are would apply what nobody
// means to, and leaving them out would go unnoticed.
func (w *walker) foreign(dir string) bool {
	if slices.ContainsFunc(render.KustomizationFiles, func(name string) bool { return w.has(dir, name) }) {
		w.fail(dir, "has a kustomization, but lies in a directory without one",
			"give it a Sync of its own, list it in a kustomization, or name it in "+IgnoreFile)
		return true
	}
	return w.chart(dir)
}

// chart reports a Helm chart.
func (w *walker) chart(dir string) bool {
	if !w.has(dir, "Chart.yaml") {
		return false
	}
	w.fail(dir, "is a Helm chart, whose templates are no manifests",
		"render it beforehand (helm template), or name it in a "+IgnoreFile+" above it")
	return true
}

func (w *walker) has(dir, name string) bool {
	info, err := w.artifact.Stat(path.Join(dir, name))
	return err == nil && !info.IsDir()
}
