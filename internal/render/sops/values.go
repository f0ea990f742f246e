package sops

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getsops/sops/v3"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// sealed are the values of a document that are encrypted in it: for each of its YAML documents their pointers (RFC 6901).
type sealedValues [][]string

// sealedValues finds them before the tree is decrypted in place.
func (d document) sealedValues(branches sops.TreeBranches) (sealedValues, error) {
	found := make(sealedValues, len(branches))
	count := 0
	for i, branch := range branches {
		each(branch, func(pointer string, value any) {
			count++
			if text, _ := value.(string); strings.HasPrefix(text, string(sealed)) {
				found[i] = append(found[i], pointer)
			}
		})
	}
	if count > maxValues {
		return nil, tooMuch(d.name, fmt.Sprintf("it has more than %d values", maxValues))
	}
	return found, nil
}

// each walks over the values of a tree that are neither mappings nor lists, as they are numbered without comments.
func each(branch sops.TreeBranch, visit func(pointer string, value any)) {
	var walk func(at string, value any)
	walk = func(at string, value any) {
		switch v := value.(type) {
		case sops.TreeBranch:
			for _, item := range v {
				if _, isComment := item.Key.(sops.Comment); isComment {
					visit(noPlace, nil)
					continue
				}
				walk(at+state.Pointer(fmt.Sprint(item.Key)), item.Value)
			}
		case []any:
			index := 0
			for _, item := range v {
				if _, isComment := item.(sops.Comment); isComment {
					visit(noPlace, nil)
					continue
				}
				walk(at+"/"+strconv.Itoa(index), item)
				index++
			}
		default:
			visit(at, v)
		}
	}
	walk("", branch)
}

// noPlace is the pointer of a comment, which is a value to SOPS and nothing to others.
const noPlace = "#"

// identity is what an object is known by: it is said everywhere, so that it is no secret even in a document that is encrypted whole.
var identity = []string{"/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"}

// plaintext puts together what is known of a document after its tree was decrypted.
func (s sealedValues) plaintext(text []byte, branches sops.TreeBranches) *plaintext {
	plain := &plaintext{data: text, pointers: make([][]string, len(branches)), lists: make([]bool, len(branches))}
	for i, branch := range branches {
		values := map[string]any{}
		each(branch, func(pointer string, value any) { values[pointer] = value })
		_, isObject := values["/apiVersion"].(string)
		for _, item := range branch {
			_, isList := item.Value.([]any)
			plain.lists[i] = plain.lists[i] || isObject && item.Key == "items" && isList
		}
		for _, pointer := range s[i] {
			if isObject && slices.Contains(identity, pointer) {
				continue
			}
			plain.pointers[i] = append(plain.pointers[i], pointer)
			plain.take(values[pointer])
		}
	}
	return plain
}

// take keeps a value that was encrypted as secret.
func (p *plaintext) take(value any) {
	switch v := value.(type) {
	case string:
		p.secrets = append(p.secrets, v)
	case []byte:
		p.secrets = append(p.secrets, string(v))
	case int, int64, uint64, float64:
		p.secrets = append(p.secrets, fmt.Sprint(v))
	}
}
