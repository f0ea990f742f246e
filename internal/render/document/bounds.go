package document

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Bounded says whether other readers of YAML may be given a file: an error of kind Invalid when the aliases of one of its
// documents expand beyond MaxAliased values, or when an anchor contains itself. A file that is no YAML at all is no error.
func Bounded(data []byte, file string) error {
	if bytes.IndexByte(data, '&') < 0 || bytes.IndexByte(data, '*') < 0 {
		return nil
	}
	for part := range split(data) {
		node, err := parseYAML(part.text)
		if err != nil || node == nil {
			continue
		}
		if _, err := expansion(node, nil, MaxAliased); err != nil {
			return invalid(state.Origin{File: file, Line: part.line + node.Line - 1}, err.Error(),
				"write the values out, or split the document")
		}
	}
	return nil
}

// expansion counts the values that aliases make, up to left.
func expansion(node *yaml.Node, open []*yaml.Node, left int) (int, error) {
	if node.Kind == yaml.AliasNode {
		if slices.Contains(open, node.Alias) {
			return 0, fmt.Errorf("the anchor %q contains itself", node.Value)
		}
		return expansion(node.Alias, append(open, node.Alias), left)
	}
	count := 0
	if len(open) > 0 {
		count = 1
	}
	for _, item := range node.Content {
		n, err := expansion(item, open, left-count)
		if err != nil {
			return 0, err
		}
		if count += n; count > left {
			return 0, errors.New(tooManyAliased)
		}
	}
	return count, nil
}

var tooManyAliased = fmt.Sprintf("the aliases expand to more than %d values", MaxAliased)
