package files

import (
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// difference says in what respects something is not as it is declared. The zero value is no difference.
type difference struct {
	missing bool // nothing is there: the others mean nothing
	kind    bool // something else is there: the others mean nothing
	content bool
	target  bool
	mode    bool
	uid     bool
	gid     bool
	extra   bool // entries that nobody declares
}

func (d difference) any() bool { return d != difference{} }

// replaces says whether what is there gives way to something new, rather than being changed in place.
func (d difference) replaces() bool { return d.missing || d.kind || d.content || d.target }

// differ compares what is there with what is declared.
func differ(c declaration, want rootfs.Attributes, have actual) difference {
	info := have.info
	switch {
	case info.Type == rootfs.Nothing:
		return difference{missing: true}
	case info.Type != c.kind:
		return difference{kind: true}
	}
	return difference{
		content: c.kind == rootfs.File && (info.Size != c.size || have.sum != c.sum),
		target:  c.kind == rootfs.Link && info.Target != c.target,
		mode:    c.kind != rootfs.Link && info.Mode != want.Mode,
		uid:     info.UID != want.UID,
		gid:     info.GID != want.GID,
		extra:   len(have.unmanaged) > 0,
	}
}

// obstacle says why what is there cannot give way to what is declared: something would be lost that nobody can put back.
func obstacle(c declaration, have actual) error {
	switch have.info.Type {
	case rootfs.Directory:
		if c.kind != rootfs.Directory && have.full {
			return fault.New(fault.Conflict, "replace", c.path, "it is a directory with content, and a "+string(c.kind)+" is declared").
				WithHint("move what is in it elsewhere, or remove it; nothing was changed")
		}
	case rootfs.Socket, rootfs.Pipe, rootfs.Device:
		return fault.New(fault.Conflict, "replace", c.path, "it is a "+string(have.info.Type)+", and a "+string(c.kind)+" is declared").
			WithHint("remove it if nothing uses it, or declare another path")
	}
	return nil
}

// ownedByOther says whether only a new file can have the declared owner: without root's rights nobody gives a file of another user away,
// but whoever may write the directory can put one of his own in its place.
func ownedByOther(c declaration, want rootfs.Attributes, have actual, agent int) bool {
	return agent != 0 && c.kind != rootfs.Directory && have.info.UID != agent && want.UID == agent
}
