package document

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// converter turns a node tree into JSON-shaped data, and reports what has no such shape. Lines are those of the tree.
type converter struct {
	report  func(line int, cause, hint string)
	failed  bool
	aliases []*yaml.Node // the anchors being expanded, to find one that contains itself
	aliased int          // values made by expanding
}

func (c *converter) fail(node *yaml.Node, cause, hint string) any {
	c.failed = true
	c.report(node.Line, cause, hint)
	return nil
}

// spent says whether the document's allowance is used up; it reports that once.
func (c *converter) spent(node *yaml.Node, depth int) bool {
	if depth > MaxDepth {
		c.fail(node, fmt.Sprintf("nested deeper than %d levels", MaxDepth), "")
		return true
	}
	if len(c.aliases) == 0 {
		return false
	}
	c.aliased++
	if c.aliased == MaxAliased+1 {
		c.fail(node, tooManyAliased, "write the values out, or split the document")
	}
	return c.aliased > MaxAliased
}

func (c *converter) value(node *yaml.Node, depth int) any {
	if c.spent(node, depth) {
		return nil
	}
	switch node.Kind {
	case yaml.ScalarNode:
		value, err := scalar(node)
		if err != nil {
			return c.fail(node, err.Error(), "")
		}
		return value
	case yaml.MappingNode:
		return c.mapping(node, depth)
	case yaml.SequenceNode:
		items := make([]any, len(node.Content))
		for i, item := range node.Content {
			items[i] = c.value(item, depth+1)
		}
		return items
	case yaml.AliasNode:
		return c.expand(node, func(target *yaml.Node) any { return c.value(target, depth+1) })
	}
	return c.fail(node, "not YAML that can be read", "")
}

// expand follows an alias while doing with it.
func (c *converter) expand(node *yaml.Node, with func(*yaml.Node) any) any {
	if slices.Contains(c.aliases, node.Alias) {
		return c.fail(node, fmt.Sprintf("the anchor %q contains itself", node.Value), "")
	}
	c.aliases = append(c.aliases, node.Alias)
	defer func() { c.aliases = c.aliases[:len(c.aliases)-1] }()
	return with(node.Alias)
}

func (c *converter) mapping(node *yaml.Node, depth int) map[string]any {
	out := make(map[string]any, len(node.Content)/2)
	var written map[string]bool // keys of this very mapping, when a merge has put others into out
	for i := 0; i+1 < len(node.Content); i += 2 {
		keyNode, valueNode := node.Content[i], node.Content[i+1]
		if isMerge(keyNode) {
			if written == nil {
				written = make(map[string]bool, len(out))
				for key := range out {
					written[key] = true
				}
			}
			c.merge(valueNode, out, depth)
			continue
		}
		key, ok := c.key(keyNode)
		if !ok {
			continue
		}
		_, twice := out[key]
		if written != nil {
			twice, written[key] = written[key], true
		}
		if twice {
			c.fail(keyNode, fmt.Sprintf("the key %q is there twice", key), "remove one of them")
			continue
		}
		out[key] = c.value(valueNode, depth+1)
	}
	return out
}

// merge puts the keys of a mapping, or of several of which the first wins, into out. As kubectl does it, a merged key
// replaces one that is written before the merge, and gives way to one written after it.
func (c *converter) merge(node *yaml.Node, out map[string]any, depth int) {
	if c.spent(node, depth) {
		return
	}
	switch node.Kind {
	case yaml.MappingNode:
		maps.Copy(out, c.mapping(node, depth+1))
	case yaml.AliasNode:
		c.expand(node, func(target *yaml.Node) any {
			if target.Kind != yaml.MappingNode {
				return c.fail(node, "a merge (<<) wants a mapping, or a list of them", "")
			}
			c.merge(target, out, depth+1)
			return nil
		})
	case yaml.SequenceNode:
		for _, item := range slices.Backward(node.Content) {
			if item.Kind == yaml.SequenceNode {
				c.fail(node, "a merge (<<) wants a mapping, or a list of them", "")
				return
			}
			c.merge(item, out, depth+1)
		}
	default:
		c.fail(node, "a merge (<<) wants a mapping, or a list of them", "")
	}
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && (key.Style == 0 || key.Tag == "!!merge")
}

// key gives a mapping's key as JSON has it.
func (c *converter) key(node *yaml.Node) (string, bool) {
	target := node
	if node.Kind == yaml.AliasNode {
		target = node.Alias
	}
	if target.Kind != yaml.ScalarNode {
		c.fail(node, "a key must be text", "")
		return "", false
	}
	if target.Style != 0 && target.Style&yaml.TaggedStyle == 0 {
		return target.Value, true
	}
	value, exact, err := resolve(target)
	if err != nil {
		c.fail(node, err.Error(), "")
		return "", false
	}
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if exact && math.Abs(v) <= math.MaxFloat32 {
			return strconv.FormatFloat(v, 'g', -1, 32), true
		}
	}
	c.fail(node, "a key must be text", "quote it")
	return "", false
}
