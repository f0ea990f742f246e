// Package document reads the YAML and JSON documents of one file exactly as kubectl would (YAML 1.1 scalars, whole numbers as
// int64), and knows the line of every field. It is strict where kubectl is not: a duplicate key is an error, and what aliases
// expand to is bounded.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of one document. They are far above what a cluster accepts (an API server refuses requests above 3 MiB), and keep
// what a hostile repository can make the agent do small.
const (
	// MaxBytes is the length of one document.
	MaxBytes = 4 << 20
	// MaxDepth is how deep mappings and sequences may nest.
	MaxDepth = 512
	// MaxAliased is how many values the aliases of one document may expand to.
	MaxAliased = 100_000
)

// hintNotManifest names the rule by which a file is left out.
const hintNotManifest = "if this file is not meant for Setpoint, name it in a .setpointignore file beside or above it"

// Document is one object as it was written.
type Document struct {
	Tree

	Object *state.Object
}

// Tree is one YAML or JSON document, whatever it means.
type Tree struct {
	// Value is JSON-shaped: map[string]any, []any, string, bool, nil, int64, float64.
	Value  any
	Origin state.Origin

	node  *yaml.Node
	shift int // lines of the file before the node tree's first line
}

// Read gives the objects that a file declares, in order, with lists flattened. What cannot be read is reported with file and
// line, all of it joined, as faults of kind Invalid; the documents that can be read are given all the same.
func Read(data []byte, file string) ([]Document, error) {
	var o objects
	trees, err := Parse(data, file)
	for _, tree := range trees {
		o.flatten(tree, 0)
	}
	return o.documents, errors.Join(append(o.errs, err)...)
}

// Parse gives the documents of a file that are not empty, whatever they mean; errors are those of Read.
func Parse(data []byte, file string) ([]Tree, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	r := reader{file: file}
	switch {
	case strings.HasSuffix(file, ".json"), looksLikeJSON(data):
		r.readJSON(data)
	default:
		for part := range split(data) {
			r.readYAML(part)
		}
	}
	return r.trees, errors.Join(r.errs...)
}

// looksLikeJSON says whether a file that is not named so is JSON: every JSON text is nearly YAML, but for its escapes.
func looksLikeJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] == '{' && json.Valid(data)
}

// reader gathers what one file holds.
type reader struct {
	file  string
	count int // documents so far that are not empty
	trees []Tree
	errs  []error
}

func (r *reader) readYAML(part part) {
	if len(part.text) > MaxBytes {
		r.fail(part.line, fmt.Sprintf("the document is longer than %d MiB", MaxBytes>>20), hintNotManifest)
		return
	}
	node, err := parseYAML(part.text)
	switch {
	case err != nil:
		r.count++
		r.syntax(part, err)
	case node != nil:
		r.count++
		r.add(node, part.line-1)
	}
}

// parseYAML gives the tree of one document, nil when it is empty. The library panics on some broken input.
func parseYAML(text []byte) (node *yaml.Node, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			node, err = nil, errors.New("the YAML parser gives up on this document")
		}
	}()
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

// add keeps the tree of one document.
func (r *reader) add(node *yaml.Node, shift int) {
	if node.Kind == yaml.ScalarNode && node.Style == 0 && isNull(node.Value) {
		r.count--
		return
	}
	convert := converter{report: func(line int, cause, hint string) { r.fail(line+shift, cause, hint) }}
	value := convert.value(node, 0)
	if convert.failed {
		return
	}
	r.trees = append(r.trees, Tree{
		Value: value, node: node, shift: shift,
		Origin: state.Origin{File: r.file, Line: node.Line + shift, Document: r.count},
	})
}

func (r *reader) fail(line int, cause, hint string) {
	r.errs = append(r.errs, invalid(state.Origin{File: r.file, Line: line}, cause, hint))
}

func invalid(at state.Origin, cause, hint string) error {
	return fault.New(fault.Invalid, "read", at.String(), cause).WithHint(hint)
}

// shapeOf names a value's type for people.
func shapeOf(value any) string {
	switch value.(type) {
	case nil:
		return "empty"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return "text"
	case bool:
		return "true or false"
	}
	return "a number"
}
