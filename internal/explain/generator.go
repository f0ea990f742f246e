package explain

import (
	"bytes"
	"path"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// generated names the place in a generator that gives a field: the literal or the file of a key, or the generator itself.
func (s spot) generated(one item) Place {
	x, k := s.layer.x, one.of
	detail := strings.TrimSpace(one.field + " " + nameOf(one))
	whole := x.place(Generator, k.file, k.tree.Line(one.pointer()), detail)
	parts := state.PointerNames(s.field.pointer)
	fields, ok := one.value().(map[string]any)
	if !ok || len(parts) != 2 || parts[0] != "data" && parts[0] != "binaryData" {
		return whole
	}
	key, found := parts[1], whole
	each(fields, []string{"envs", "env"}, func(_ string, entry string) {
		if line := s.variable(path.Join(k.dir, entry), key); line > 0 {
			found = x.place(Generator, path.Join(k.dir, entry), line, detail)
		}
	})
	each(fields, []string{"files"}, func(_ string, entry string) {
		name, file, named := strings.Cut(entry, "=")
		if !named {
			name, file = path.Base(entry), entry
		}
		if name == key {
			found = x.place(Generator, path.Join(k.dir, file), 0, detail)
		}
	})
	each(fields, []string{"literals"}, func(at string, entry string) {
		if name, _, _ := strings.Cut(entry, "="); name == key {
			found = x.place(Generator, k.file, k.tree.Line(one.pointer()+at), detail)
		}
	})
	return found
}

// each visits the texts of some fields, with the pointer of each.
func each(fields map[string]any, names []string, visit func(pointer, entry string)) {
	for _, name := range names {
		switch v := fields[name].(type) {
		case string:
			visit("/"+name, v)
		case []any:
			for i, one := range v {
				if entry, ok := one.(string); ok {
					visit("/"+name+"/"+strconv.Itoa(i), entry)
				}
			}
		}
	}
}

// variable gives the line of a file of variables that gives one; 0 when there is none.
func (s spot) variable(file, name string) int {
	data, err := s.layer.x.cfg.Files.ReadFile(file)
	if err != nil {
		return 0
	}
	found, number := 0, 0
	for line := range bytes.Lines(data) {
		number++
		if key, _, ok := strings.Cut(strings.TrimSpace(string(line)), "="); ok && strings.TrimSpace(key) == name {
			found = number
		}
	}
	return found
}
