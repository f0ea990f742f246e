package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/diff"
)

// document is what objects of one group-version are checked against.
type document struct {
	kinds map[string]*node
}

// node is the schema of one value. Nodes of shared and recursive definitions are shared; nothing changes them once the document
// is there.
type node struct {
	kind     valueKind
	strict   bool // of a custom resource: the server checks every word of the schema; see compile
	nullable bool
	open     bool // fields that are not declared are allowed
	embedded bool // a whole object of its own, with apiVersion, kind and metadata
	fields   map[string]*node
	extra    *node // of the values of fields that are not declared
	item     *node // of a list
	required []string
	format   string
	fallback any // what the server puts where nothing is declared; nil for none
	list     diff.ListKind
	keys     []string // of an associative list
	closed   bool     // a map that is replaced as a whole
	rules    *rules   // nil for none
}

// valueKind is the type of a value.
type valueKind uint8

const (
	anyValue valueKind = iota
	objectValue
	listValue
	textValue
	wholeValue
	numberValue
	boolValue
	wholeOrTextValue
	quantityValue
)

var valueKinds = map[string]valueKind{
	"object": objectValue, "array": listValue, "string": textValue, "integer": wholeValue, "number": numberValue, "boolean": boolValue,
}

// published is the part of an OpenAPI v3 schema that matters here.
type published struct {
	Ref                  string                `json:"$ref"`
	Type                 string                `json:"type"`
	Format               string                `json:"format"`
	Nullable             bool                  `json:"nullable"`
	Properties           map[string]*published `json:"properties"`
	AdditionalProperties *publishedOrBool      `json:"additionalProperties"`
	Items                *published            `json:"items"`
	Required             []string              `json:"required"`
	Default              any                   `json:"default"`
	AllOf                []*published          `json:"allOf"`
	publishedRules
	Preserve    bool                      `json:"x-kubernetes-preserve-unknown-fields"`
	Embedded    bool                      `json:"x-kubernetes-embedded-resource"`
	IntOrString bool                      `json:"x-kubernetes-int-or-string"`
	ListType    string                    `json:"x-kubernetes-list-type"`
	ListKeys    []string                  `json:"x-kubernetes-list-map-keys"`
	MapType     string                    `json:"x-kubernetes-map-type"`
	GVKs        []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
}

// publishedOrBool is additionalProperties: a schema, or true or false.
type publishedOrBool struct {
	*published
	allowed bool
}

// UnmarshalJSON reads either form.
func (p *publishedOrBool) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &p.allowed) == nil {
		return nil
	}
	p.allowed = true
	return json.Unmarshal(data, &p.published)
}

const refPrefix = "#/components/schemas/"

// parseDocument reads an OpenAPI v3 document and keeps the kinds of one group-version.
func parseDocument(raw []byte, gv schema.GroupVersion) (*document, error) {
	var file struct {
		Components struct {
			Schemas map[string]*published `json:"schemas"`
		} `json:"components"`
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&file); err != nil {
		return nil, fmt.Errorf("read the server's schema of %s: %w", gv, err)
	}
	c := compiler{source: file.Components.Schemas, done: map[string]*node{}, patterns: map[string]*regexp.Regexp{}}
	doc := &document{kinds: map[string]*node{}}
	for name, s := range c.source {
		if s == nil {
			continue
		}
		for _, gvk := range s.GVKs {
			if gvk.GroupVersion() == gv && s.Properties["metadata"] != nil {
				doc.kinds[strings.Clone(gvk.Kind)] = c.definition(name)
			}
		}
	}
	return doc, nil
}

// compiler turns published schemas into nodes, each definition once.
type compiler struct {
	source   map[string]*published
	done     map[string]*node
	patterns map[string]*regexp.Regexp
}

// definition gives the node of a named schema; of one that is missing, a node that allows everything.
func (c *compiler) definition(name string) *node {
	if n, found := c.done[name]; found {
		return n
	}
	n := &node{}
	c.done[name] = n // before its parts: definitions may contain themselves
	s := c.source[name]
	switch {
	case s == nil:
		n.open = true
	case strings.HasSuffix(name, ".api.resource.Quantity"):
		n.kind = quantityValue
	case strings.HasSuffix(name, ".util.intstr.IntOrString"):
		n.kind = wholeOrTextValue
	default:
		typed := isTyped(name, s)
		c.fill(n, s, !typed)
		if typed {
			n.required = enforced(name, s.Required)
		}
	}
	return n
}

