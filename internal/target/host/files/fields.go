package files

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/rootfs"
)

// maxShown bounds what is read of a file to show how it differs, in bytes.
const maxShown = 1 << 20

// maxFields bounds the fields of one object, as package diff does.
const maxFields = 200

// fields names what differs, in the order of the paths. An object that is missing has none: all of it differs.
func (d *Driver) fields(want *state.Object, c declaration, have actual, differs difference) []diff.Field {
	var fields []diff.Field
	add := func(differs bool, path string, before, after string) {
		if differs {
			field := diff.Field{Path: path}
			field.Old, field.New = diff.Show(before, after)
			fields = append(fields, field)
		}
	}
	for _, name := range have.unmanaged[:min(len(have.unmanaged), maxFields)] {
		old, _ := diff.Show("not declared", nil)
		fields = append(fields, diff.Field{Path: "/entries/" + escape(name), Old: old})
	}
	if differs.content {
		before, after := d.contents(want, c, have)
		add(true, "/spec/content", before, after)
	}
	if differs.gid {
		add(true, "/spec/group", d.cfg.Root.GroupName(have.info.GID), cmp.Or(c.group, d.cfg.Root.GroupName(d.gid)))
	}
	add(differs.mode, "/spec/mode", octal(have.info.Mode), octal(c.mode))
	if differs.uid {
		add(true, "/spec/owner", d.cfg.Root.UserName(have.info.UID), cmp.Or(c.owner, d.cfg.Root.UserName(d.uid)))
	}
	add(differs.target, "/spec/target", have.info.Target, c.target)
	add(differs.kind, "/type", describe(have.info.Type, have.info.Target), describe(c.kind, c.target))
	return fields
}

// contents gives both contents of a file as they may be shown. What only its owner could read is as secret as what is declared to be.
func (d *Driver) contents(want *state.Object, c declaration, have actual) (before, after string) {
	_, declared, err := d.compose(want)
	if err != nil {
		return "", ""
	}
	hidden := c.sensitive || have.info.Mode&0o077 == 0
	after = readable(declared)
	if hidden {
		after = d.cfg.Redactor.Hash(string(declared))
	}
	content, _, err := d.cfg.Root.Read(c.path, maxShown)
	switch {
	case err != nil && hidden:
		return "redacted", after
	case err != nil:
		return fmt.Sprintf("(%d bytes)", have.info.Size), after
	case hidden:
		return d.cfg.Redactor.Hash(string(content)), after
	}
	return readable(content), after
}

// readable gives a content as text, or in the place of what is none its length and hash.
func readable(content []byte) string {
	if utf8.Valid(content) && bytes.IndexByte(content, 0) < 0 {
		return string(content)
	}
	hash := sha256.Sum256(content)
	return fmt.Sprintf("(%d bytes that are no text, sha256:%s)", len(content), hex.EncodeToString(hash[:6]))
}

func describe(kind rootfs.Type, target string) string {
	if kind == rootfs.Link {
		return "link to " + target
	}
	return string(kind)
}

func octal(mode uint32) string { return fmt.Sprintf("%04o", mode) }

// escape writes a name as a part of a JSON pointer, as diff.Path does.
func escape(name string) string {
	return diff.Path{{Name: strings.ToValidUTF8(name, "?")}}.String()[1:]
}
