package state

import (
	"cmp"
	"fmt"
	"strings"
)

// ID is an object's identity: group, kind, namespace and name, and never the version, so that an object that moves from
// v1beta1 to v1 stays itself.
type ID struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String gives "apps/Deployment/shop/web", without the parts that are empty: "Namespace/shop".
func (id ID) String() string {
	var b strings.Builder
	for _, part := range []string{id.Group, id.Kind, id.Namespace} {
		if part != "" {
			b.WriteString(part)
			b.WriteByte('/')
		}
	}
	b.WriteString(id.Name)
	return b.String()
}

// GroupKind is the part of an ID that chooses a target and a resource.
type GroupKind struct {
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
}

// String gives "Deployment.apps", or "ConfigMap" for the core group.
func (gk GroupKind) String() string {
	if gk.Group == "" {
		return gk.Kind
	}
	return gk.Kind + "." + gk.Group
}

// GroupKind gives the ID's group and kind.
func (id ID) GroupKind() GroupKind { return GroupKind{Group: id.Group, Kind: id.Kind} }

// Compare orders IDs by group, kind, namespace and name.
func (id ID) Compare(other ID) int {
	return cmp.Or(
		cmp.Compare(id.Group, other.Group),
		cmp.Compare(id.Kind, other.Kind),
		cmp.Compare(id.Namespace, other.Namespace),
		cmp.Compare(id.Name, other.Name),
	)
}

// ParseKey reads what Key wrote.
func ParseKey(key string) (ID, error) {
	parts := strings.Split(key, "|")
	if len(parts) != 4 {
		return ID{}, fmt.Errorf("object key %q: want group|kind|namespace|name", key)
	}
	return ID{Group: parts[0], Kind: parts[1], Namespace: parts[2], Name: parts[3]}, nil
}

// Key gives the ID as one string that ParseKey reads back, for databases and map keys on the wire.
func (id ID) Key() string {
	return id.Group + "|" + id.Kind + "|" + id.Namespace + "|" + id.Name
}
