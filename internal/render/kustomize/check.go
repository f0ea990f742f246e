package kustomize

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"reflect"
	"regexp"
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
	trees, err := document.Parse(data, name)
	if err == nil && len(trees) > 1 {
		err = fault.New(fault.Invalid, "read", name, "a kustomization is one document")
	}
	if err != nil {
		return nil, v.refuse(err)
	}
	tree := document.Tree{Value: map[string]any{}, Origin: state.Origin{File: name, Line: 1}}
	if len(trees) == 1 {
		tree = trees[0]
	}
	fields, ok := tree.Value.(map[string]any)
	if !ok {
		return nil, v.refuse(fault.New(fault.Invalid, "read", tree.Origin.String(), "a kustomization is a mapping"))
	}
	c := checker{view: v, tree: tree, dir: path.Dir(name)}
	keys := slices.Sorted(maps.Keys(fields))
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(tree.Line("/"+a), tree.Line("/"+b)) })
	for _, key := range keys {
		c.field(key, fields[key])
	}
	if len(c.errs) > 0 {
		for _, err := range c.errs {
			_ = v.refuse(err)
		}
		return nil, errors.Join(c.errs...)
	}
	return json.Marshal(fields)
}

// checker checks one kustomization.
type checker struct {
	view *view
	tree document.Tree
	dir  string // of the kustomization
	errs []error
}

func (c *checker) fail(pointer, cause, hint string) {
	at := state.Origin{File: c.tree.Origin.File, Line: c.tree.Line(pointer)}
	c.errs = append(c.errs, fault.New(fault.Invalid, "read", at.String(), cause).WithHint(hint))
}

const hintHelm = "render the chart beforehand (helm template) and keep the result in the source"

// field checks one field of a kustomization. The library does not mind the case of its name.
func (c *checker) field(name string, value any) {
	pointer := "/" + name
	switch lower := strings.ToLower(name); lower {
	case "helmcharts", "helmchartinflationgenerator":
		c.fail(pointer, name+" would start helm, and nothing is started while rendering", hintHelm)
	case "resources", "bases", "components":
		c.each(value, pointer, func(entry, at string) { c.base(entry, at, lower == "components") })
	case "generators", "transformers", "validators":
		c.each(value, pointer, c.plugin)
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

// base checks a resource, which is a file or a directory, or a component, which is a directory.
func (c *checker) base(entry, at string, component bool) {
	name, ok := c.file(entry, at)
	if !ok {
		return
	}
	info, err := c.view.artifact.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.fail(at, fmt.Sprintf("%q is not there", entry), fmt.Sprintf("the source has nothing at %s", name))
	case err != nil:
		c.errs = append(c.errs, render.Fault(name, err))
	case info.IsDir() && !c.hasKustomization(name):
		c.fail(at, fmt.Sprintf("%q has no kustomization", entry),
			"add a kustomization.yaml there, or list its files one by one")
	case component && !info.IsDir():
		c.fail(at, fmt.Sprintf("%q is not a directory", entry), "a component is a directory with a kustomization of kind Component")
	case !info.IsDir():
		c.view.resources = append(c.view.resources, name)
	}
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
		at := state.Origin{File: c.tree.Origin.File, Line: c.tree.Line(pointer + "/" + strconv.Itoa(i))}
		c.view.declared = append(c.view.declared, declared{
			id: state.ID{Kind: kind, Namespace: namespace, Name: name}, origin: at,
		})
	}
}

func (c *checker) hasKustomization(dir string) bool {
	return slices.ContainsFunc(render.KustomizationFiles, func(name string) bool {
		info, err := c.view.artifact.Stat(path.Join(dir, name))
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
	switch {
	case isRemote(entry):
		c.fail(at, fmt.Sprintf("%q is fetched from elsewhere, and nothing is fetched while rendering", withoutSecrets(entry)),
			"copy it into the source, or give it a Source and a Sync of its own; write ./ before a local path that looks like a URL")
	case path.IsAbs(entry):
		c.fail(at, fmt.Sprintf("%q is an absolute path", entry), "write it from the directory of the kustomization")
	case name == ".." || strings.HasPrefix(name, "../"):
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

// plugin checks the configuration of a plugin: a file, or written in place. Directories are refused, as what they make could
// only be checked once it is made.
func (c *checker) plugin(entry, at string) {
	if trees, err := document.Parse([]byte(entry), "x.yaml"); err == nil && len(trees) > 0 {
		if _, inline := trees[0].Value.(map[string]any); inline {
			for _, tree := range trees {
				c.config(tree.Value, at)
			}
			return
		}
	}
	name, ok := c.file(entry, at)
	if !ok {
		return
	}
	data, err := c.view.artifact.ReadFile(name)
	if err != nil {
		c.fail(at, fmt.Sprintf("%q is not a file", entry), "name the files of plugins one by one")
		return
	}
	trees, err := document.Parse(data, name)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	for _, tree := range trees {
		c.config(tree.Value, at)
	}
}

// config checks the configuration of one plugin: only those that are part of Kustomize, but not helm, work without a process.
func (c *checker) config(value any, at string) {
	fields, _ := value.(map[string]any)
	switch {
	case fields["apiVersion"] != "builtin":
		c.fail(at, fmt.Sprintf("the plugin %v would start a program, and nothing is started while rendering", fields["kind"]),
			"run it beforehand, and keep the result in the source")
	case fields["kind"] == "HelmChartInflationGenerator":
		c.fail(at, "HelmChartInflationGenerator would start helm, and nothing is started while rendering", hintHelm)
	default:
		c.remote(value, at, "")
	}
}

// pathKeys are the fields, of whatever structure, whose text the library may take for a path or URL.
var pathKeys = []string{"path", "paths", "files", "envs", "env", "targetfilepath", "valuesfile", "crds", "configurations"}

// remote refuses URLs in fields that may be paths; at is where to report them.
func (c *checker) remote(value any, at, key string) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			c.remote(item, at, key)
		}
	case map[string]any:
		for key, item := range v {
			c.remote(item, at, strings.ToLower(key))
		}
	case string:
		if slices.Contains(pathKeys, key) && (isRemote(v) || isRemote(afterKey(v))) {
			c.file(v, at)
		}
	}
}

// What the library takes for a Git repository; see its NewRepoSpecFromURL. This refuses a little more than it would fetch.
var gitLike = regexp.MustCompile(`(?i)^(git::)*((ssh|https?|file|git)://|[a-z][-a-z0-9]*@|(www\.)?github\.com[/:]|gh:)`)

// isRemote says whether the library may fetch what a path names.
func isRemote(entry string) bool {
	if gitLike.MatchString(entry) {
		return true
	}
	parsed, err := url.Parse(entry)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https")
}

// withoutSecrets leaves out what stands before the host of a URL.
func withoutSecrets(entry string) string {
	scheme, rest, ok := strings.Cut(entry, "://")
	if !ok {
		return entry
	}
	if host := strings.LastIndex(rest, "@"); host >= 0 {
		rest = rest[host+1:]
	}
	return scheme + "://" + rest
}
