package kube

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// podTemplate is how an API server writes a Job's template that may not be changed (abridged in the middle).
const podTemplate = `core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"", GenerateName:"", Namespace:"", SelfLink:"", UID:"", ` +
	`ResourceVersion:"", Generation:0, CreationTimestamp:time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC), ` +
	`DeletionTimestamp:<nil>, DeletionGracePeriodSeconds:(*int64)(nil), Labels:map[string]string{` +
	`"batch.kubernetes.io/job-name":"job", "note":"a \"}: quoted\" brace"}, Annotations:map[string]string(nil)}, ` +
	`Spec:core.PodSpec{Volumes:[]core.Volume(nil), Containers:[]core.Container{core.Container{Name:"c", Image:"b", ` +
	`Command:[]string(nil)}}, RestartPolicy:"Never", TerminationGracePeriodSeconds:(*int64)(0xc00b2b5a28)}}`

func invalid(causes ...metav1.StatusCause) error {
	texts := make([]string, len(causes))
	for i, c := range causes {
		texts[i] = c.Field + ": " + c.Message
	}
	list := strings.Join(texts, ", ")
	if len(texts) > 1 {
		list = "[" + list + "]"
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: 422, Reason: metav1.StatusReasonInvalid,
		Message: `Job.batch "job" is invalid: ` + list,
		Details: &metav1.StatusDetails{Name: "job", Group: "batch", Kind: "Job", Causes: causes},
	}}
}

func TestRefusalLeavesOutLongValues(t *testing.T) {
	template := metav1.StatusCause{Field: "spec.template", Message: "Invalid value: " + podTemplate + ": field is immutable"}
	selector := metav1.StatusCause{Field: "spec.selector", Message: `Invalid value: {"matchLabels":{"a":"b"}}: field is immutable`}
	const short = "spec.template: Invalid value: (a long value): field is immutable"
	cases := map[string]struct {
		err  error
		want []string
	}{
		"one":      {invalid(template), []string{`Job.batch "job" is invalid: ` + short}},
		"repeated": {invalid(template, template), []string{`[` + short + `, ` + short + `]`}},
		"several":  {invalid(selector, template), []string{short, selector.Field + ": " + selector.Message}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := explain("apply", "Job n/job", c.err)
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "PodTemplateSpec") || len(err.Error()) > 400 || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%d bytes (%s): %q", len(err.Error()), fault.KindOf(err), err)
			}
			if len(c.want) == 1 && !immutable(err) {
				t.Error("the server's answer cannot be reached any more")
			}
		})
	}
}

func TestRefusalIsBounded(t *testing.T) {
	cases := map[string]struct{ message, want string }{
		"a short value stays":    {`a: Invalid value: "x: y": no`, `a: Invalid value: "x: y": no`},
		"no reason":              {`[a: Invalid value: {"b":"` + strings.Repeat("x", 200) + `"}]`, `[a: Invalid value: (a long value)]`},
		"cut off":                {`a: Invalid value: {"b":"` + strings.Repeat("x", 200) + `...: no`, `a: Invalid value: (a long value): no`},
		"an address":             {`a: Invalid value: (*int32)(0xc00b2b5a28): no`, `a: Invalid value: (a long value): no`},
		"unsupported":            {`a: Unsupported value: "` + strings.Repeat("x", 200) + `": supported values: "b"`, `a: Unsupported value: (a long value): supported values: "b"`},
		"long without any value": {"begin" + strings.Repeat("ü", 500) + "end", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := shorten(c.message)
			if c.want != "" && got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if len(got) > maxRefusal+len(" … ") || strings.Contains(got, "\ufffd") || strings.ToValidUTF8(got, "") != got {
				t.Errorf("%d bytes: %q", len(got), got)
			}
		})
	}
}

// What a real server says of a Job's changed template.
func TestRefusalOfImmutableTemplateIsShort(t *testing.T) {
	b := newBench(t)
	text := `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"job","namespace":"` + b.namespace + `"},
"spec":{"suspend":true,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"%s"}]}}}}`
	b.settle(b.object(fmt.Sprintf(text, "a")))
	changed := b.object(fmt.Sprintf(text, "b"))
	id := state.ID{Group: "batch", Kind: "Job", Namespace: b.namespace, Name: "job"}
	err := b.apply(wantOf(changed))[id].Err
	if err == nil || len(err.Error()) > maxRefusal || !strings.Contains(err.Error(), "spec.template") ||
		!strings.Contains(err.Error(), "(a long value): field is immutable") {
		t.Errorf("error = %v", err)
	}
}

// A webhook with side effects cannot be rehearsed: that is no refusal of the object.
func TestDryRunUnsupported(t *testing.T) {
	unsupported := apierrors.NewBadRequest(`admission webhook "mail.example.com" does not support dry run`)
	if !dryRunUnsupported(unsupported) {
		t.Error("the server's words for it are not known")
	}
	for _, err := range []error{nil, errors.New("does not support dry run"), apierrors.NewBadRequest("no such field")} {
		if dryRunUnsupported(err) {
			t.Errorf("taken for it: %v", err)
		}
	}
}

// The server quotes what it refuses; what is secret of it is not told.
func TestRefusalTellsNoSecret(t *testing.T) {
	secret := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": "n", "name": "db"},
		"data": map[string]any{"password": "aHVudGVyMjItaHVudGVyMjI="},
	}, state.Origin{})
	config := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "n", "name": "db"},
		"data": map[string]any{"a": "hunter22-hunter22"},
	}, state.Origin{}).WithSecrets([]string{"/data/a"})
	for _, object := range []*state.Object{secret, config} {
		w := &wanted{object: object, declared: object.ID()}
		for _, causes := range []int{1, 2} {
			var list field.ErrorList
			for i := range causes {
				list = append(list, field.Invalid(field.NewPath("data").Index(i), "hunter22-hunter22", "it is too simple"))
			}
			err := w.explain("apply", apierrors.NewInvalid(schema.GroupKind{Kind: object.Kind()}, "db", list))
			text := err.Error()
			if strings.Contains(text, "hunter22") || !strings.Contains(text, "(secret)") || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s of kind %s", text, fault.KindOf(err))
			}
		}
	}
}
