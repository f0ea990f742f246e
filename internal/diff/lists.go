package diff

import (
	"strconv"
	"strings"
)

// Shape says how a list or a value is compared, where a schema knows it. The zero value means "not known".
type Shape struct {
	List     ListKind
	Keys     []string       // of an associative list
	Defaults map[string]any // of keys that an item may leave out
	Quantity bool           // "1000m" equals "1"
	Closed   bool           // a map that is replaced as a whole: keys that only the actual object has are differences
}

// ListKind is how the items of a list are told apart.
type ListKind uint8

// The kinds of lists.
const (
	ListUnknown     ListKind = iota // by well-known field names, else ListAtomic
	ListAtomic                      // by position; the list is replaced as a whole
	ListSet                         // by value
	ListAssociative                 // by the values of Shape.Keys
)

// lister tells how lists are paired, from a schema or from what Kubernetes' built-in kinds do.
type lister struct {
	lookup func(pattern string) Shape
	kind   string
}

func newLister(want map[string]any, lookup func(string) Shape) lister {
	kind, _ := want["kind"].(string)
	return lister{lookup: lookup, kind: kind}
}

// wellKnownKeys are the merge keys of the associative lists of Kubernetes' built-in kinds, by field name. Lists of custom
// resources are atomic unless their schema says otherwise, so a schema is always asked first.
var wellKnownKeys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "ephemeralContainers": {"name"}, "volumes": {"name"},
	"env": {"name"}, "imagePullSecrets": {"name"}, "secrets": {"name"}, "webhooks": {"name"}, "resourceClaims": {"name"},
	"volumeMounts": {"mountPath"}, "volumeDevices": {"devicePath"}, "hostAliases": {"ip"}, "conditions": {"type"},
	"ownerReferences": {"uid"}, "topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
}

// shape gives how the value at a path is compared.
func (l lister) shape(path Path, want any) Shape {
	var known Shape
	if l.lookup != nil {
		known = l.lookup(path.pattern())
	}
	list, isList := want.([]any)
	if !isList || known.List != ListUnknown || len(path) == 0 {
		return known
	}
	name := path[len(path)-1].Name
	switch {
	case name == "finalizers":
		known.List = ListSet
	case name == "ports":
		known.Keys = portKeys(l.kind, list)
		known.Defaults = map[string]any{"protocol": "TCP"}
	default:
		known.Keys = wellKnownKeys[name]
	}
	if len(known.Keys) > 0 {
		known.List = ListAssociative
	} else if known.List == ListUnknown {
		known.List = ListAtomic
	}
	return known
}

// portKeys tells a container's ports from a Service's; the ports of other kinds (NetworkPolicy) are atomic.
func portKeys(kind string, ports []any) []string {
	for _, item := range ports {
		port, _ := item.(map[string]any)
		if _, found := port["containerPort"]; found {
			return []string{"containerPort", "protocol"}
		}
	}
	if kind == "Service" {
		return []string{"port", "protocol"}
	}
	return nil
}

// pair is an item of a desired list with its counterpart.
type pair struct {
	segment    Segment
	want, live any
	there      bool // live has a counterpart
}

// pair finds the counterpart of every item of want, in order; false when the items cannot be told apart by keys or values, and
// were paired by position.
func (l lister) pair(path Path, want, live []any) ([]pair, bool) {
	shape := l.shape(path, want)
	if shape.List == ListSet || shape.List == ListAssociative {
		if pairs, ok := pairByKeys(shape, want, live); ok {
			return pairs, true
		}
	}
	pairs := make([]pair, len(want))
	for i, item := range want {
		pairs[i] = pair{segment: Segment{Name: strconv.Itoa(i)}, want: item}
		if i < len(live) {
			pairs[i].live, pairs[i].there = live[i], true
		}
	}
	return pairs, false
}

func pairByKeys(shape Shape, want, live []any) ([]pair, bool) {
	index := make(map[string]int, len(live))
	for i, item := range live {
		id, _, ok := identify(shape, item)
		if _, twice := index[id]; !ok || twice {
			return nil, false
		}
		index[id] = i
	}
	pairs := make([]pair, 0, len(want))
	seen := make(map[string]bool, len(want))
	for _, item := range want {
		id, keys, ok := identify(shape, item)
		if !ok || seen[id] {
			return nil, false
		}
		seen[id] = true
		p := pair{segment: Segment{Keys: keys}, want: item}
		if at, found := index[id]; found {
			p.live, p.there = live[at], true
		}
		pairs = append(pairs, p)
	}
	return pairs, true
}

// identify gives an item's keys, and all of them as one string; false when the item cannot have any.
func identify(shape Shape, item any) (id string, keys []Key, ok bool) {
	if shape.List == ListSet {
		text := KeyText(item)
		return text, []Key{{Value: text}}, true
	}
	fields, isMap := item.(map[string]any)
	if !isMap {
		return "", nil, false
	}
	var b strings.Builder
	for _, name := range shape.Keys {
		value, found := fields[name]
		if !found || value == nil || value == "" {
			if value, found = shape.Defaults[name]; !found {
				continue
			}
		}
		text := KeyText(value)
		keys = append(keys, Key{Name: name, Value: text})
		b.WriteString(strconv.Quote(name))
		b.WriteString(strconv.Quote(text))
	}
	return b.String(), keys, len(keys) > 0
}
