package kustomize

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// plugin checks the configuration of plugins: a file, or written in place. Directories are refused, as what they make could only be checked
// once it is made. Charts are taken out of it, as they are rendered for the library.
func (c *checker) plugin(entry, at string) (string, bool) {
	trees, err := document.Parse([]byte(entry), "x.yaml")
	if err != nil || len(trees) == 0 || !isMapping(trees[0].Value) {
		name, ok := c.file(entry, at)
		if !ok {
			return entry, true
		}
		data, err := c.view.readFile(name)
		if err != nil {
			c.fail(at, fmt.Sprintf("%q is not a file", entry), "name the files of plugins one by one")
			return entry, true
		}
		if trees, err = document.Parse(data, c.view.display(name)); err != nil {
			c.errs = append(c.errs, err)
			return entry, true
		}
	}
	var rest []string
	for _, tree := range trees {
		if c.config(tree.Value, at) {
			continue
		}
		text, err := json.Marshal(tree.Value)
		if err != nil {
			c.failed(at, err)
		}
		rest = append(rest, string(text))
	}
	switch {
	case len(rest) == len(trees):
		return entry, true
	case len(rest) == 0:
		return "", false
	}
	return strings.Join(rest, "\n---\n"), true
}

func isMapping(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}

// config checks the configuration of one plugin: only those that are part of Kustomize work without a process. It says whether it was that
// of a chart.
func (c *checker) config(value any, at string) (isChart bool) {
	fields, _ := value.(map[string]any)
	switch {
	case fields["apiVersion"] != "builtin":
		c.fail(at, fmt.Sprintf("the plugin %v would start a program, and nothing is started while rendering", fields["kind"]),
			"run it beforehand, and keep the result in the source")
	case fields["kind"] == "HelmChartInflationGenerator":
		c.declarePlugin(fields, at)
		return true
	default:
		c.remote(value, at, "")
	}
	return false
}
