package document

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxListDepth bounds lists of lists.
const maxListDepth = 8

// flatten adds a document, or the items of a list in its place. A list is what kubectl takes for one: a kind that ends in
// "List" with items; one that has a name is an object of that kind.
func (r *reader) flatten(doc Document, depth int) {
	if depth > maxListDepth {
		r.fail(doc.origin.Line, "lists within lists within lists", "")
		return
	}
	items, ok := listItems(doc.content)
	if !ok {
		r.append(doc)
		return
	}
	for i, item := range items {
		node := follow(child(doc.node, "items"))
		if node != nil && i < len(node.Content) {
			node = follow(node.Content[i])
		}
		line := doc.origin.Line
		if node != nil {
			line = node.Line + doc.shift
		}
		content, ok := item.(map[string]any)
		if !ok {
			r.fail(line, fmt.Sprintf("items[%d] is %s: want an object", i, shapeOf(item)), "")
			continue
		}
		inherit(content, doc.content)
		r.flatten(Document{
			content: content, node: node, shift: doc.shift,
			origin: state.Origin{File: r.file, Line: line, Document: doc.origin.Document},
		}, depth+1)
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

// append adds a document when it is an object.
func (r *reader) append(doc Document) {
	if doc.content["apiVersion"] == nil && doc.content["kind"] == nil {
		r.fail(doc.origin.Line, "not a manifest: it has neither apiVersion nor kind", hintNotManifest)
		return
	}
	metadata, _ := doc.content["metadata"].(map[string]any)
	if metadata["name"] == nil && metadata["generateName"] != nil {
		r.fail(doc.origin.Line, "metadata.generateName names nothing that could be found again", "give it a metadata.name")
		return
	}
	doc.Object = state.NewObject(doc.content, doc.origin)
	if err := doc.Object.Check(); err != nil {
		r.fail(doc.origin.Line, "not a manifest: "+err.Error(), hintNotManifest)
		return
	}
	r.documents = append(r.documents, doc)
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
