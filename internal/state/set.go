package state

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
)

// Digest is a SHA-256 in hexadecimal, or "" for nothing.
type Digest string

// Short gives the first twelve characters, for people.
func (d Digest) Short() string {
	if len(d) > 12 {
		return string(d[:12])
	}
	return string(d)
}

// DigestBytes hashes bytes.
func DigestBytes(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest(hex.EncodeToString(sum[:]))
}

// Set is an immutable collection of objects with distinct IDs, in the order of their IDs. The zero value is empty.
type Set struct {
	objects []*Object
	digest  Digest
}

// Duplicate is an ID declared more than once.
type Duplicate struct {
	ID            ID
	First, Second Origin
}

// NewSet makes a set. Objects whose ID came before are left out and reported.
func NewSet(objects []*Object) (Set, []Duplicate) {
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b *Object) int { return a.ID().Compare(b.ID()) })
	set := Set{objects: make([]*Object, 0, len(sorted))}
	var duplicates []Duplicate
	hash := sha256.New()
	for _, object := range sorted {
		if first := set.last(); first != nil && first.ID() == object.ID() {
			duplicates = append(duplicates, Duplicate{ID: object.ID(), First: first.Origin(), Second: object.Origin()})
			continue
		}
		set.objects = append(set.objects, object)
		hash.Write([]byte(object.Digest()))
	}
	if len(set.objects) > 0 {
		set.digest = Digest(hex.EncodeToString(hash.Sum(nil)))
	}
	return set, duplicates
}

func (s Set) last() *Object {
	if len(s.objects) == 0 {
		return nil
	}
	return s.objects[len(s.objects)-1]
}

// Len gives the number of objects.
func (s Set) Len() int { return len(s.objects) }

// Digest gives the hash over all objects; "" for the empty set.
func (s Set) Digest() Digest { return s.digest }

// Get gives the object with an ID, or nil.
func (s Set) Get(id ID) *Object {
	at, found := slices.BinarySearchFunc(s.objects, id, func(object *Object, id ID) int { return object.ID().Compare(id) })
	if !found {
		return nil
	}
	return s.objects[at]
}

// Has says whether the set has an object with that ID.
func (s Set) Has(id ID) bool { return s.Get(id) != nil }

// All gives the objects in the order of their IDs.
func (s Set) All() iter.Seq[*Object] { return slices.Values(s.objects) }

// Objects gives the objects in the order of their IDs; the slice must not be changed.
func (s Set) Objects() []*Object { return s.objects }

// Filter gives the subset for which keep says true; the set itself when that is all of it, which costs no hashing.
func (s Set) Filter(keep func(*Object) bool) Set {
	var kept []*Object
	for _, object := range s.objects {
		if keep(object) {
			kept = append(kept, object)
		}
	}
	if len(kept) == len(s.objects) {
		return s
	}
	subset, _ := NewSet(kept)
	return subset
}

// HasSecrets says whether any object has fields that WithSecrets named.
func (s Set) HasSecrets() bool {
	for object := range s.All() {
		if len(object.secrets) > 0 {
			return true
		}
	}
	return false
}
