package kube

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// gadgetServer publishes one group-version, and counts how often it is asked.
type gadgetServer struct {
	document []byte
	asked    atomic.Int64
	err      error
}

func newGadgetServer(t testing.TB) *gadgetServer {
	t.Helper()
	document, err := os.ReadFile("testdata/openapi-gadgets.json")
	if err != nil {
		t.Fatal(err)
	}
	return &gadgetServer{document: document}
}

func (g *gadgetServer) fetch(_ context.Context, gv schema.GroupVersion) ([]byte, error) {
	g.asked.Add(1)
	if gv.Group != "gadgets" {
		return nil, errNoSchema
	}
	return g.document, g.err
}

func gadget(t testing.TB, spec string) *state.Object {
	return objectYAML(t, "{apiVersion: gadgets/v1, kind: Gadget, metadata: {name: x}, spec: "+spec+"}")
}

func thing(t testing.TB, fields string) *state.Object {
	return objectYAML(t, "{apiVersion: gadgets/v1, kind: Thing, metadata: {name: x}, "+fields+"}")
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		object *state.Object
		part   bool // not the whole object
		paths  string
	}{
		{name: "valid", object: gadget(t, `{containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP, target: web}]}], limits: {cpu: 1, memory: 1Gi}}`)},
		{name: "nested", object: gadget(t, `{containers: [], inner: {containers: [], inner: {containers: 1}}}`), paths: "/spec/inner/inner/containers"},
		{name: "objects of which nothing is known", object: gadget(t, `{containers: [], raw: {a: {b: 1}}, lost: {a: 1}}`)},
		{name: "missing", object: gadget(t, `{policy: Always}`), paths: "/spec/containers"},
		{name: "missing in a part", object: gadget(t, `{policy: Always}`), part: true},
		{name: "enumeration", object: gadget(t, `{containers: [], policy: Sometimes}`), paths: "/spec/policy"},
		{name: "empty enumeration", object: gadget(t, `{containers: [], policy: ""}`)},
		{name: "twice, by a default", object: gadget(t, `{containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 80, protocol: TCP}]}]}`), paths: "/spec/containers/0/ports/1"},
		{name: "quantity", object: gadget(t, `{containers: [], limits: {cpu: x, memory: true}}`), paths: "/spec/limits/cpu /spec/limits/memory"},
		{name: "null", object: gadget(t, `{containers: [], policy: null, limits: null}`)},
		{name: "custom resource", object: thing(t, `spec: {size: 1, words: [a]}`)},
		{name: "custom resource, all errors", object: thing(t, `spec: {size: 0, words: [1], more: 1}, metdata: {}`), paths: "/metdata /spec/more /spec/size /spec/words/0"},
		{name: "custom resource, missing", object: thing(t, `spec: {words: []}`), paths: "/spec/words /spec/size"},
		{name: "custom resource, missing in a part", object: thing(t, `spec: {words: []}`), part: true},
		{name: "custom resource, null", object: thing(t, `spec: null`), paths: "/spec"},
	}
	s := newSchemas(newGadgetServer(t).fetch)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkPaths(t, s.validate(t.Context(), test.object, !test.part), test.paths)
		})
	}
}

func TestValidateGivesHintsAndShowsNoValues(t *testing.T) {
	s := newSchemas(newGadgetServer(t).fetch)
	for spec, hint := range map[string]string{
		`{containers: [{name: a, imgae: hunter2}]}`:                      "did you mean image?",
		`{containers: [{name: 1}]}`:                                      "put the value in quotes",
		`{containers: [{name: a, ports: [{containerPort: "hunter2"}]}]}`: "write the value without quotes",
		`{containers: [], policy: hunter2}`:                              "",
	} {
		errs := s.validate(t.Context(), gadget(t, spec), true)
		if len(errs) != 1 || fault.HintOf(errs[0]) != hint {
			t.Errorf("%s: %v, hint %q", spec, errs, fault.HintOf(errors.Join(errs...)))
		}
		if strings.Contains(errors.Join(errs...).Error(), "hunter2") {
			t.Errorf("a value is shown: %v", errs)
		}
	}
}

func TestValidateStopsAfterManyErrors(t *testing.T) {
	s := newSchemas(newGadgetServer(t).fetch)
	items := strings.Repeat("{name: a, x: 1, y: 2}, ", 1000)
	if errs := s.validate(t.Context(), gadget(t, "{containers: ["+items+"]}"), true); len(errs) != maxSchemaErrors {
		t.Errorf("%d errors", len(errs))
	}
}

