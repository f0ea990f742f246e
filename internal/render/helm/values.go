package helm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"unicode/utf8"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// given is what a Sync gives a chart.
type given struct {
	from   []v1alpha1.HelmValues
	inline map[string]any
}

// layer is values from one place, with what to call it.
type layer struct {
	name   string
	values map[string]any
}

// values merges what the chart is given, later over earlier. Layers are the same one by one, for whoever has to say where a value is from.
func (j *job) values(ctx context.Context) (map[string]any, []layer, error) {
	var layers []layer
	merged := map[string]any{}
	for i, from := range j.given.from {
		text, err := j.textFrom(ctx, fmt.Sprintf("helm.valuesFrom[%d]", i), from)
		if from.Optional && fault.KindOf(err) == fault.NotFound {
			continue
		}
		one := layer{name: text.name}
		if err == nil {
			one.values, err = j.layerOf(text, from.At)
		}
		if err != nil {
			return nil, nil, err
		}
		layers = append(layers, one)
		if merged, err = j.merge(merged, text, from.At, one.values); err != nil {
			return nil, nil, err
		}
	}
	inline, err := likeYAML(j.given.inline)
	if err != nil {
		return nil, nil, j.invalid("helm.values: " + err.Error())
	}
	layers = append(layers, layer{name: "helm.values", values: inline})
	return loader.MergeMaps(merged, inline), layers, nil
}

// likeYAML gives values the types that they would have if a file said them, in which every number is a float64: templates print them so.
func likeYAML(values map[string]any) (map[string]any, error) {
	data, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, err
	}
	return out, nil
}

// textOf is a text with values, or of one.
type textOf struct {
	name   string // of where it comes from
	data   []byte
	secret bool
}

// textFrom reads the text that an entry names.
func (j *job) textFrom(ctx context.Context, field string, from v1alpha1.HelmValues) (textOf, error) {
	var err error
	text := textOf{name: from.File, secret: from.Secret != nil}
	switch {
	case from.File != "":
		text.data, err = j.file(from.File)
	case from.ConfigMap != nil:
		text.name, text.data, err = j.fromObject(ctx, "ConfigMap", *from.ConfigMap, from.Key)
	case from.Secret != nil:
		text.name, text.data, err = j.fromObject(ctx, "Secret", *from.Secret, from.Key)
	default:
		err = j.invalid(field + ": none of file, configMap and secret is given")
	}
	return text, err
}

// layerOf makes values of a text: those that it holds, or with a path the one value that it is, as helm --set-literal does.
func (j *job) layerOf(text textOf, at string) (values map[string]any, err error) {
	if at == "" {
		values, err = readValues(text.name, text.data, text.secret)
	} else {
		values, err = j.merge(map[string]any{}, text, at, nil)
	}
	if text.secret {
		j.secrets.give(values)
	}
	return values, err
}

// valuePath is a path as helm --set-literal takes it: "image.tag", "hosts[0].name", "annotations.example\.com/x".
var valuePath = regexp.MustCompile(`^(?:[^=\[\].\\]|\\.)+(?:\[\d{1,4}\])*(?:\.(?:[^=\[\].\\]|\\.)+(?:\[\d{1,4}\])*)*$`)

// merge puts the values of a text over others; with a path it is the text itself that is put there, into lists that are there too.
func (j *job) merge(into map[string]any, text textOf, at string, values map[string]any) (merged map[string]any, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			merged, err = nil, j.noPath(text, at)
		}
	}()
	if at == "" {
		copied, _ := state.DeepCopy(values).(map[string]any)
		return loader.MergeMaps(into, copied), nil
	}
	if !valuePath.MatchString(at) || strvals.ParseLiteralInto(at+"="+string(text.data), into) != nil {
		return nil, j.noPath(text, at)
	}
	return into, nil
}

func (j *job) noPath(text textOf, at string) error {
	return j.invalid(fmt.Sprintf("%s: %q is no path of a value", text.name, at)).WithHint(`write it as in "image.tag"`)
}

// readValues reads a file of values as Helm does.
func readValues(name string, data []byte, secret bool) (map[string]any, error) {
	if err := boundedYAML(data, name); err != nil {
		return nil, err
	}
	values, err := loader.LoadValues(bytes.NewReader(data))
	switch {
	case err != nil && secret:
		return nil, fault.New(fault.Invalid, "read", name, "it is no YAML mapping") // the library may quote what it does not understand
	case err != nil:
		return nil, fault.New(fault.Invalid, "read", name, "it is no YAML mapping: "+err.Error())
	}
	return values, nil
}

func (j *job) file(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fault.New(fault.Invalid, "read", name, "a path goes down from the root of the source").
			WithHint("write it without a leading /, and without ..")
	}
	data, err := j.artifact.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "read", name, "the source has no such file of values").
			WithHint("its path goes from the root of the source, also into an import; or say optional: true")
	}
	return data, render.Fault(name, err)
}

// fromObject reads a key of a ConfigMap or Secret of the cluster.
func (j *job) fromObject(ctx context.Context, kind string, from v1alpha1.ObjectName, key string) (string, []byte, error) {
	key = cmp.Or(key, v1alpha1.DefaultHelmValuesKey)
	id := state.ID{Kind: kind, Namespace: cmp.Or(from.Namespace, j.request.Namespace, defaultNamespace), Name: from.Name}
	name := fmt.Sprintf("%s, key %s", id, key)
	if j.request.Outside.Values == nil {
		return name, nil, fault.New(fault.NotFound, "read", name, "no cluster can be asked for it here")
	}
	object, err := j.request.Outside.Values.Object(ctx, id)
	if err != nil {
		return name, nil, passOn("read", name, err)
	}
	data, ok := dataOf(object, kind, key)
	if !ok {
		return name, nil, fault.New(fault.NotFound, "read", name, "it has no such key").WithHint("say which by key")
	}
	return name, data, nil
}

// dataOf gives the data of a key; of a Secret decoded.
func dataOf(object *state.Object, kind, key string) ([]byte, bool) {
	content := object.Content()
	plain, encoded := "data", "binaryData"
	if kind == "Secret" {
		plain, encoded = "stringData", "data"
	}
	data, _ := content[plain].(map[string]any)
	if text, ok := data[key].(string); ok {
		return []byte(text), true
	}
	data, _ = content[encoded].(map[string]any)
	text, ok := data[key].(string)
	if !ok {
		return nil, false
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	return decoded, err == nil && utf8.Valid(decoded)
}

// has says whether a layer says something of a field.
func (l layer) has(path []string) bool {
	var value any = l.values
	for _, name := range path {
		table, ok := value.(map[string]any)
		if !ok {
			return false // what is deeper came with it
		}
		if value, ok = table[name]; !ok {
			return false
		}
	}
	return true
}

// origin names the places that a field may have its value from, the last one that says anything of it.
func origin(layers []layer, path []string) string {
	for _, l := range slices.Backward(layers) {
		if l.has(path) {
			return l.name
		}
	}
	return ""
}
