package kustomize

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// kustomization checks one before the library acts on it, and gives it as JSON, so that the library reads exactly what was
// checked.
func (v *view) kustomization(name string, data []byte) ([]byte, error) {
	shown := v.display(name)
	trees, err := document.Parse(data, shown)
	if err == nil && len(trees) > 1 {
		err = fault.New(fault.Invalid, "read", shown, "a kustomization is one document")
	}
	if err != nil {
		return nil, v.refuse(err)
	}
	tree := document.Tree{Value: map[string]any{}, Origin: state.Origin{File: shown, Line: 1}}
	if len(trees) == 1 {
		tree = trees[0]
	}
	fields, ok := tree.Value.(map[string]any)
	if !ok {
		return nil, v.refuse(fault.New(fault.Invalid, "read", tree.Origin.String(), "a kustomization is a mapping"))
	}
	c := checker{view: v, tree: tree, dir: path.Dir(name), fields: fields}
	c.check()
	if len(c.errs) == 0 && v.schema && !v.alone {
		return nil, errAlone
	}
	if len(c.errs) == 0 {
		c.inherit()
		c.inflate()
	}
	if len(c.errs) > 0 {
		for _, err := range c.errs {
			_ = v.refuse(err)
		}
		return nil, errors.Join(c.errs...)
	}
	if v.first != nil && len(v.open) == 1 {
		c.begin()
	}
	return json.Marshal(fields)
}

// errAlone says that a build has to be alone, and begins again then. Nobody sees it.
var errAlone = errors.New("another schema")

// checker checks one kustomization, and puts in the place of what the library must not do itself what is done for it.
type checker struct {
	view   *view
	tree   document.Tree
	dir    string // of the kustomization
	fields map[string]any
	charts []chart
	errs   []error
}

// check goes through the fields in the order in which they are written.
func (c *checker) check() {
	keys := slices.Sorted(maps.Keys(c.fields))
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(c.tree.Line("/"+a), c.tree.Line("/"+b)) })
	for _, key := range keys {
		c.field(key, c.fields[key])
	}
}

// origin is where something of the kustomization is written.
func (c *checker) origin(pointer string) state.Origin {
	return state.Origin{File: c.tree.Origin.File, Line: c.tree.Line(pointer)}
}

func (c *checker) fail(pointer, cause, hint string) {
	c.errs = append(c.errs, fault.New(fault.Invalid, "read", c.origin(pointer).String(), cause).WithHint(hint))
}

// failed takes note of an error of elsewhere, which keeps its kind, as that of a place of the kustomization.
func (c *checker) failed(pointer string, err error) {
	c.errs = append(c.errs, &fault.Error{
		Op: "read", Item: c.origin(pointer).String(), Kind: fault.KindOf(err), Err: err, Hint: fault.HintOf(err),
	})
}

// field checks one field of a kustomization. The library does not mind the case of its name.
func (c *checker) field(name string, value any) {
	pointer := "/" + name
	switch lower := strings.ToLower(name); lower {
	case "helmcharts", "helmchartinflationgenerator":
		c.declareCharts(value, pointer, lower)
	case "helmglobals":
	case "resources", "bases", "components":
		c.replace(name, pointer, func(entry, at string) (string, bool) { return c.base(entry, at, lower == "components"), true })
	case "generators", "transformers", "validators":
		c.replace(name, pointer, c.plugin)
	case "openapi":
		c.view.schema = true
		c.files(value, pointer)
	case "crds", "configurations":
		c.each(value, pointer, func(entry, at string) { c.file(entry, at) })
	case "patchesstrategicmerge":
		c.each(value, pointer, func(entry, at string) {
			if !strings.Contains(entry, "\n") {
				c.file(entry, at)
			}
		})
	case "configmapgenerator", "secretgenerator":
		c.files(value, pointer)
		c.generated(value, pointer, lower)
	case "patches", "patchesjson6902", "replacements":
		c.files(value, pointer)
	default:
		if !slices.Contains(knownFields, lower) {
			c.fail(pointer, fmt.Sprintf("%s: unknown field", name), "the fields are those of Kustomize's own reference")
		}
		c.remote(value, pointer, "")
	}
}

// knownFields are those of a kustomization, in lower case.
var knownFields = func() []string {
	fields := []string{"apiversion", "kind"}
	for field := range reflect.TypeFor[types.Kustomization]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, strings.ToLower(name))
	}
	return fields
}()

func (c *checker) each(value any, pointer string, check func(entry, at string)) {
	items, _ := value.([]any)
	for i, item := range items {
		if entry, ok := item.(string); ok {
			check(entry, pointer+"/"+strconv.Itoa(i))
		}
	}
}