func TestSchemasThatAreNotThere(t *testing.T) {
	server := newGadgetServer(t)
	s := newSchemas(server.fetch)
	for _, text := range []string{
		`{apiVersion: gadgets/v1, kind: Unheard, metadata: {name: x}}`, `{apiVersion: other/v1, kind: Gadget, metadata: {name: x}}`,
	} {
		errs := s.validate(t.Context(), objectYAML(t, text), true)
		if len(errs) != 1 || !errors.Is(errs[0], errNoSchema) {
			t.Errorf("%s: %v", text, errs)
		}
	}
	server.err = errors.New("connection refused")
	s = newSchemas(server.fetch)
	object := gadget(t, `{containers: 1}`)
	if errs := s.validate(t.Context(), object, true); len(errs) != 1 || fault.KindOf(errs[0]) != fault.Transient {
		t.Errorf("server away: %v", errs)
	}
	server.err = nil
	if errs := s.validate(t.Context(), object, true); len(errs) != 1 || fault.KindOf(errs[0]) != fault.Invalid {
		t.Errorf("server back: %v", errs)
	}
}

func TestSchemasAreLoadedOnceForAll(t *testing.T) {
	server := newGadgetServer(t)
	s := newSchemas(server.fetch)
	object := gadget(t, `{containers: []}`)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if errs := s.validate(context.Background(), object, true); errs != nil {
				t.Error(errs)
			}
		})
	}
	group.Wait()
	if n := server.asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestForgottenSchemasRefuseNothingForAWhile(t *testing.T) {
	server := newGadgetServer(t)
	s := newSchemas(server.fetch)
	bad := gadget(t, `{containers: 1}`)
	gv := schema.GroupVersion{Group: "gadgets", Version: "v1"}
	s.forget(gv)
	if errs := s.validate(t.Context(), bad, true); len(errs) != 1 || !errors.Is(errs[0], errNoSchema) {
		t.Errorf("right after a change: %v", errs)
	}
	s.mu.Lock()
	s.forgotten[gv] = time.Now().Add(-2 * publishing)
	s.mu.Unlock()
	if errs := s.validate(t.Context(), bad, true); !errors.Is(errs[0], errNoSchema) {
		t.Errorf("the schema may be from before the change: %v", errs)
	}
	if errs := s.validate(t.Context(), bad, true); fault.KindOf(errors.Join(errs...)) != fault.Invalid {
		t.Errorf("later: %v", errs)
	}
	if n := server.asked.Load(); n != 2 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestShapes(t *testing.T) {
	s := newSchemas(newGadgetServer(t).fetch)
	shapeAt := s.shapes(t.Context(), schema.GroupVersionKind{Group: "gadgets", Version: "v1", Kind: "Gadget"})
	ports := diff.Shape{
		List: diff.ListAssociative, Keys: []string{"containerPort", "protocol"}, Defaults: map[string]any{"protocol": "TCP"},
	}
	for pattern, want := range map[string]diff.Shape{
		"/spec/containers":               {List: diff.ListAssociative, Keys: []string{"name"}, Defaults: map[string]any{"name": ""}},
		"/spec/containers/*/ports":       ports,
		"/spec/inner/containers/*/ports": ports,
		"/metadata/finalizers":           {List: diff.ListSet},
		"/spec/nodeSelector":             {Closed: true},
		"/spec/limits/cpu":               {Quantity: true},
		"/spec/raw/anything":             {},
		"/nothing/of/it":                 {},
		"not a path":                     {},
	} {
		if d := cmp.Diff(want, shapeAt(pattern)); d != "" {
			t.Errorf("%s: %s", pattern, d)
		}
	}
	if s.shapes(t.Context(), schema.GroupVersionKind{Group: "gadgets", Version: "v1", Kind: "Unheard"}) != nil {
		t.Error("a shape of nothing")
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add(newGadgetServer(f).document, []byte(`{"spec":{"containers":[{"name":1}]}}`))
	f.Fuzz(func(t *testing.T, raw, content []byte) {
		doc, err := parseDocument(raw, schema.GroupVersion{Group: "gadgets", Version: "v1"})
		object, bad := state.DecodeObject(content, state.Origin{})
		if err != nil || bad != nil {
			return
		}
		for _, root := range doc.kinds {
			check := &checker{whole: true}
			check.root(root, object.Content())
			if len(check.errs) > maxSchemaErrors {
				t.Errorf("%d errors", len(check.errs))
			}
			root.shapeAt("/spec/containers/*/ports")
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	s := newSchemas(newGadgetServer(b).fetch)
	object := gadget(b, `{containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP, target: web}]}], limits: {cpu: 1, memory: 1Gi}}`)
	for b.Loop() {
		if errs := s.validate(b.Context(), object, true); errs != nil {
			b.Fatal(errs)
		}
	}
}
