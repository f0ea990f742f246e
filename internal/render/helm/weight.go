package helm

import (
	"fmt"
	"reflect"
)

// maxNested is how deep values may hold each other. Printing and writing them goes as deep, and what contains itself has no end.
const maxNested = 500

// pointerWeight is what a place in a list or mapping takes.
const pointerWeight = 16

// weigh gives the bytes that a value and all that it holds would take if it were written out. It refuses one that is too large or too deep.
// What it holds twice counts twice, as whoever writes it out does it twice.
func (b *budget) weigh(value any) int64 {
	switch v := value.(type) {
	case nil, bool, int, int64, float64:
		return pointerWeight
	case string:
		b.fits(int64(len(v)))
		return int64(len(v))
	}
	w := scale{left: b.value}
	w.add(reflect.ValueOf(value), 0)
	total := b.value - w.left
	b.spend(total / 10_000)
	return total
}

// scale adds up what a value holds.
type scale struct{ left int64 }

func (s *scale) take(bytes int) {
	if s.left -= int64(bytes); s.left < 0 {
		panic(refusal{fmt.Sprintf("a value is larger than %d MiB", defaultLimits.value>>20)})
	}
}

func (s *scale) add(v reflect.Value, depth int) {
	if depth > maxNested {
		panic(refusal{fmt.Sprintf("a value contains itself, or others more than %d levels deep", maxNested)})
	}
	s.take(pointerWeight + 2*depth)
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			s.add(v.Elem(), depth+1)
		}
	case reflect.String:
		s.take(v.Len())
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			s.take(v.Len())
			return
		}
		for i := range v.Len() {
			s.add(v.Index(i), depth+1)
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			s.add(entry.Key(), depth+1)
			s.add(entry.Value(), depth+1)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			s.add(field, depth+1)
		}
	}
}

// glanceAt gives the bytes that a value takes by itself: it does not look at what a list or mapping holds.
func glanceAt(v reflect.Value) int64 {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return 0
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Slice, reflect.Array, reflect.Map:
		return pointerWeight * int64(v.Len())
	}
	return pointerWeight
}
