// Package state holds the values that everything else speaks of: objects and their identities, sets of them, the revision
// they come from, the owner they belong to, and their health. All of them are plain data.
package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unique"
)

// Object is one desired or actual object in the Kubernetes Resource Model. It is immutable: whoever wants another content
// makes another Object. Safe for concurrent use.
//
// There are thousands of them, and most are looked at only once: the content is kept as JSON, which is a tenth of the size of maps,
// and what is asked for all the time is kept beside it.
type Object struct {
	json        []byte         // canonical: sorted keys
	odd         map[string]any // the content where it has no JSON (NaN, channels): no decoder makes that
	id          ID
	apiVersion  string
	annotations map[string]any
	digest      Digest
	origin      Origin
	secrets     []string
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
	o := &Object{origin: origin, apiVersion: unique.Make(text(content["apiVersion"])).Value()}
	metadata, _ := content["metadata"].(map[string]any)
	o.annotations, _ = metadata["annotations"].(map[string]any)
	group, _ := splitAPIVersion(o.apiVersion)
	o.id = ID{
		Group: group, Kind: unique.Make(text(content["kind"])).Value(),
		Namespace: unique.Make(text(metadata["namespace"])).Value(), Name: text(metadata["name"]),
	}
	var err error
	if o.json, err = json.Marshal(content); err != nil {
		o.odd, o.json = content, []byte(err.Error())
	}
	o.digest = DigestBytes(o.json)
	return o
}

// DecodeObject makes an object of JSON, with whole numbers as int64.
func DecodeObject(data []byte, origin Origin) (*Object, error) {
	content, err := decode(data)
	if err != nil {
		return nil, err
	}
	return NewObject(content, origin), nil
}

func decode(data []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		return nil, err
	}
	return numbers(content).(map[string]any), nil
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

// Content gives a copy of the object's content, with numbers as DecodeObject reads them. It is decoded anew at each call.
func (o *Object) Content() map[string]any {
	if o.odd != nil {
		return DeepCopy(o.odd).(map[string]any)
	}
	content, err := decode(o.json)
	if err != nil {
		return nil // cannot be: NewObject wrote it
	}
	return content
}

// Digest gives the hash of the content in canonical JSON.
func (o *Object) Digest() Digest { return o.digest }

// Origin says where the object was declared.
func (o *Object) Origin() Origin { return o.origin }

// MarshalJSON gives the content with sorted keys.
func (o *Object) MarshalJSON() ([]byte, error) {
	if o.odd != nil {
		return json.Marshal(o.odd)
	}
	return bytes.Clone(o.json), nil
}

// ID gives the object's identity.
func (o *Object) ID() ID { return o.id }

// APIVersion gives "apps/v1".
func (o *Object) APIVersion() string { return o.apiVersion }

// Version gives the "v1" of "apps/v1".
func (o *Object) Version() string {
	_, version := splitAPIVersion(o.apiVersion)
	return version
}

// Kind gives the object's kind.
func (o *Object) Kind() string { return o.id.Kind }

// Annotation gives the value of an annotation, or "".
func (o *Object) Annotation(name string) string { return text(o.annotations[name]) }

// AnnotationNames gives the names of all annotations, sorted, whatever their values.
func (o *Object) AnnotationNames() []string { return slices.Sorted(maps.Keys(o.annotations)) }

// Label gives the value of a label, or "".
func (o *Object) Label(name string) string {
	metadata, _ := o.Content()["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	return text(labels[name])
}

// WithNamespace gives the object in another namespace, with the same origin.
func (o *Object) WithNamespace(namespace string) *Object {
	content := o.Content()
	metadata, _ := content["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	if namespace == "" {
		delete(metadata, "namespace")
	} else {
		metadata["namespace"] = namespace
	}
	content["metadata"] = metadata
	return o.like(content)
}

// like makes an object of changed content that is declared at the same place and has the same secrets.
func (o *Object) like(content map[string]any) *Object {
	other := NewObject(content, o.origin)
	other.secrets = o.secrets
	return other
}

// WithAnnotation gives the object with one more annotation, or another value of it.
func (o *Object) WithAnnotation(name, value string) *Object {
	content := o.Content()
	metadata, _ := content["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
	}
	annotations[name] = value
	metadata["annotations"], content["metadata"] = annotations, metadata
	return o.like(content)
}

// WithOrigin gives the same object, declared elsewhere.
func (o *Object) WithOrigin(origin Origin) *Object {
	moved := *o
	moved.origin = origin
	return &moved
}

// WithSecrets gives the same object, some of whose values are secret beside those that its kind says: pointers (RFC 6901) name the fields,
// with everything below them. It has the same digest.
func (o *Object) WithSecrets(pointers []string) *Object {
	marked := *o
	marked.secrets = slices.Compact(slices.Sorted(slices.Values(slices.Concat(o.secrets, pointers))))
	return &marked
}

// Secrets gives the pointers of the fields that WithSecrets named, sorted.
func (o *Object) Secrets() []string { return slices.Clone(o.secrets) }

// Check says what an object lacks to be one: apiVersion, kind and metadata.name. Nil when nothing.
func (o *Object) Check() error {
	switch {
	case o.apiVersion == "":
		return fmt.Errorf("apiVersion is missing")
	case strings.Count(o.apiVersion, "/") > 1:
		return fmt.Errorf("apiVersion %q: want group/version", o.apiVersion)
	case o.id.Kind == "":
		return fmt.Errorf("kind is missing")
	case o.id.Name == "":
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
