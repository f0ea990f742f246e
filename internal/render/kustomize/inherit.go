package kustomize

import (
	"path"
	"strings"
)

// opened is a kustomization whose bases and components are being built.
type opened struct {
	namespace string // that charts of its bases inherit
	children  []string
}

// inherit finds out from which overlay this kustomization is used, and what it hands on to its own bases. The library goes through them
// depth first, in the order of their lists: so the next one that is read belongs to the innermost that still waits for it.
func (c *checker) inherit() {
	v := c.view
	mine := opened{namespace: c.text("namespace"), children: c.children()}
	for at := len(v.open) - 1; at >= 0; at-- {
		above := &v.open[at]
		if len(above.children) == 0 || above.children[0] != c.dir {
			continue
		}
		above.children = above.children[1:]
		if mine.namespace == "" {
			mine.namespace = above.namespace
		}
		v.open = append(v.open[:at+1], mine)
		return
	}
	v.open = []opened{mine}
}

// namespace is the one that charts of the kustomization which is being read get when they name none.
func (v *view) namespace() string { return v.open[len(v.open)-1].namespace }

// text gives a field that is text, whatever the case of its name.
func (c *checker) text(field string) string {
	for key, value := range c.fields {
		if text, ok := value.(string); ok && strings.EqualFold(key, field) {
			return text
		}
	}
	return ""
}

// children are the directories that the library goes into, in that order.
func (c *checker) children() []string {
	var all []string
	for _, field := range []string{"resources", "bases", "components"} {
		items, _ := c.list(field)
		for _, item := range items {
			entry, _ := item.(string)
			where, err := c.view.resolve(path.Join(c.dir, entry))
			if err != nil {
				continue
			}
			if info, err := c.view.stat(where); err == nil && info.IsDir() {
				all = append(all, where)
			}
		}
	}
	return all
}