// replace puts others in the place of the entries of a list, or leaves them out.
func (c *checker) replace(field, pointer string, by func(entry, at string) (string, bool)) {
	items, _ := c.fields[field].([]any)
	kept := make([]any, 0, len(items))
	for i, item := range items {
		entry, ok := item.(string)
		if !ok {
			kept = append(kept, item)
			continue
		}
		if other, keep := by(entry, pointer+"/"+strconv.Itoa(i)); keep {
			kept = append(kept, other)
		}
	}
	if len(items) > 0 {
		c.fields[field] = kept
	}
}

// list gives the entries of a field, whatever the case of its name, and that name.
func (c *checker) list(field string) (items []any, name string) {
	for key, value := range c.fields {
		if strings.EqualFold(key, field) {
			items, _ := value.([]any)
			return items, key
		}
	}
	return nil, field
}

// base checks a resource, which is a file or a directory, or a component, which is a directory, and gives what the library is to take for
// it.
func (c *checker) base(entry, at string, component bool) string {
	var name string
	if isRemote(entry) {
		var ok bool
		if name, ok = c.remoteBase(entry, at); !ok {
			return entry
		}
	} else {
		var ok bool
		if name, ok = c.file(entry, at); !ok {
			return entry
		}
	}
	info, err := c.view.stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.fail(at, fmt.Sprintf("%q is not there", withoutSecrets(entry)), fmt.Sprintf("the source has nothing at %s", c.view.display(name)))
	case err != nil:
		c.errs = append(c.errs, render.Fault(c.view.display(name), err))
	case info.IsDir() && !c.hasKustomization(name):
		c.fail(at, fmt.Sprintf("%q has no kustomization", withoutSecrets(entry)),
			"add a kustomization.yaml there, or list its files one by one")
	case component && !info.IsDir():
		c.fail(at, fmt.Sprintf("%q is not a directory", withoutSecrets(entry)),
			"a component is a directory with a kustomization of kind Component")
	case !info.IsDir():
		c.view.resources = append(c.view.resources, name)
	}
	if isRemote(entry) {
		return c.relative(name)
	}
	return entry
}

// generated remembers where the objects of a generator are declared.
func (c *checker) generated(value any, pointer, generator string) {
	kind := "ConfigMap"
	if generator == "secretgenerator" {
		kind = "Secret"
	}
	items, _ := value.([]any)
	for i, item := range items {
		fields, _ := item.(map[string]any)
		name, _ := fields["name"].(string)
		namespace, _ := fields["namespace"].(string)
		c.view.declared = append(c.view.declared, declared{
			id: state.ID{Kind: kind, Namespace: namespace, Name: name}, origin: c.origin(pointer + "/" + strconv.Itoa(i)),
		})
	}
}

func (c *checker) hasKustomization(dir string) bool {
	return slices.ContainsFunc(render.KustomizationFiles, func(name string) bool {
		info, err := c.view.stat(path.Join(dir, name))
		return err == nil && !info.IsDir()
	})
}

// file checks that a path stays inside, and gives it from the root of the artifact.
func (c *checker) file(entry, at string) (string, bool) {
	// "a/link/../b" means the link's parent, so the directory is taken as it really is.
	dir, err := c.view.resolve(c.dir)
	if err != nil {
		dir = c.dir
	}
	name := path.Join(dir, entry)
	layer, _ := c.view.layerOf(dir)
	switch {
	case isRemote(entry):
		c.fail(at, fmt.Sprintf("%q is fetched from elsewhere, which only resources, components and charts can be", withoutSecrets(entry)),
			"copy it into the source; write ./ before a local path that looks like a URL")
	case path.IsAbs(entry):
		c.fail(at, fmt.Sprintf("%q is an absolute path", entry), "write it from the directory of the kustomization")
	case !layer.holds(name):
		c.fail(at, fmt.Sprintf("%q leads outside of the source", entry), "a kustomization can use what is in the same source")
	default:
		return name, true
	}
	return "", false
}

// files checks what a structure names in its fields path, files, env and envs.
func (c *checker) files(value any, pointer string) {
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			c.files(item, pointer+"/"+strconv.Itoa(i))
		}
	case map[string]any:
		for key, item := range v {
			at := pointer + "/" + key
			switch strings.ToLower(key) {
			case "path", "env":
				if entry, ok := item.(string); ok && entry != "" {
					c.file(entry, at)
				}
			case "files", "envs":
				c.each(item, at, func(entry, at string) { c.file(afterKey(entry), at) })
			}
		}
	}
}

// afterKey gives the path of "key=path".
func afterKey(entry string) string {
	if _, name, ok := strings.Cut(entry, "="); ok {
		return name
	}
	return entry
}
