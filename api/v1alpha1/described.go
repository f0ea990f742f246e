package v1alpha1

import (
	"reflect"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// groupKind names a kind that users write.
type groupKind struct{ group, kind string }

func (k groupKind) apiVersion() string { return k.group + "/" + Version }

var (
	kindSource    = groupKind{Group, KindSource}
	kindSync      = groupKind{Group, KindSync}
	kindPolicy    = groupKind{Group, KindPolicy}
	kindFile      = groupKind{GroupHost, KindFile}
	kindDirectory = groupKind{GroupHost, KindDirectory}
	kindLink      = groupKind{GroupHost, KindLink}
	kindApp       = groupKind{GroupHost, KindApp}
)

// description is what checking and the schema need of a kind.
type description struct {
	groupKind
	typ   reflect.Type
	check func(*state.Object, Lines) error
}

// described are all kinds that users write, in the order of the reference.
var described = []description{
	describe[Source](kindSource), describe[Sync](kindSync), describe[Policy](kindPolicy),
	describe[File](kindFile), describe[Directory](kindDirectory), describe[Link](kindLink), describe[App](kindApp),
	describe[Command](kindCommand),
}

func describe[T any, P declared[T]](kind groupKind) description {
	return description{kind, reflect.TypeFor[T](), func(object *state.Object, lines Lines) error {
		_, err := decode[T, P](object, kind, lines)
		return err
	}}
}

// flatNames say, by group, why its kinds have no namespace.
var flatNames = map[string]string{
	Group:     "the names of a kind are one space per agent",
	GroupHost: "a host has no namespaces, the names of a kind are one space per agent",
}

// Kinds gives the names of the kinds that users write, in the order of the reference.
func Kinds() []string {
	names := make([]string, len(described))
	for i, one := range described {
		names[i] = one.kind
	}
	return names
}
