package explain

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// kustomization is one file of that name.
type kustomization struct {
	file   string
	dir    string
	tree   document.Tree
	fields map[string]any
}

// readKustomization gives the one of a directory; nil when there is none that can be read.
func readKustomization(files source.Artifact, dir string) *kustomization {
	for _, name := range render.KustomizationFiles {
		file := path.Join(dir, name)
		data, err := files.ReadFile(file)
		if err != nil {
			continue
		}
		trees, err := document.Parse(data, file)
		if err != nil || len(trees) > 1 {
			return nil
		}
		k := &kustomization{file: file, dir: dir, fields: map[string]any{}}
		k.tree = document.Tree{Value: k.fields, Origin: state.Origin{File: file, Line: 1}}
		if len(trees) == 1 {
			k.tree = trees[0]
			k.fields, _ = k.tree.Value.(map[string]any)
		}
		return k
	}
	return nil
}

// item is one thing that a kustomization says, without which it can be built: an entry of a list, or a field.
type item struct {
	of    *kustomization
	field string // as it is written
	index int    // in the list; -1 for a field that is none
}

// pointer leads to it in its file.
func (i item) pointer() string {
	if i.index < 0 {
		return "/" + i.field
	}
	return "/" + i.field + "/" + strconv.Itoa(i.index)
}

func (i item) value() any {
	value := i.of.fields[i.field]
	if list, ok := value.([]any); ok && i.index >= 0 {
		return list[i.index]
	}
	return value
}

// is says whether it is of one of some fields; the case of their names does not matter, as it does not to Kustomize.
func (i item) is(fields ...string) bool {
	return slices.ContainsFunc(fields, func(field string) bool { return strings.EqualFold(field, i.field) })
}

// patches says whether it is a patch.
func (i item) patches() bool { return i.is("patches", "patchesStrategicMerge", "patchesJson6902") }

// generates says whether it makes objects.
func (i item) generates() bool {
	return i.is("configMapGenerator", "secretGenerator", "generators", "helmCharts", "helmChartInflationGenerator") || i.remote()
}

// remote says whether it is a resource of elsewhere.
func (i item) remote() bool { return i.is("resources", "bases", "components") }

// composes says whether what it makes of a field holds what was there before.
func (i item) composes() bool { return i.is("namePrefix", "nameSuffix", "images") || i.generates() }

// passive are fields that change no object by themselves.
var passive = []string{"apiversion", "kind", "metadata", "validators", "sortoptions", "helmglobals", "inventory"}

// items gives all that can be left out. What is remote says which entries of resources, bases and components are not in the artifact.
func (k *kustomization) items(remote func(entry string) bool) []item {
	names := make([]string, 0, len(k.fields))
	for name := range k.fields {
		if !slices.Contains(passive, strings.ToLower(name)) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if a, b := k.tree.Line("/"+a), k.tree.Line("/"+b); a != b {
			return a - b
		}
		return strings.Compare(a, b)
	})
	var all []item
	for _, name := range names {
		list, ok := k.fields[name].([]any)
		if !ok {
			all = append(all, item{of: k, field: name, index: -1})
			continue
		}
		for index := range list {
			one := item{of: k, field: name, index: index}
			entry, _ := one.value().(string)
			if !one.remote() || remote(entry) {
				all = append(all, one)
			}
		}
	}
	return all
}

// without gives the kustomization's content without an item, as JSON, which every reader of YAML takes.
func (k *kustomization) without(left item) []byte {
	fields := map[string]any{}
	for name, value := range k.fields {
		list, ok := value.([]any)
		switch {
		case name != left.field:
			fields[name] = value
		case ok && left.index >= 0:
			fields[name] = slices.Delete(slices.Clone(list), left.index, left.index+1)
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil // cannot be: it was read as JSON
	}
	return data
}

// entries gives the texts of some lists.
func (k *kustomization) entries(fields ...string) []string {
	var all []string
	for _, field := range fields {
		for name, value := range k.fields {
			list, _ := value.([]any)
			if !strings.EqualFold(name, field) {
				continue
			}
			for _, one := range list {
				if text, ok := one.(string); ok {
					all = append(all, text)
				}
			}
		}
	}
	return all
}

// text gives a field that is text.
func (k *kustomization) text(field string) string {
	for name, value := range k.fields {
		if text, ok := value.(string); ok && strings.EqualFold(name, field) {
			return text
		}
	}
	return ""
}
