package kustomize

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"

	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/kustomize/kyaml/yaml/merge2"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
)

// How valuesInline and the values file of a chart become one.
const (
	mergeOverride = "override" // what is inline wins
	mergeMerge    = "merge"    // the file wins
	mergeReplace  = "replace"  // there is no file
)

// values are those that a chart gets over its own, as the library makes a file of them for helm.
func (c *checker) values(one chart, from layer, dir string) (map[string]any, error) {
	var made map[string]any
	var err error
	switch {
	case len(one.ValuesInline) > 0:
		made, err = c.inline(one, from, dir)
	case one.ValuesFile != "":
		made, err = c.valuesFile(one.ValuesFile, one.at)
	}
	for _, name := range one.AdditionalValuesFiles {
		if err != nil {
			return nil, err
		}
		var more map[string]any
		if more, err = c.valuesFile(name, one.at); err == nil {
			made = merged(made, more)
		}
	}
	return made, err
}

// inline merges the values that are written in the kustomization with those of the file, by the library's own rules.
func (c *checker) inline(one chart, from layer, dir string) (map[string]any, error) {
	if one.ValuesMerge == mergeReplace {
		return decoded(one.ValuesInline)
	}
	var text []byte
	var err error
	name := c.view.display(path.Join(from.at, dir, "values.yaml"))
	if one.ValuesFile != "" {
		text, name, err = c.read(one.ValuesFile, one.at)
	} else if text, err = from.files.ReadFile(path.Join(dir, "values.yaml")); errors.Is(err, fs.ErrNotExist) {
		text, err = nil, nil // a chart may do without
	} else if err == nil {
		err = document.Bounded(text, name)
	}
	if err != nil {
		return nil, render.Fault(name, err)
	}
	file, err := kyaml.Parse(string(text))
	if errors.Is(err, io.EOF) { // nothing but comments
		return decoded(one.ValuesInline)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", name, err)
	}
	inline, err := kyaml.FromMap(one.ValuesInline)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", c.origin(one.at).String(), err)
	}
	over, under := inline, file
	if one.ValuesMerge == mergeMerge {
		over, under = file, inline
	}
	both, err := merge2.Merge(over, under.Copy(), kyaml.MergeOptions{})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", name, err)
	}
	values, err := both.Map()
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", name, err)
	}
	return decoded(values)
}

// read gives a file that the kustomization names.
func (c *checker) read(entry, at string) (text []byte, shown string, err error) {
	before := len(c.errs)
	name, ok := c.file(entry, at)
	if !ok {
		err := errors.Join(c.errs[before:]...)
		c.errs = c.errs[:before]
		return nil, entry, err
	}
	shown = c.view.display(name)
	if text, err = c.view.readFile(name); err == nil {
		if err = c.view.count(len(text)); err == nil {
			err = document.Bounded(text, shown)
		}
	}
	return text, shown, err
}

// valuesFile reads a file of values as helm does: every number is a float.
func (c *checker) valuesFile(entry, at string) (map[string]any, error) {
	text, shown, err := c.read(entry, at)
	if err != nil {
		return nil, render.Fault(shown, err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", shown, err)
	}
	return values, nil
}

// decoded gives values as helm would read them from a file.
func decoded(values map[string]any) (map[string]any, error) {
	text, err := yaml.Marshal(values)
	if err != nil {
		return nil, err
	}
	again := map[string]any{}
	return again, yaml.Unmarshal(text, &again)
}

// merged puts values over others, as helm does with its files.
func merged(under, over map[string]any) map[string]any {
	both := make(map[string]any, len(under)+len(over))
	maps.Copy(both, under)
	for key, value := range over {
		if deep, ok := value.(map[string]any); ok {
			if below, ok := both[key].(map[string]any); ok {
				both[key] = merged(below, deep)
				continue
			}
		}
		both[key] = value
	}
	return both
}
