package document

import (
	"bytes"

	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// digits of a content's digest that make a name of metadata.generateName.
const digits = 8

// nameless says whether content asks for a name to be made for it.
func nameless(content map[string]any) bool {
	metadata, _ := content["metadata"].(map[string]any)
	return metadata["name"] == nil && metadata["generateName"] != nil
}

// name gives a hook that asks for a name the one that its content makes, in place; ok is false when the object is no hook. What is not a
// hook has to be found again when its content has changed, and cannot be named so.
func name(content map[string]any) (ok bool) {
	metadata, _ := content["metadata"].(map[string]any)
	prefix, _ := metadata["generateName"].(string)
	object := state.NewObject(content, state.Origin{})
	if _, hook := plan.HookOf(object); !hook || prefix == "" {
		return false
	}
	metadata["name"] = prefix + string(object.Digest())[:digits]
	delete(metadata, "generateName")
	return true
}

// Named gives the content of a file with names for the hooks that ask for one, for whoever cannot take objects without: the same names that
// Read gives. A file without such hooks, or with errors, is given back as it is.
func Named(data []byte, file string) []byte {
	if !bytes.Contains(data, []byte("generateName")) {
		return data
	}
	trees, err := Parse(data, file)
	if err != nil {
		return data
	}
	o := objects{}
	for _, tree := range trees {
		o.flatten(tree, 0)
	}
	if o.named == 0 || len(o.errs) > 0 {
		return data
	}
	parts := make([][]byte, len(o.documents))
	for i, document := range o.documents {
		if parts[i], err = document.Object.MarshalJSON(); err != nil {
			return data
		}
	}
	return bytes.Join(parts, []byte("\n---\n"))
}
