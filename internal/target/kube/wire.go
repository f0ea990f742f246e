package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// wireObject is what a reflector handles: the little that it looks at, and the value that the cache keeps.
type wireObject struct {
	metav1.ObjectMeta
	value any
}

// GetObjectKind implements runtime.Object; reflectors do not ask for the kind of one resource's objects.
func (o *wireObject) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object. The value is immutable.
func (o *wireObject) DeepCopyObject() runtime.Object {
	return &wireObject{ObjectMeta: *o.ObjectMeta.DeepCopy(), value: o.value}
}

// wireList is a list of them.
type wireList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []runtime.Object
}

// DeepCopyObject implements runtime.Object. The items are immutable.
func (l *wireList) DeepCopyObject() runtime.Object {
	return &wireList{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy(), Items: append([]runtime.Object(nil), l.Items...)}
}

// head is the part of an object that is read first.
type head struct {
	Metadata struct {
		Name            string            `json:"name"`
		Namespace       string            `json:"namespace"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
}

// decodeWire reads an object; decode makes the value to keep, and may find that it has it already.
func decodeWire(raw []byte, decode func(head, []byte) (any, error)) (*wireObject, error) {
	var h head
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, fmt.Errorf("read an object of the server's: %w", err)
	}
	object := &wireObject{}
	object.Name, object.Namespace = h.Metadata.Name, h.Metadata.Namespace
	object.ResourceVersion = h.Metadata.ResourceVersion
	if decode == nil { // a bookmark
		object.Annotations = h.Metadata.Annotations
		return object, nil
	}
	value, err := decode(h, raw)
	object.value = value
	return object, err
}

// lister lists and watches one resource for a reflector.
type lister struct {
	client    *client
	resource  resource
	namespace string
	selector  string
	decode    func(head, []byte) (any, error)
	failed    func(error) // told of every request that fails
}

func (l *lister) query(options metav1.ListOptions) url.Values {
	query := url.Values{"labelSelector": {l.selector}}
	set := func(key, value string) {
		if value != "" {
			query.Set(key, value)
		}
	}
	set("resourceVersion", options.ResourceVersion)
	set("resourceVersionMatch", string(options.ResourceVersionMatch))
	set("continue", options.Continue)
	if options.Limit > 0 {
		query.Set("limit", strconv.FormatInt(options.Limit, 10))
	}
	if options.TimeoutSeconds != nil {
		query.Set("timeoutSeconds", strconv.FormatInt(*options.TimeoutSeconds, 10))
	}
	if options.AllowWatchBookmarks {
		query.Set("allowWatchBookmarks", "true")
	}
	if options.SendInitialEvents != nil {
		query.Set("sendInitialEvents", strconv.FormatBool(*options.SendInitialEvents))
	}
	return query
}

// list gets all objects, or a page of them.
func (l *lister) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	got, _, err := l.client.once(ctx, call{
		method: http.MethodGet, path: l.resource.path(l.namespace, ""), query: l.query(options), lane: laneWatches,
	})
	if err != nil {
		l.failed(err)
		return nil, err
	}
	var page struct {
		Metadata metav1.ListMeta   `json:"metadata"`
		Items    []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(got.body, &page); err != nil {
		return nil, fmt.Errorf("read the list of %s: %w", l.resource, err)
	}
	list := &wireList{ListMeta: page.Metadata}
	for _, raw := range page.Items {
		object, err := decodeWire(raw, l.decode)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, object)
	}
	return list, nil
}

// laneWatches is the lane of lists that fill caches.
const laneWatches = "(watches)"

// watch opens a stream of changes. It takes no lane: a watch lasts for minutes.
func (l *lister) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	query := l.query(options)
	query.Set("watch", "true")
	ctx, cancel := context.WithCancel(ctx)
	response, err := l.client.send(ctx, call{method: http.MethodGet, path: l.resource.path(l.namespace, ""), query: query})
	if err == nil && response.StatusCode != http.StatusOK {
		var body []byte
		body, err = readAll(response, maxAnswer)
		_ = response.Body.Close()
		if err == nil {
			err = statusError(response, body)
		}
	}
	if err != nil {
		cancel()
		l.failed(err)
		return nil, err
	}
	s := &stream{results: make(chan watch.Event), cancel: cancel}
	go s.run(ctx, response.Body, l.decode)
	return s, nil
}

// stream is an open watch; its goroutine ends with Stop, with its context, or with the connection.
type stream struct {
	results chan watch.Event
	cancel  context.CancelFunc
}

// ResultChan implements watch.Interface.
func (s *stream) ResultChan() <-chan watch.Event { return s.results }

// Stop implements watch.Interface.
func (s *stream) Stop() { s.cancel() }

func (s *stream) run(ctx context.Context, body io.ReadCloser, decode func(head, []byte) (any, error)) {
	defer s.cancel()
	defer close(s.results)
	defer func() { _ = body.Close() }()
	frames := json.NewDecoder(body)
	for {
		var frame struct {
			Type   watch.EventType `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := frames.Decode(&frame); err != nil {
			return // closed: the reflector starts again from where it was
		}
		event, err := frameEvent(frame.Type, frame.Object, decode)
		if err != nil {
			return
		}
		select {
		case s.results <- event:
		case <-ctx.Done():
			return
		}
	}
}

func frameEvent(kind watch.EventType, raw []byte, decode func(head, []byte) (any, error)) (watch.Event, error) {
	switch kind {
	case watch.Error:
		status := &metav1.Status{}
		err := json.Unmarshal(raw, status)
		return watch.Event{Type: kind, Object: status}, err
	case watch.Bookmark:
		decode = nil
	}
	object, err := decodeWire(raw, decode)
	return watch.Event{Type: kind, Object: object}, err
}
