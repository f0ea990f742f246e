package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// errNoSchema says that the server publishes no schema for a kind, or one that may be out of date, so that its objects cannot
// be validated in process: only the server itself knows.
var errNoSchema = errors.New("the server publishes no schema for this kind")

// fetchSchema gets the OpenAPI v3 document of a group-version, as JSON. A group-version that has none is errNoSchema.
type fetchSchema func(ctx context.Context, gv schema.GroupVersion) ([]byte, error)

// fetchOpenAPI fetches documents from an API server (a discovery client's RESTClient()).
func fetchOpenAPI(client rest.Interface) fetchSchema {
	return func(ctx context.Context, gv schema.GroupVersion) ([]byte, error) {
		raw, err := client.Get().AbsPath("/openapi/v3").SetHeader("Accept", "application/json").Do(ctx).Raw()
		if err != nil {
			return nil, fmt.Errorf("list the server's schemas: %w", err)
		}
		var index struct {
			Paths map[string]struct {
				URL string `json:"serverRelativeURL"`
			} `json:"paths"`
		}
		if err := json.Unmarshal(raw, &index); err != nil {
			return nil, fmt.Errorf("read the list of the server's schemas: %w", err)
		}
		path := "apis/" + gv.String()
		if gv.Group == "" {
			path = "api/" + gv.Version
		}
		entry, found := index.Paths[path]
		if !found {
			return nil, errNoSchema
		}
		raw, err = client.Get().RequestURI(entry.URL).SetHeader("Accept", "application/json").Do(ctx).Raw()
		if err != nil {
			return nil, fmt.Errorf("get the server's schema of %s: %w", gv, err)
		}
		return raw, nil
	}
}

// schemas validates objects against the server's own OpenAPI documents. Documents are loaded when a group-version is first
// used, and kept in a compact form: some 100 KiB instead of megabytes. Safe for concurrent use; callers that need the same
// document wait for one request.
type schemas struct {
	fetch fetchSchema

	mu        sync.Mutex
	loaded    map[schema.GroupVersion]*loading
	forgotten map[schema.GroupVersion]time.Time
}

// loading is a document, or the request for it.
type loading struct {
	done chan struct{} // closed when the rest is set
	doc  *document
	err  error
	at   time.Time
}

const (
	// retryMissing is how soon a server is asked again for what it did not publish.
	retryMissing = 2 * time.Second
	// publishing is how long a server may take to publish a changed definition. What an older schema refuses is left to the
	// server for so long.
	publishing = 10 * time.Second
)

func newSchemas(fetch fetchSchema) *schemas {
	return &schemas{
		fetch: fetch, loaded: map[schema.GroupVersion]*loading{}, forgotten: map[schema.GroupVersion]time.Time{},
	}
}

// validate gives the schema errors of an object (at most 20), each a fault of kind Invalid whose cause begins with the path; nil
// when there are none. whole says that the object does not exist yet, so that it has to be complete by itself: server-side
// apply may leave to other writers what is missing. An error of another kind says nothing about the object:
// errNoSchema, or what went wrong on the way to the schema.
func (s *schemas) validate(ctx context.Context, object *state.Object, whole bool) []error {
	gvk := gvkOf(object)
	doc, err := s.get(ctx, gvk)
	if err != nil {
		return []error{err}
	}
	root := doc.kinds[gvk.Kind]
	check := &checker{whole: whole, item: object.ID().String()}
	content := object.Content()
	if root.strict {
		content, _ = root.fill(content).(map[string]any)
	}
	check.root(root, content)
	if len(check.errs) > 0 && s.mayBeOld(gvk.GroupVersion()) {
		return []error{errNoSchema}
	}
	return check.errs
}

// shapes gives the schema look-up for diff.Options.Shape; nil when the kind has no schema.
func (s *schemas) shapes(ctx context.Context, gvk schema.GroupVersionKind) func(pattern string) diff.Shape {
	doc, err := s.get(ctx, gvk)
	if err != nil {
		return nil
	}
	return doc.kinds[gvk.Kind].shapeAt
}

// forget drops what is known of a group-version, because a CRD or APIService changed.
func (s *schemas) forget(gv schema.GroupVersion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loaded, gv)
	s.forgotten[gv] = time.Now()
}

// mayBeOld says whether the server may not have published the latest definitions yet. Afterwards the document is loaded again.
func (s *schemas) mayBeOld(gv schema.GroupVersion) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed, found := s.forgotten[gv]
	if !found {
		return false
	}
	if time.Since(changed) < publishing {
		return true
	}
	delete(s.forgotten, gv)
	delete(s.loaded, gv)
	return true
}

// get gives a document that has the kind.
func (s *schemas) get(ctx context.Context, gvk schema.GroupVersionKind) (*document, error) {
	gv := gvk.GroupVersion()
	s.mu.Lock()
	entry, found := s.loaded[gv]
	if found && entry.useless(gvk.Kind) {
		found = false
	}
	if !found {
		entry = &loading{done: make(chan struct{})}
		s.loaded[gv] = entry
	}
	s.mu.Unlock()
	if found {
		select {
		case <-entry.done:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Transient, "get the schema of", gvk.String(), ctx.Err())
		}
	} else {
		entry.doc, entry.err = s.load(ctx, gv)
		entry.at = time.Now()
		close(entry.done)
	}
	switch {
	case errors.Is(entry.err, errNoSchema):
		return nil, errNoSchema
	case entry.err != nil:
		return nil, fault.Wrap(fault.Transient, "get the schema of", gvk.String(), entry.err)
	case entry.doc.kinds[gvk.Kind] == nil:
		return nil, errNoSchema
	}
	return entry.doc, nil
}

// useless says whether an answer has to be asked for again: it was an error, or lacked the kind some time ago.
func (l *loading) useless(kind string) bool {
	select {
	case <-l.done:
	default:
		return false
	}
	if l.err != nil && !errors.Is(l.err, errNoSchema) {
		return true
	}
	missing := l.err != nil || l.doc.kinds[kind] == nil
	return missing && time.Since(l.at) > retryMissing
}

func (s *schemas) load(ctx context.Context, gv schema.GroupVersion) (*document, error) {
	raw, err := s.fetch(ctx, gv)
	if err != nil {
		return nil, err
	}
	return parseDocument(raw, gv)
}

func gvkOf(object *state.Object) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: object.ID().Group, Version: object.Version(), Kind: object.Kind()}
}
