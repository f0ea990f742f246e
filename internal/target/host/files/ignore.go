package files

import (
	"slices"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// leaveToOthers takes what a step ignores out of what is to be done: it stays as it is, also in a file that is written anew because of
// something else. What is missing, or is something else, is made as it is declared: somebody has to set the first value.
func (t *task) leaveToOthers(rules []diff.Ignore) {
	if len(rules) == 0 || t.differs.missing || t.differs.kind {
		return
	}
	have := t.have.info
	if ignores(rules, "spec", "mode") {
		t.differs.mode, t.attributes.Mode = false, have.Mode
	}
	if ignores(rules, "spec", "owner") {
		t.differs.uid, t.attributes.UID = false, have.UID
	}
	if ignores(rules, "spec", "group") {
		t.differs.gid, t.attributes.GID = false, have.GID
	}
	body := "content"
	if t.c.kind == rootfs.Link {
		body = "target"
	}
	if ignores(rules, "spec", body) {
		t.differs.content, t.differs.target, t.othersBody = false, false, true
	}
	t.have.unmanaged = slices.DeleteFunc(t.have.unmanaged, func(name string) bool { return ignores(rules, "entries", name) })
	t.differs.extra = len(t.have.unmanaged) > 0
}

// ignores says whether a rule names a field, or what it lies in.
func ignores(rules []diff.Ignore, names ...string) bool {
	return slices.ContainsFunc(rules, func(rule diff.Ignore) bool {
		return slices.ContainsFunc(rule.Fields, func(text string) bool {
			path, err := diff.ParsePath(text)
			if err != nil || len(path) == 0 || len(path) > len(names) {
				return false
			}
			for i, segment := range path {
				if segment.Name != "*" && segment.Name != names[i] {
					return false
				}
			}
			return true
		})
	})
}
