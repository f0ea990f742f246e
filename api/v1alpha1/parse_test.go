package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// parse reads one document as the renderers do: checked while the lines of its fields are known, and then decoded.
func parse[T any](text, file string, decode func(*state.Object) (*T, error)) (*T, error) {
	documents, err := document.Read([]byte(text), file)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, fmt.Errorf("%d documents, want one", len(documents))
	}
	if err := v1alpha1.Check(documents[0].Object, documents[0].Line); err != nil {
		return nil, err
	}
	return decode(documents[0].Object)
}

func parseSync(text, file string) (*v1alpha1.Sync, error) {
	return parse(text, file, v1alpha1.DecodeSync)
}

func parseSource(text, file string) (*v1alpha1.Source, error) {
	return parse(text, file, v1alpha1.DecodeSource)
}

// twice decodes an object of a known good declaration, and what was decoded once more.
func twice[T any](t *testing.T, object *state.Object, decode func(*state.Object) (*T, error)) {
	t.Helper()
	if group := object.ID().Group; group != v1alpha1.GroupHost && group != v1alpha1.Group {
		return
	}
	first, err := decode(object)
	if err != nil {
		t.Errorf("checked and not decoded: %v", err)
		return
	}
	data, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.DecodeObject(data, object.Origin())
	if err != nil {
		t.Fatal(err)
	}
	second, err := decode(again)
	if err != nil {
		t.Errorf("%s is not decoded again: %v", data, err)
	} else if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-first +again:\n%s", diff)
	}
}
