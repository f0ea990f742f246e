package plain

import (
	"maps"
	"sync"
	"weak"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// memory knows what files held when they were read last, so that a commit which changes one file of thousands costs the reading of
// one. It keeps nothing alive: what nobody wants any more is forgotten. Safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	files map[file]held
	// limit is the number of files at which those that are forgotten are swept out.
	limit int
}

// file is one content in one place; the place counts because objects know it.
type file struct{ name, hash string }

type held struct {
	size    int64
	objects []weak.Pointer[state.Object]
}

const firstLimit = 1000

// recall gives the objects of a file, and its length; false when they have to be read.
func (m *memory) recall(f file) (found []render.Found, size int64, ok bool) {
	m.mu.Lock()
	held, ok := m.files[f]
	m.mu.Unlock()
	for _, pointer := range held.objects {
		object := pointer.Value()
		if object == nil {
			return nil, 0, false
		}
		found = append(found, render.Found{Object: object})
	}
	return found, held.size, ok
}

// note remembers what a file holds. One without objects is read again, since nothing tells when it is not wanted any more; so is
// one with declarations of Setpoint's own, which are checked with the lines of their fields.
func (m *memory) note(f file, size int64, found []render.Found) {
	pointers := make([]weak.Pointer[state.Object], len(found))
	for i, one := range found {
		if one.Line != nil {
			return
		}
		pointers[i] = weak.Make(one.Object)
	}
	if len(pointers) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.files) >= max(m.limit, firstLimit) {
		maps.DeleteFunc(m.files, func(_ file, held held) bool { return held.objects[0].Value() == nil })
		m.limit = 2 * len(m.files)
	}
	m.files[f] = held{size: size, objects: pointers}
}
