package explain

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// parent is what an object of a layer was made of; the zero value when nobody can tell.
type parent struct {
	maker  maker
	object *made
}

// parent finds it among what the layer is built of: same kind, and the name without what the layer adds to it. Where several fit, nobody
// can tell.
func (l *layer) parent(ctx context.Context, object *made) parent {
	if known, ok := l.origins[object]; ok {
		return known
	}
	var found parent
	for _, fits := range l.fits() {
		if all := l.fitting(ctx, object, fits); len(all) > 0 {
			if len(all) == 1 {
				found = all[0]
			}
			break
		}
	}
	l.origins[object] = found
	return found
}

// fitting gives those that fit; of several, those in the same namespace.
func (l *layer) fitting(ctx context.Context, object *made, fits func(name, before string) bool) []parent {
	id := object.object.ID()
	var all, near []parent
	for _, child := range l.children {
		objects, err := child.objects(ctx)
		if err != nil {
			continue
		}
		for _, one := range objects {
			other := one.object.ID()
			if other.GroupKind() != id.GroupKind() || !fits(id.Name, other.Name) {
				continue
			}
			all = append(all, parent{child, one})
			if other.Namespace == id.Namespace {
				near = append(near, parent{child, one})
			}
		}
	}
	if len(all) > 1 && len(near) == 1 {
		return near
	}
	return all
}

// hashed is the end of the name of what a generator makes, in the letters that Kustomize writes hashes with.
var hashed = regexp.MustCompile(`-[2456789bcdfghkmt]{10}$`)

// fits gives the ways in which a name can have become another, the surest first: with all that the layer adds to names, with a part of it,
// as it was; and each of these with another hash.
func (l *layer) fits() []func(name, before string) bool {
	var prefixes, suffixes []string
	for _, part := range l.parts {
		prefixes, suffixes = append(prefixes, part.text("namePrefix")), append(suffixes, part.text("nameSuffix"))
	}
	var all []func(name, before string) bool
	for _, prefix := range affixes(prefixes, true) {
		for _, suffix := range affixes(suffixes, false) {
			all = append(all, func(name, before string) bool { return name == prefix+before+suffix })
		}
	}
	for _, exact := range slices.Clip(all) {
		all = append(all, func(name, before string) bool {
			bare, short := hashed.ReplaceAllString(name, ""), hashed.ReplaceAllString(before, "")
			return bare != name && strings.TrimSpace(short) != "" && exact(bare, short)
		})
	}
	return all
}

// affixes gives what may have been put before or after a name: all parts together, each alone, or nothing. A component is applied before
// the kustomization that names it.
func affixes(parts []string, before bool) []string {
	whole := ""
	for _, part := range slices.Backward(parts) {
		if before {
			whole = part + whole
		} else {
			whole += part
		}
	}
	var all []string
	for _, one := range append([]string{whole}, parts...) {
		if one != "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return append(all, "")
}
