package helm

import (
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The annotation by which a chart asks for an object to stay when the release goes.
const (
	annotationPolicy = "helm.sh/resource-policy"
	policyKeep       = "keep"
)

// objects makes objects of what a chart gives, in its order.
func (j *job) objects(made *rendered) ([]render.Found, error) {
	var found []render.Found
	var errs []error
	for _, definition := range made.definitions {
		for _, one := range documents(definition) {
			objects, err := j.decode(one)
			for _, object := range objects {
				found = append(found, render.Found{Object: j.definition(object)})
			}
			errs = append(errs, err)
		}
	}
	for _, one := range slices.Concat(made.manifests, made.ofHooks()) {
		objects, err := j.decode(one)
		for _, object := range objects {
			found = append(found, render.Found{Object: object})
		}
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}

// decode gives the objects of one document, with the reader that Helm has: in a chart, a key that is there twice is no error.
func (j *job) decode(one manifest) ([]*state.Object, error) {
	file := j.source(one.name)
	if len(one.text) > document.MaxBytes {
		return nil, fault.New(fault.Invalid, "read", file, fmt.Sprintf("what it gives is longer than %d MiB", document.MaxBytes>>20))
	}
	if err := document.Bounded([]byte(one.text), file); err != nil {
		return nil, err
	}
	data, err := toJSONText(one.text)
	if err != nil {
		return nil, j.unreadable(nil, nil, fmt.Errorf("YAML parse error on %s: %w", one.name, err)) // sort has read it before
	}
	read, err := document.Read(data, file)
	objects := make([]*state.Object, len(read))
	for i, doc := range read {
		objects[i] = doc.Object.WithOrigin(state.Origin{File: file}) // lines are those of the text, which nobody sees
	}
	return objects, withoutLines(err, file)
}

func toJSONText(text string) (data []byte, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			data, err = nil, errors.New("the YAML parser gives up on this text")
		}
	}()
	data, err = yaml.YAMLToJSON([]byte(text))
	if string(data) == "null" {
		data = nil
	}
	return data, err
}

// withoutLines takes the line out of errors about the one line of JSON that a document was made.
func withoutLines(err error, file string) error {
	var errs []error
	for _, one := range fault.Flatten(err) {
		if known, ok := errors.AsType[*fault.Error](one); ok {
			changed := *known
			changed.Item, changed.Hint = file, ""
			one = &changed
		}
		errs = append(errs, one)
	}
	return errors.Join(errs...)
}

// definition gives an object of the directory crds, which is left alone after it was created when the Sync says so.
func (j *job) definition(object *state.Object) *state.Object {
	if j.crds != v1alpha1.CRDsCreate {
		return object
	}
	return object.WithAnnotation(v1alpha1.AnnotationDrift, v1alpha1.DriftIgnore).WithAnnotation(v1alpha1.AnnotationPrune, "disabled")
}

// finish completes objects: with the release's namespace, with what the chart asks of whoever deletes them, and with marks on secrets.
func (j *job) finish(found []render.Found, made *rendered) []render.Found {
	scopes := scopesOf(found)
	for _, definition := range definitionsOf(made.chart) { // of those too that are left out
		scopes.learn(definition.text)
	}
	for i, one := range found {
		object := one.Object
		if object.ID().Namespace == "" && j.namespace != j.request.Namespace && j.elsewhere() && !scopes.cluster(object.ID().GroupKind()) {
			object = object.WithNamespace(j.namespace)
		}
		if object.Annotation(annotationPolicy) == policyKeep && object.Annotation(v1alpha1.AnnotationPrune) == "" {
			object = object.WithAnnotation(v1alpha1.AnnotationPrune, "disabled")
		}
		found[i].Object = render.MarkSecrets(object, j.secrets.in(object))
	}
	return found
}

// elsewhere says whether the release is in another namespace than objects without one are put into.
func (j *job) elsewhere() bool {
	return j.request.Namespace != "" || j.namespace != defaultNamespace
}
