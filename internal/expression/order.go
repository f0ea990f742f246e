package expression

import (
	"maps"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// ordered hands maps to CEL so that they are gone through in the order of their keys. Go's own order differs each time, and with it
// would what an evaluation costs, and which of two problems it reports.
type ordered struct{ types.Adapter }

// NativeToValue adapts a value of Go.
func (o ordered) NativeToValue(value any) ref.Val {
	if fields, ok := value.(map[string]any); ok {
		return orderedMap{Mapper: types.NewStringInterfaceMap(o, fields), fields: fields}
	}
	// Lists adapt their items themselves.
	if items, ok := value.([]any); ok {
		return types.NewDynamicList(o, items)
	}
	return o.Adapter.NativeToValue(value)
}

type orderedMap struct {
	traits.Mapper
	fields map[string]any
}

// Iterator goes through the keys.
func (m orderedMap) Iterator() traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, m.keys()).Iterator()
}

// Fold goes through keys and values.
func (m orderedMap) Fold(folder traits.Folder) {
	for _, key := range m.keys() {
		if !folder.FoldEntry(key, m.fields[key]) {
			return
		}
	}
}

// AggregateSize is asked for often, and does not depend on the order.
func (m orderedMap) AggregateSize(sizer types.AggregateSizer) uint32 {
	return m.Mapper.(types.AggregateSizeVisitor).AggregateSize(sizer)
}

func (m orderedMap) keys() []string { return slices.Sorted(maps.Keys(m.fields)) }
