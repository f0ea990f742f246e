package explain

import (
	"context"
	"maps"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// without gives the layer's objects as they are without an item; nil when it cannot be built then.
func (l *layer) without(ctx context.Context, i int) []*made {
	if known, ok := l.left[i]; ok {
		return known
	}
	left := l.items[i]
	l.left[i] = l.build(ctx, map[string][]byte{left.of.file: left.of.without(left)})
	return l.left[i]
}

// changing gives the items without which a field of an object is another, or is not there. An item that makes objects and without which the
// object is gone has made all of it that no other item has changed.
func (l *layer) changing(ctx context.Context, object *made, field leaf) []int {
	var found, makers []int
	for i, one := range l.items {
		others := l.without(ctx, i)
		if others == nil {
			continue
		}
		other, there := counterpart(object, l.made, others)
		switch {
		case there && !object.keeps(other, field):
			found = append(found, i)
		case !there && one.generates():
			makers = append(makers, i)
		}
	}
	if len(found) == 0 {
		return makers
	}
	return found
}

// spot is a field of an object of a layer.
type spot struct {
	layer  *layer
	object *made
	field  leaf
}

// place names the place of an item that has made the field.
func (s spot) place(one item) Place {
	x, line := s.layer.x, one.of.tree.Line(one.pointer())
	switch {
	case one.patches():
		return s.patch(one).Place
	case one.is("configMapGenerator", "secretGenerator"):
		return s.generated(one)
	case one.is("helmCharts", "helmChartInflationGenerator"):
		return x.place(Generator, one.of.file, line, "chart "+nameOf(one))
	case one.is("generators"):
		return x.place(Generator, one.of.file, line, one.field) // the entry may be a whole document
	case one.remote():
		entry, _ := one.value().(string)
		return x.place(Imported, one.of.file, line, withoutSecrets(entry))
	}
	at, detail := one.pointer(), one.field
	fields, _ := one.value().(map[string]any)
	if pairs, ok := fields["pairs"].(map[string]any); ok {
		at, fields = at+"/pairs", pairs
	}
	if name := s.field.last(); one.is("labels", "commonLabels", "commonAnnotations") && fields[name] != nil {
		at, detail = at+state.Pointer(name), detail+" "+name
	}
	return x.place(Overlay, one.of.file, one.of.tree.Line(at), detail)
}

// stated gives the patch that says the field's very value, where leaving out one thing does not tell: the last of them wins, as it does
// when they are applied. Before is what the layer has made the object of; it may be nil.
func (s spot) stated(before *made) []Place {
	var found []Place
	for _, one := range s.layer.items {
		switch {
		case one.patches() && before != nil:
			if hit := s.patch(one); hit.exact && hit.target.Kind == before.object.Kind() && hit.target.Name == before.object.ID().Name {
				found = []Place{hit.Place}
			}
		case one.is("namespace") && s.field.path == "/metadata/namespace" && one.value() == s.field.value:
			found = []Place{s.place(one)}
		}
	}
	return found
}

// nameOf gives the name of an entry.
func nameOf(one item) string {
	fields, _ := one.value().(map[string]any)
	name, _ := fields["name"].(string)
	return name
}

// withoutSecrets takes the user, password and query out of a URL.
func withoutSecrets(url string) string {
	url, _, _ = strings.Cut(url, "?")
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	host, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if slash {
		host += "/" + path
	}
	return scheme + "://" + host
}

// copied copies a mapping one level deep.
func copied(values map[string]any) map[string]any {
	out := make(map[string]any, len(values)+1)
	maps.Copy(out, values)
	return out
}
