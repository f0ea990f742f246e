package render

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/placeholder"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// valuesOf gives what the variables of a request stand for. Values that are declared win over those of objects, of which a later one wins
// over an earlier, and both over the agent's environment.
func valuesOf(ctx context.Context, request Request) (map[string]placeholder.Value, error) {
	how := request.How.Substitute
	values := map[string]placeholder.Value{}
	for i, from := range how.From {
		if err := valuesFrom(ctx, request, from, values); err != nil {
			field := fmt.Sprintf("spec.substitute.from[%d]", i)
			return nil, &fault.Error{Op: "read", Item: field, Kind: fault.KindOf(err), Err: err, Hint: fault.HintOf(err)}
		}
	}
	for name, text := range how.Values {
		values[name] = placeholder.Value{Text: text}
	}
	if err := environment(request, values); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name].Text) > placeholder.MaxValue {
			cause := fmt.Sprintf("the value is longer than %d MiB", placeholder.MaxValue>>20)
			return nil, fault.New(fault.Invalid, "substitute", name, cause).
				WithHint("keep long texts in files, and short ones in variables")
		}
	}
	return values, nil
}

// environment adds those variables of the agent's environment that are listed, where nothing else gives them.
func environment(request Request, values map[string]placeholder.Value) error {
	for _, name := range request.How.Substitute.Environment {
		if _, known := values[name]; known {
			continue
		}
		if request.Outside.Environ == nil {
			return fault.New(fault.Invalid, "read", "spec.substitute.environment", "the agent gives no variables of its environment").
				WithHint("start it with --allow-environment " + name + ", or give " + name + " another way")
		}
		if text, ok := request.Outside.Environ(name); ok {
			values[name] = placeholder.Value{Text: text, Secret: true}
		}
	}
	return nil
}

// valuesFrom adds every key of a ConfigMap or Secret.
func valuesFrom(ctx context.Context, request Request, from v1alpha1.SubstituteFrom, values map[string]placeholder.Value) error {
	id := state.ID{Kind: "ConfigMap"} // of the core group
	name := from.ConfigMap
	if from.Secret != nil {
		id.Kind, name = "Secret", from.Secret
	}
	if name == nil {
		return fault.New(fault.Invalid, "", "", "it names neither a configMap nor a secret")
	}
	id.Namespace, id.Name = cmp.Or(name.Namespace, request.Namespace, "default"), name.Name
	if request.Outside.Values == nil {
		return fault.New(fault.Invalid, "", id.String(), "there is no cluster to read it from").
			WithHint("give the values in spec.substitute.values instead")
	}
	object, err := request.Outside.Values.Object(ctx, id)
	switch {
	case fault.KindOf(err) == fault.NotFound && from.Optional:
		return nil
	case fault.KindOf(err) == fault.NotFound && fault.HintOf(err) == "":
		return &fault.Error{Kind: fault.NotFound, Err: err, Hint: "create it, or say that it is optional: true"}
	case err != nil:
		return err
	}
	return addKeys(object.Content(), id, values)
}

// addKeys takes the texts of a ConfigMap or Secret. What is no text in a Secret is no value of a variable.
func addKeys(content map[string]any, id state.ID, values map[string]placeholder.Value) error {
	secret := id.Kind == "Secret"
	data, _ := content["data"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		text, ok := data[key].(string)
		if !ok {
			return fault.New(fault.Invalid, "", id.String(), "its key "+key+" is no text").WithHint("quote it")
		}
		if secret {
			plain, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return fault.New(fault.Invalid, "", id.String(), "its key "+key+" is not base64") // the cause would hold some of it
			}
			text = string(plain)
		}
		if utf8.ValidString(text) {
			values[key] = placeholder.Value{Text: text, Secret: secret}
		}
	}
	if !secret {
		return nil
	}
	written, _ := content["stringData"].(map[string]any) // of manifests that stand in for a cluster
	for key, value := range written {
		if text, ok := value.(string); ok {
			values[key] = placeholder.Value{Text: text, Secret: true}
		}
	}
	return nil
}
