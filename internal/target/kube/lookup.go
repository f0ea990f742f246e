package kube

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of a lookup: a chart of anybody's asks for it.
const (
	maxLookup      = 16 << 20 // bytes of JSON
	maxLookupItems = 5000
	lookupPage     = 250 // objects in one answer
	laneLookups    = "(lookups)"
)

// Capabilities gives the server's version ("v1.37.2") and everything that it serves, sorted: "apps/v1" and "apps/v1/Deployment". It is
// at most some seconds old. API groups that cannot be read now are as they were. Errors: Transient, Denied.
func (t *Target) Capabilities(ctx context.Context) (version string, served []string, err error) {
	if served, err = t.cluster.kinds.everything(ctx); err != nil {
		return "", nil, err
	}
	version, err = t.cluster.version.get(ctx)
	return version, served, err
}

// Lookup gives one object, or with an empty name a list of them ("items") in a namespace or in all; nil without error when there is
// nothing. It reads as the acting identity, always from the server, and follows Helm's function of this name: a group-version that
// is not served is an error, a kind that it lacks is nothing. The group of the ID is not looked at. Errors: Invalid also for more than
// 5,000 objects or 16 MiB; Denied names the permission; NotFound for the group-version; Transient.
func (t *Target) Lookup(ctx context.Context, apiVersion string, id state.ID) (map[string]any, error) {
	l := lookup{
		target: t, namespace: id.Namespace, name: id.Name, item: strings.TrimSpace(apiVersion + " " + id.Kind + " " + id.Name),
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "look up", l.item, err)
	}
	for _, part := range []string{id.Namespace, id.Name} {
		if wrong := content.IsPathSegmentName(part); part != "" && len(wrong) > 0 {
			return nil, fault.New(fault.Invalid, "look up", l.item, "a name "+wrong[0])
		}
	}
	found, ok, err := t.cluster.kinds.readable(ctx, gv.WithKind(id.Kind))
	if !ok || err != nil {
		return nil, err
	}
	l.resource = found
	if !found.namespaced {
		l.namespace = ""
	}
	switch {
	case id.Name == "":
		return l.list(ctx)
	case found.namespaced && id.Namespace == "":
		return nil, nil //nolint:nilnil // such an object cannot be: its namespace is not said
	}
	return l.get(ctx)
}

// lookup is one question of a chart's.
type lookup struct {
	target    *Target
	resource  resource
	namespace string
	name      string
	item      string // for errors
}

func (l lookup) get(ctx context.Context) (map[string]any, error) {
	got, err := l.ask(ctx, "get", nil, maxLookup)
	if got == nil || err != nil {
		return nil, err
	}
	var object map[string]any
	err = kjson.Unmarshal(got, &object)
	return object, fault.Wrap(fault.Internal, "look up", l.item, err)
}

// list gathers all pages into one list.
func (l lookup) list(ctx context.Context) (map[string]any, error) {
	list := map[string]any{"apiVersion": apiVersion(l.resource.gvr.Group, l.resource.gvr.Version), "kind": l.resource.kind + "List"}
	items, left := []any{}, maxLookup
	query := url.Values{"limit": {strconv.Itoa(lookupPage)}}
	for {
		got, err := l.ask(ctx, "list", query, left)
		if got == nil || err != nil {
			return nil, err
		}
		var page struct {
			Metadata map[string]any   `json:"metadata"`
			Items    []map[string]any `json:"items"`
		}
		if err := kjson.Unmarshal(got, &page); err != nil {
			return nil, fault.Wrap(fault.Internal, "look up", l.item, err)
		}
		for _, item := range page.Items { // lists leave out what their own kind says
			item["apiVersion"], item["kind"] = list["apiVersion"], l.resource.kind
			items = append(items, item)
		}
		left -= len(got)
		next := textOf(page.Metadata["continue"])
		if next == "" {
			delete(page.Metadata, "remainingItemCount")
			list["metadata"], list["items"] = page.Metadata, items
			return list, nil
		}
		if len(items) >= maxLookupItems || left <= 0 {
			return nil, l.tooMuch()
		}
		query.Set("continue", next)
	}
}

// ask sends the request; nil without error when there is nothing.
func (l lookup) ask(ctx context.Context, verb string, query url.Values, most int) ([]byte, error) {
	got, err := l.target.client.do(ctx, call{
		method: http.MethodGet, path: l.resource.path(l.namespace, l.name), query: query, lane: laneLookups, most: most,
	})
	var large tooLargeError
	switch {
	case err == nil:
		return got.body, nil
	case errors.As(err, &large):
		return nil, l.tooMuch()
	case apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return nil, nil
	case apierrors.IsForbidden(err):
		return nil, (right{verb: verb, resource: l.resource, namespace: l.namespace, name: l.name}).denied(l.target.identity)
	}
	return nil, explain("look up", l.item, err)
}

func (l lookup) tooMuch() error {
	return fault.New(fault.Invalid, "look up", l.item, "there is more than 5,000 objects or 16 MiB of it").
		WithHint("ask for one object by its name, or for those of one namespace")
}
