package document

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxListDepth bounds lists of lists.
const maxListDepth = 8

// objects gathers those that trees declare.
type objects struct {
	documents []Document
	named     int // of the documents, those that were given a name
	errs      []error
}

func (o *objects) fail(at state.Origin, cause, hint string) {
	o.errs = append(o.errs, invalid(at, cause, hint))
}

// flatten adds a tree, or the items of a list in its place. A list is what kubectl takes for one: a kind that ends in "List"
// with items; one that has a name is an object of that kind.
func (o *objects) flatten(tree Tree, depth int) {
	content, ok := tree.Value.(map[string]any)
	if !ok {
		o.fail(tree.Origin, "not a manifest: the document is "+shapeOf(tree.Value), hintNotManifest)
		return
	}
	items, ok := listItems(content)
	if !ok {
		o.add(tree, content)
		return
	}
	if depth > maxListDepth {
		o.fail(tree.Origin, "lists within lists within lists", "")
		return
	}
	for i, item := range items {
		part := tree
		part.Value, part.node = item, nil
		if node := follow(child(tree.node, "items")); node != nil && i < len(node.Content) {
			part.node = follow(node.Content[i])
			part.Origin.Line = part.node.Line + tree.shift
		}
		if inner, ok := item.(map[string]any); ok {
			inherit(inner, content)
		}
		o.flatten(part, depth+1)
	}
}

func listItems(content map[string]any) ([]any, bool) {
	kind, _ := content["kind"].(string)
	version, _ := content["apiVersion"].(string)
	metadata, _ := content["metadata"].(map[string]any)
	if !strings.HasSuffix(kind, "List") || version == "" || metadata["name"] != nil {
		return nil, false
	}
	value, there := content["items"]
	items, ok := value.([]any)
	return items, ok || there && value == nil
}

// inherit gives the items of a typed list ("ConfigMapList") the type that they may leave out.
func inherit(item, list map[string]any) {
	kind := strings.TrimSuffix(list["kind"].(string), "List")
	if kind == "" || item["kind"] != nil {
		return
	}
	item["kind"] = kind
	if item["apiVersion"] == nil {
		item["apiVersion"] = list["apiVersion"]
	}
}

// add keeps a tree when it is an object.
func (o *objects) add(tree Tree, content map[string]any) {
	if content["apiVersion"] == nil && content["kind"] == nil {
		o.fail(tree.Origin, "not a manifest: it has neither apiVersion nor kind", hintNotManifest)
		return
	}
	if nameless(content) {
		if !name(content) {
			o.fail(tree.Origin, "metadata.generateName names nothing that could be found again",
				"give it a metadata.name; only a hook, which runs anew each time, may do without")
			return
		}
		o.named++
	}
	if !o.textual(tree, content) {
		return
	}
	object := state.NewObject(content, tree.Origin)
	if err := object.Check(); err != nil {
		o.fail(tree.Origin, "not a manifest: "+err.Error(), hintNotManifest)
		return
	}
	o.documents = append(o.documents, Document{Tree: tree, Object: object})
}

// textual reports parts of an ID that are no text: "name: on" is true, and "name: 1e3" a number.
func (o *objects) textual(tree Tree, content map[string]any) bool {
	metadata, _ := content["metadata"].(map[string]any)
	for _, part := range []struct {
		pointer string
		value   any
	}{
		{"/apiVersion", content["apiVersion"]}, {"/kind", content["kind"]},
		{"/metadata/name", metadata["name"]}, {"/metadata/namespace", metadata["namespace"]},
	} {
		if _, ok := part.value.(string); !ok && part.value != nil {
			at := tree.Origin
			at.Line = tree.Line(part.pointer)
			o.fail(at, strings.ReplaceAll(part.pointer[1:], "/", ".")+" is "+shapeOf(part.value)+", not text", "quote it")
			return false
		}
	}
	return true
}

// child gives the value node of a mapping's key, nil when there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	_, value := entry(node, key)
	return value
}

// follow gives what an alias stands for.
func follow(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
