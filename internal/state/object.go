// Package state holds the values that everything else speaks of: objects and their identities, sets of them, the revision
// they come from, the owner they belong to, and their health. All of them are plain data.
package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Object is one desired or actual object in the Kubernetes Resource Model. It is immutable: whoever wants another content
// makes another Object. Safe for concurrent use.
type Object struct {
	content map[string]any
	digest  Digest
	origin  Origin
}

// Origin says where an object was declared. The zero value means that it was read from a target.
type Origin struct {
	File     string `json:"file,omitempty"`     // path inside the artifact
	Line     int    `json:"line,omitempty"`     // of the document's first key, from 1; 0 when not known
	Document int    `json:"document,omitempty"` // the how-manieth document of the file, from 1
}

// String gives "file:line", or "file" when the line is not known.
func (o Origin) String() string {
	switch {
	case o.File == "":
		return ""
	case o.Line == 0:
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// NewObject makes an object of JSON-shaped content (map[string]any, []any, string, bool, nil, int64, float64). The content
// belongs to the object from then on. It does not check it: see Object.Check.
func NewObject(content map[string]any, origin Origin) *Object {
	return &Object{content: content, digest: digestOf(content), origin: origin}
}

// DecodeObject makes an object of JSON, with whole numbers as int64.
func DecodeObject(data []byte, origin Origin) (*Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		return nil, err
	}
	return NewObject(numbers(content).(map[string]any), origin), nil
}

// numbers turns json.Number into int64 where it is whole and float64 elsewhere, as the API machinery of Kubernetes does.
func numbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = numbers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = numbers(item)
		}
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		if float, err := v.Float64(); err == nil {
			return float
		}
		return v.String()
	}
	return value
}

// Content gives the object's content, which must not be changed.
func (o *Object) Content() map[string]any { return o.content }

// Copy gives a deep copy of the content, to be changed freely.
func (o *Object) Copy() map[string]any { return DeepCopy(o.content).(map[string]any) }

// Digest gives the hash of the content in canonical JSON.
func (o *Object) Digest() Digest { return o.digest }

// Origin says where the object was declared.
func (o *Object) Origin() Origin { return o.origin }

// MarshalJSON gives the content with sorted keys.
func (o *Object) MarshalJSON() ([]byte, error) { return json.Marshal(o.content) }

// ID gives the object's identity.
func (o *Object) ID() ID {
	group, _ := splitAPIVersion(o.APIVersion())
	return ID{Group: group, Kind: o.Kind(), Namespace: o.metadata("namespace"), Name: o.metadata("name")}
}

// APIVersion gives "apps/v1".
func (o *Object) APIVersion() string { return text(o.content["apiVersion"]) }

// Version gives the "v1" of "apps/v1".
func (o *Object) Version() string {
	_, version := splitAPIVersion(o.APIVersion())
	return version
}

// Kind gives the object's kind.
func (o *Object) Kind() string { return text(o.content["kind"]) }

func (o *Object) metadata(key string) string {
	metadata, _ := o.content["metadata"].(map[string]any)
	return text(metadata[key])
}

// Annotation gives the value of an annotation, or "".
func (o *Object) Annotation(name string) string { return o.labelled("annotations", name) }

// Label gives the value of a label, or "".
func (o *Object) Label(name string) string { return o.labelled("labels", name) }

func (o *Object) labelled(field, name string) string {
	metadata, _ := o.content["metadata"].(map[string]any)
	values, _ := metadata[field].(map[string]any)
	return text(values[name])
}

// WithNamespace gives the object in another namespace, with the same origin.
func (o *Object) WithNamespace(namespace string) *Object {
	content := maps.Clone(o.content)
	metadata, _ := content["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	if namespace == "" {
		delete(metadata, "namespace")
	} else {
		metadata["namespace"] = namespace
	}
	content["metadata"] = metadata
	return NewObject(content, o.origin)
}

// WithOrigin gives the same object, declared elsewhere.
func (o *Object) WithOrigin(origin Origin) *Object {
	return &Object{content: o.content, digest: o.digest, origin: origin}
}

// Check says what an object lacks to be one: apiVersion, kind and metadata.name. Nil when nothing.
func (o *Object) Check() error {
	switch {
	case o.APIVersion() == "":
		return fmt.Errorf("apiVersion is missing")
	case strings.Count(o.APIVersion(), "/") > 1:
		return fmt.Errorf("apiVersion %q: want group/version", o.APIVersion())
	case o.Kind() == "":
		return fmt.Errorf("kind is missing")
	case o.metadata("name") == "":
		return fmt.Errorf("metadata.name is missing")
	}
	return nil
}

func splitAPIVersion(apiVersion string) (group, version string) {
	if i := strings.LastIndexByte(apiVersion, '/'); i >= 0 {
		return apiVersion[:i], apiVersion[i+1:]
	}
	return "", apiVersion
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// DeepCopy copies JSON-shaped data.
func DeepCopy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = DeepCopy(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = DeepCopy(item)
		}
		return out
	}
	return value
}
