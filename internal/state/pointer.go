package state

import "strings"

var (
	escapes   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

// Pointer writes the names of fields and the numbers of items, each below the one before, as a JSON pointer (RFC 6901).
func Pointer(names ...string) string {
	var out strings.Builder
	for _, name := range names {
		out.WriteByte('/')
		_, _ = escapes.WriteString(&out, name) // memory takes everything
	}
	return out.String()
}

// PointerNames gives the names and numbers that a JSON pointer is made of; none for the pointer to everything, which is "".
func PointerNames(pointer string) []string {
	if pointer == "" {
		return nil
	}
	names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, name := range names {
		names[i] = unescapes.Replace(name)
	}
	return names
}
