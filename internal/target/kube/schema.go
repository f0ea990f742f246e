package kube

import (
	"context"
	"errors"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// errNoSchema says that the server publishes no schema for a kind, so that its objects cannot be validated in process.
var errNoSchema = errors.New("the server publishes no schema for this kind")

// fetchSchema gets the OpenAPI v3 document of a group-version, as JSON.
type fetchSchema func(ctx context.Context, gv schema.GroupVersion) ([]byte, error)

// fetchOpenAPI fetches documents from an API server (discovery client's RESTClient()).
func fetchOpenAPI(client rest.Interface) fetchSchema { return nil }

// schemas validates objects against the server's own OpenAPI documents, loaded when a group-version is first used and kept in a
// compact form. Safe for concurrent use.
type schemas struct{}

func newSchemas(fetch fetchSchema) *schemas { return &schemas{} }

// validate gives every schema error of an object, each a fault of kind Invalid (at most 20). A kind without a schema gives
// errNoSchema alone, a document that cannot be read a fault of the fetch's kind; neither says that the object is wrong:
// use invalid(errs) to tell.
func (s *schemas) validate(ctx context.Context, object *state.Object) []error { return nil }

// shapes gives the schema look-up for diff.Options.Shape; nil when the kind has no schema.
func (s *schemas) shapes(ctx context.Context, gvk schema.GroupVersionKind) func(pattern string) diff.Shape {
	return nil
}

// forget drops what is known of a group-version, because a CRD or APIService changed.
func (s *schemas) forget(gv schema.GroupVersion) {}
