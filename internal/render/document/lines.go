package document

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Line gives the line of the file on which the field at a JSON pointer (RFC 6901) is written; of its nearest parent that is
// written when it is not there itself.
func (t Tree) Line(pointer string) int {
	node, line := t.node, t.Origin.Line
	for _, name := range state.PointerNames(pointer) {
		key, value := entry(node, name)
		if value == nil {
			return line
		}
		node, line = value, key.Line+t.shift
	}
	return line
}

// Has says whether the field at a JSON pointer is written in the document.
func (t Tree) Has(pointer string) bool {
	return t.at(pointer) != nil
}

// at gives the value at a JSON pointer, nil when it is not written.
func (t Tree) at(pointer string) *yaml.Node {
	node := t.node
	for _, name := range state.PointerNames(pointer) {
		_, node = entry(node, name)
	}
	return node
}

// entry gives the key and value nodes of a mapping's key or a sequence's index; both are the item for a sequence.
func entry(node *yaml.Node, token string) (key, value *yaml.Node) {
	node = follow(node)
	if node == nil {
		return nil, nil
	}
	switch node.Kind {
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == token {
				return node.Content[i], node.Content[i+1]
			}
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if isMerge(node.Content[i]) {
				if key, value := entry(node.Content[i+1], token); value != nil {
					return key, value
				}
			}
		}
	}
	return nil, nil
}

// Quoted says whether the text at a JSON pointer is written in quotes, as a block, or with a tag, and so is a text whatever it looks like.
func (t Tree) Quoted(pointer string) bool {
	node := follow(t.at(pointer))
	return node != nil && node.Style != 0
}
