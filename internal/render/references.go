package render

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxReferenced bounds a file whose content becomes part of an object.
const maxReferenced = 4 << 20

// resolve replaces what host objects take from files of the artifact by what those files say, so that an object alone says what it
// wants, and its digest changes when they do. A directory to build from stays where it is: the object gets its digest.
func (r *Result) resolve(artifact *Recorder, check func(*state.Object) error) {
	changed := false
	objects := make([]*state.Object, 0, r.Objects.Len())
	for object := range r.Objects.All() {
		if object.ID().Group == v1alpha1.GroupHost && r.Wrong[object.ID()] == nil {
			resolved, err := r.resolveOne(artifact, object)
			if err == nil && check != nil {
				err = check(resolved)
			}
			r.refuse(resolved, atOrigin(object, err))
			object, changed = resolved, true
		}
		objects = append(objects, object)
	}
	if changed {
		r.Objects, _ = state.NewSet(objects) // as many as before, with the same IDs
	}
}

func atOrigin(object *state.Object, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), object.Origin().String()) {
		return err
	}
	return &fault.Error{Op: object.Origin().String(), Item: object.ID().String(), Kind: fault.KindOf(err), Err: err}
}

func (r *Result) resolveOne(artifact *Recorder, object *state.Object) (*state.Object, error) {
	content := object.Content()
	spec, _ := content["spec"].(map[string]any)
	at := &references{artifact: artifact, base: baseOf(artifact, object.Origin())}
	var err error
	switch object.Kind() {
	case v1alpha1.KindFile:
		err = at.file(spec)
	case v1alpha1.KindApp:
		var build Build
		if build, err = at.app(spec); err == nil && build.Digest != "" {
			r.Builds = append(r.Builds, build)
		}
	default:
		return object, nil
	}
	if err != nil {
		return object, err
	}
	return state.NewObject(content, object.Origin()).WithSecrets(append(object.Secrets(), at.secrets...)), nil
}

// baseOf is the directory that relative references start from: that of the file which declares the object.
func baseOf(artifact *Recorder, origin state.Origin) string {
	if info, err := artifact.Stat(orRoot(origin.File)); err == nil && info.IsDir() {
		return orRoot(origin.File)
	}
	return path.Dir(origin.File)
}

func orRoot(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// references resolves those of one object.
type references struct {
	artifact *Recorder
	base     string
	secrets  []string // pointers of the fields whose content was decrypted
}

// take notes that a field holds what a file says.
func (r *references) take(pointer, reference string) {
	if at, err := r.place(reference); err == nil && r.artifact.Sensitive(at) {
		r.secrets = append(r.secrets, pointer)
	}
}

// place gives the path in the artifact that a reference leads to.
func (r *references) place(reference string) (string, error) {
	at := path.Join(r.base, reference)
	if rooted, ok := strings.CutPrefix(reference, "/"); ok {
		at = path.Clean(orRoot(rooted))
	}
	if !fs.ValidPath(at) {
		return "", fault.New(fault.Invalid, "read", reference, "it leads out of the source").
			WithHint("a reference starts at the file that declares it, or with / at the root of the source")
	}
	return at, nil
}

func (r *references) read(field, reference string) ([]byte, error) {
	at, err := r.place(reference)
	if err != nil {
		return nil, err
	}
	info, err := r.artifact.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "read", field, fmt.Sprintf("the source has no file %s", at)).
			WithHint("a reference starts at the file that declares it, or with / at the root of the source")
	case err != nil:
		return nil, Fault(at, err)
	case info.IsDir():
		return nil, fault.New(fault.Invalid, "read", field, at+" is a directory")
	case info.Size() > maxReferenced:
		return nil, fault.New(fault.Invalid, "read", field, fmt.Sprintf("%s is longer than %d MiB", at, maxReferenced>>20)).
			WithHint("deliver large files as the build of an App")
	}
	data, err := r.artifact.ReadFile(at)
	return data, Fault(at, err)
}

// file makes the content of a File out of what it refers to.
func (r *references) file(spec map[string]any) error {
	if from, _ := spec["contentFrom"].(map[string]any); from["file"] != nil {
		name, _ := from["file"].(string)
		data, err := r.read("spec.contentFrom.file", name)
		if err != nil {
			return err
		}
		delete(spec, "contentFrom")
		if utf8.Valid(data) {
			spec["content"] = string(data)
			r.take("/spec/content", name)
		} else {
			spec["contentBase64"] = base64.StdEncoding.EncodeToString(data)
			r.take("/spec/contentBase64", name)
		}
	}
	if template, _ := spec["template"].(map[string]any); template["file"] != nil {
		name, _ := template["file"].(string)
		data, err := r.read("spec.template.file", name)
		if err != nil {
			return err
		}
		delete(template, "file")
		template["text"] = string(data)
		r.take("/spec/template/text", name)
	}
	return nil
}

// app reads the files of variables of an App, and gives its build when that is a directory.
func (r *references) app(spec map[string]any) (Build, error) {
	sources, _ := spec["envFrom"].([]any)
	for i, item := range sources {
		source, _ := item.(map[string]any)
		name, ok := source["file"].(string)
		if !ok {
			continue
		}
		field := fmt.Sprintf("spec.envFrom[%d].file", i)
		data, err := r.read(field, name)
		if err != nil {
			return Build{}, err
		}
		values, err := variables(data)
		if err != nil {
			return Build{}, fault.Wrap(fault.Invalid, "read", field+" ("+name+")", err)
		}
		source["values"] = values
		r.take(fmt.Sprintf("/spec/envFrom/%d/values", i), name)
	}
	build, _ := spec["build"].(map[string]any)
	name, ok := build["directory"].(string)
	if !ok {
		return Build{}, nil
	}
	at, err := r.place(name)
	if err != nil {
		return Build{}, err
	}
	tree, err := r.build(at)
	if err == nil {
		build["digest"] = tree.Digest
	}
	return tree, err
}

func variables(data []byte) (map[string]any, error) {
	parsed, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		return nil, errors.New("it is not made of lines NAME=value")
	}
	values := make(map[string]any, len(parsed))
	for name, value := range parsed {
		values[name] = value
	}
	return values, nil
}
