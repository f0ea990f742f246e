package explain

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// given are values from one place.
type given struct {
	values map[string]any
	place  func(pointer string) Place
}

// values gives all that a chart is given, an earlier one under a later one: its own and those of the charts below it, then what valuesFrom
// names, then what is declared.
func (x *explainer) values(ctx context.Context, how v1alpha1.Helm) []given {
	all := x.defaults(how.Chart, nil, 0)
	for _, from := range how.ValuesFrom {
		if one, ok := x.valuesFrom(ctx, from); ok {
			all = append(all, one)
		}
	}
	if x.cfg.Sync.Object != nil {
		return append(all, given{how.Values, func(pointer string) Place {
			return x.sync("/spec/helm/values"+pointer, Place{Kind: Value, Detail: dotted(pointer)})
		}})
	}
	for _, file := range x.cfg.ValueFiles {
		if one, ok := written(file.Data, file.Name, nil, func(line int, pointer string) Place {
			return Place{Kind: Value, File: file.Name, Line: line, Detail: dotted(pointer)}
		}); ok {
			all = append(all, one)
		}
	}
	return all
}

// written reads a text of values; with a prefix they are those of a chart below.
func written(data []byte, file string, prefix []string, place func(line int, pointer string) Place) (given, bool) {
	trees, err := document.Parse(data, file)
	if err != nil || len(trees) != 1 {
		return given{}, false
	}
	tree := trees[0]
	values, ok := tree.Value.(map[string]any)
	if !ok {
		return given{}, false
	}
	for _, name := range slices.Backward(prefix) {
		values = map[string]any{name: values}
	}
	return given{values, func(pointer string) Place {
		inside := strings.TrimPrefix(pointer, state.Pointer(prefix...))
		return place(tree.Line(inside), pointer)
	}}, true
}

// defaults gives the values of a chart and of those in its directory charts.
func (x *explainer) defaults(dir string, prefix []string, depth int) []given {
	if depth > maxDepth {
		return nil
	}
	var all []given
	names := x.aliases(dir)
	entries, _ := x.cfg.Files.ReadDir(path.Join(dir, "charts"))
	for _, entry := range entries {
		below := path.Join(dir, "charts", entry.Name())
		if !entry.IsDir() {
			continue
		}
		called := names[entry.Name()]
		if len(called) == 0 {
			called = []string{entry.Name()}
		}
		for _, name := range called {
			all = append(all, x.defaults(below, append(slices.Clone(prefix), name), depth+1)...)
		}
	}
	file := path.Join(dir, "values.yaml")
	data, err := x.cfg.Files.ReadFile(file)
	if err != nil {
		return all
	}
	one, ok := written(data, file, prefix, func(line int, pointer string) Place { return x.place(Value, file, line, dotted(pointer)) })
	if ok {
		all = append(all, one)
	}
	return all
}

// aliases gives the names by which a chart knows those that it depends on, by their own.
func (x *explainer) aliases(dir string) map[string][]string {
	data, err := x.cfg.Files.ReadFile(path.Join(dir, "Chart.yaml"))
	if err != nil {
		return nil
	}
	var metadata struct {
		Dependencies []struct{ Name, Alias string }
	}
	if yaml.Unmarshal(data, &metadata) != nil {
		return nil
	}
	names := map[string][]string{}
	for _, one := range metadata.Dependencies {
		names[one.Name] = append(names[one.Name], cmp.Or(one.Alias, one.Name))
	}
	return names
}

// unaliased gives the path of a file of a chart as it is in the artifact: Helm names the directories of charts by their aliases. What is
// not there, as it is in an archive, keeps the name that it has.
func (x *explainer) unaliased(dir, file string) string {
	rest, ok := strings.CutPrefix(file, path.Join(dir, "charts")+"/")
	if _, err := x.cfg.Files.Stat(file); err == nil || !ok {
		return file
	}
	alias, rest, _ := strings.Cut(rest, "/")
	names := x.aliases(dir)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		below := path.Join(dir, "charts", name)
		if !slices.Contains(names[name], alias) {
			continue
		}
		if _, err := x.cfg.Files.Stat(below); err == nil {
			return x.unaliased(below, path.Join(below, rest))
		}
	}
	return file
}

// valuesFrom reads what an entry of valuesFrom names.
func (x *explainer) valuesFrom(ctx context.Context, from v1alpha1.HelmValues) (given, bool) {
	place := func(line int, pointer string) Place { return x.place(Value, from.File, line, dotted(pointer)) }
	var data []byte
	var err error
	if from.File != "" {
		data, err = x.cfg.Files.ReadFile(from.File)
	} else {
		var id state.ID
		key := cmp.Or(from.Key, v1alpha1.DefaultHelmValuesKey)
		id, data, err = x.keyOf(ctx, from, key)
		place = func(_ int, pointer string) Place {
			return Place{Kind: Value, Detail: dotted(pointer) + " of " + id.String() + ", key " + key}
		}
	}
	if err != nil {
		return given{}, false
	}
	if from.At == "" {
		return written(data, from.File, nil, place)
	}
	if strings.ContainsAny(from.At, `[\`) {
		return given{}, false // it is merged into a list, or has a name with a dot
	}
	var value any = string(data)
	for _, name := range slices.Backward(strings.Split(from.At, ".")) {
		value = map[string]any{name: value}
	}
	values, _ := value.(map[string]any)
	return given{values, func(pointer string) Place { return place(0, pointer) }}, true
}

// keyOf reads a key of a ConfigMap or Secret.
func (x *explainer) keyOf(ctx context.Context, from v1alpha1.HelmValues, key string) (state.ID, []byte, error) {
	kind, name := "ConfigMap", from.ConfigMap
	if from.Secret != nil {
		kind, name = "Secret", from.Secret
	}
	object, err := x.outside(ctx, kind, name)
	if err != nil {
		return state.ID{}, nil, err
	}
	data := textsOf(object)
	return object.ID(), []byte(data[key]), nil
}

// textsOf gives the texts of a ConfigMap or Secret, decoded.
func textsOf(object *state.Object) map[string]string {
	content := object.Content()
	texts := map[string]string{}
	data, _ := content["data"].(map[string]any)
	for key, value := range data {
		text, ok := value.(string)
		if plain, err := base64.StdEncoding.DecodeString(text); object.Kind() == "Secret" {
			text, ok = string(plain), err == nil
		}
		if ok {
			texts[key] = text
		}
	}
	written, _ := content["stringData"].(map[string]any)
	for key, value := range written {
		if text, ok := value.(string); ok {
			texts[key] = text
		}
	}
	return texts
}

// merged puts values over one another, as Helm does: mappings are merged, everything else replaces what was there, and null takes it away.
func merged(layers []given) map[string]any {
	all := map[string]any{}
	for _, one := range layers {
		all = over(all, one.values)
	}
	return all
}

func over(under, values map[string]any) map[string]any {
	out := copied(under)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		more, isMap := values[name].(map[string]any)
		below, both := out[name].(map[string]any)
		if isMap && both {
			out[name] = over(below, more)
			continue
		}
		out[name] = values[name]
	}
	return out
}

// dotted writes a pointer as a path of a value: "image.tag", "hosts[0]".
func dotted(pointer string) string {
	var b strings.Builder
	for _, token := range state.PointerNames(pointer) {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strings.ReplaceAll(token, ".", `\.`))
	}
	return b.String()
}