// typedPrefixes are the definitions of Kubernetes itself.
var typedPrefixes = []string{
	"io.k8s.api.", "io.k8s.apimachinery.", "io.k8s.apiextensions-apiserver.", "io.k8s.kube-aggregator.",
}

// isTyped tells schemas that were generated from Go types, and that only describe what the server's own code decides, from those
// of custom resources, which the server goes by to the letter and publishes in one piece, but for the metadata.
func isTyped(name string, s *published) bool {
	for _, prefix := range typedPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for field, child := range s.Properties {
		if field != "metadata" && child != nil && refOf(child) != "" {
			return true
		}
	}
	return false
}

// refOf gives the definition that a schema stands for, or "". Kubernetes wraps references to add a default or description.
func refOf(s *published) string {
	ref := s.Ref
	if ref == "" && len(s.AllOf) == 1 && s.AllOf[0] != nil && s.Type == "" {
		ref = s.AllOf[0].Ref
	}
	return strings.TrimPrefix(ref, refPrefix)
}

// compile gives the node of a schema. strict is for custom resources: what is required, null or out of range is refused by the
// server itself. For Go types it says less: defaults are filled in, null and zero are the same as absence, and so on.
func (c *compiler) compile(s *published, strict bool) *node {
	if s == nil {
		return &node{open: true}
	}
	if ref := refOf(s); ref != "" {
		return c.definition(ref)
	}
	n := &node{}
	c.fill(n, s, strict)
	return n
}

func (c *compiler) fill(n *node, s *published, strict bool) {
	n.kind, n.strict, n.nullable, n.embedded = valueKinds[s.Type], strict, s.Nullable, s.Embedded
	n.format, n.fallback = s.Format, s.Default
	if s.IntOrString || s.Format == "int-or-string" {
		n.kind = wholeOrTextValue
	}
	if strict {
		n.required = s.Required
	}
	n.rules = c.rulesOf(s, strict)
	if s.Items != nil {
		n.item = c.compile(s.Items, strict)
	}
	switch s.ListType {
	case "atomic":
		n.list = diff.ListAtomic
	case "set":
		n.list = diff.ListSet
	case "map":
		n.list, n.keys = diff.ListAssociative, slices.Sorted(slices.Values(s.ListKeys))
	}
	if n.kind == listValue && n.list == diff.ListUnknown {
		n.list = diff.ListAtomic
	}
	if len(s.Properties) > 0 {
		n.fields = make(map[string]*node, len(s.Properties))
		for name, child := range s.Properties {
			n.fields[name] = c.compile(child, strict)
		}
	}
	if more := s.AdditionalProperties; more != nil && more.published != nil {
		n.extra = c.compile(more.published, strict)
	}
	// An object of which nothing is said may hold anything.
	n.open = s.Preserve || s.AdditionalProperties != nil && s.AdditionalProperties.allowed ||
		len(s.Properties) == 0 && s.AdditionalProperties == nil
	n.closed = s.MapType == "atomic" && n.extra != nil
}

// shapeAt finds the shape of the value at a path in which the items of lists are "*".
func (n *node) shapeAt(pattern string) diff.Shape {
	path, err := diff.ParsePath(pattern)
	if err != nil {
		return diff.Shape{}
	}
	for _, segment := range path {
		switch {
		case n == nil:
			return diff.Shape{}
		case n.kind == listValue:
			n = n.item
		case n.fields[segment.Name] != nil:
			n = n.fields[segment.Name]
		default:
			n = n.extra
		}
	}
	if n == nil {
		return diff.Shape{}
	}
	shape := diff.Shape{List: n.list, Keys: n.keys, Closed: n.closed, Quantity: n.kind == quantityValue}
	if n.kind == wholeOrTextValue && n.rules != nil && n.rules.pattern != nil {
		shape.Quantity = true // how custom resources declare quantities
	}
	shape.Defaults = n.keyDefaults()
	return shape
}

// keyDefaults gives the defaults of an associative list's keys.
func (n *node) keyDefaults() map[string]any {
	var out map[string]any
	for _, key := range n.keys {
		if n.item == nil || n.item.fields[key] == nil || n.item.fields[key].fallback == nil {
			continue
		}
		if out == nil {
			out = map[string]any{}
		}
		out[key] = n.item.fields[key].fallback
	}
	return out
}
