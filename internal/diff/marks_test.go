package diff_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const password = "hunter22-hunter22"

func marked(content map[string]any, pointers ...string) *state.Object {
	content["apiVersion"], content["metadata"] = "v1", map[string]any{"name": "shop", "namespace": "team"}
	if content["kind"] == nil {
		content["kind"] = "ConfigMap"
	}
	return state.NewObject(content, state.Origin{}).WithSecrets(pointers)
}

func env(items ...string) []any {
	var list []any
	for _, item := range items {
		name, value, _ := strings.Cut(item, "=")
		list = append(list, map[string]any{"name": name, "value": value})
	}
	return list
}

// What is marked shows in no difference, wherever the actual object has it.
func TestMarkedFieldsAreHidden(t *testing.T) {
	container := func(env []any, args ...any) map[string]any {
		return map[string]any{"kind": "Deployment", "spec": map[string]any{"containers": []any{
			map[string]any{"name": "first"}, map[string]any{"name": "web", "env": env, "args": args},
		}}}
	}
	for name, test := range map[string]struct {
		want *state.Object
		live map[string]any
		tell string // that shows all the same
	}{
		"a value": {marked(map[string]any{"data": map[string]any{"a": password, "b": "open"}}, "/data/a"),
			map[string]any{"data": map[string]any{"a": "old-" + password, "b": "closed"}}, "closed"},
		"all below": {marked(map[string]any{"data": map[string]any{"a": password}}, "/data"),
			map[string]any{"data": map[string]any{"a": "old-" + password}}, ""},
		"what is missing": {marked(map[string]any{"data": map[string]any{"a": password, "b": "open"}}, "/data/a"),
			map[string]any{}, "open"},
		"an item by its key": {marked(container(env("A=open", "B="+password)), "/spec/containers/1/env/1/value"),
			container(env("B=old-"+password, "A=closed")), "closed"},
		"items that are all missing": {marked(container(env("A=open", "B="+password)), "/spec/containers/1/env/1/value"),
			map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "first"}}}}, ""},
		"a list by positions": {marked(container(nil, "a", password), "/spec/containers/1/args/1"),
			container(nil, "old-"+password, "a", "b"), ""},
		"an odd name": {marked(map[string]any{"data": map[string]any{"a/b~c": password}}, "/data/a~1b~0c"),
			map[string]any{"data": map[string]any{"a/b~c": "old-" + password}}, ""},
	} {
		for _, redactor := range []diff.Redactor{{}, {Key: []byte("0123456789abcdef")}} {
			fields := diff.Compare(test.want.Content(), test.live, diff.Options{Redact: redactor, Marks: diff.MarksOf(test.want)})
			text := fmt.Sprint(fields)
			if len(fields) == 0 || strings.Contains(text, password) || !strings.Contains(text, test.tell) {
				t.Errorf("%s: %s", name, text)
			}
			if shown := fmt.Sprint(redactor.Desired(test.want)); strings.Contains(shown, password) {
				t.Errorf("%s: shown it is %s", name, shown)
			}
		}
	}
}

// What others say of an object is told without its secrets, and everything else is kept.
func TestScrubbing(t *testing.T) {
	secret := marked(map[string]any{"kind": "Secret", "data": map[string]any{
		"password": "aHVudGVyMjItaHVudGVyMjI=", "name": "c2hvcA==", "short": "YQ==",
	}, "stringData": map[string]any{"lines": "first line\nsecond \"line\"\n", "mixed": `its 'a' & "b"`}})
	scrubber := diff.ScrubberOf(secret)
	for said, want := range map[string]string{
		`data.password: Invalid value: "hunter22-hunter22": no`: `data.password: Invalid value: "(secret)": no`,
		"aHVudGVyMjItaHVudGVyMjI=":                              "(secret)",
		`at: second \"line\"`:                                   "at: (secret)",
		`{"a":"its 'a' \u0026 \"b\""}`:                          `{"a":"(secret)"}`,
		`{"a":"its 'a' & \"b\""}`:                               `{"a":"(secret)"}`,
		`a: 'its ''a'' & "b"'`:                                  `a: '(secret)'`,
		"Secret/team/shop is a wrong one":                       "Secret/team/shop is a wrong one",
	} {
		if got := scrubber.Text(said); got != want {
			t.Errorf("%s: %s", said, got)
		}
	}
	quoting := fault.New(fault.Denied, "apply", "x", "no "+password).WithHint("not " + password)
	other := fault.New(fault.Invalid, "apply", "y", "no").WithHint("mend it")
	err := scrubber.Error(errors.Join(quoting, other))
	if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error()+fault.HintOf(err), password) || !errors.Is(err, other) {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
	if got := scrubber.Error(other); got != error(other) { //nolint:errorlint // the very value
		t.Errorf("an error that tells nothing has become %v", got)
	}
	entry := diff.Entry{Want: secret, Err: quoting, Health: state.Health{Message: "saw " + password}}
	entry.Hide()
	if text := entry.Err.Error() + entry.Health.Message; strings.Contains(text, password) || fault.KindOf(entry.Err) != fault.Denied {
		t.Error(text)
	}
	open := diff.Entry{Want: marked(map[string]any{"data": map[string]any{"a": password}}), Err: quoting}
	if open.Hide(); open.Err != error(quoting) { //nolint:errorlint // the very value
		t.Error("what is no secret is hidden")
	}
}
