package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// contentOneMetadata asks for the metadata of an object alone; a server that cannot do that sends all of it.
const contentOneMetadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"

// watch watches the object until the stream ends. The watch is opened before the object is looked at, so that every change after
// the look is in the stream; what the stream tells from before is known by its version. Without the right to watch, the look alone is
// made, and the error says so.
func (f *follow) watch(ctx context.Context) error {
	stream, err := f.openStream(ctx)
	if err != nil && !refusesWatch(err) {
		return err
	}
	if err == nil {
		defer func() { _ = stream.Close() }()
	}
	if failed := f.look(ctx); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	f.settle()
	frames := json.NewDecoder(stream)
	for {
		var frame struct {
			Type   watch.EventType `json:"type"`
			Object head            `json:"object"`
		}
		if frames.Decode(&frame) != nil || frame.Type == watch.Error {
			return nil // the stream has ended, or its beginning is not known any more
		}
		version, err := strconv.ParseUint(frame.Object.Metadata.ResourceVersion, 10, 64)
		if err == nil && frame.Object.Metadata.Name == f.id.Name {
			f.saw(version, frame.Type != watch.Deleted)
		}
	}
}

// openStream opens a watch of the single object. A right that is limited to its name is enough for that.
func (f *follow) openStream(ctx context.Context) (io.ReadCloser, error) {
	response, err := f.client.send(ctx, call{
		method: http.MethodGet, path: f.resource.path(f.id.Namespace, ""), accept: contentOneMetadata,
		query: url.Values{"watch": {"true"}, "fieldSelector": {metav1.ObjectNameField + "=" + f.id.Name}},
	})
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	body, err := readAll(response, maxAnswer)
	if err != nil {
		return nil, err
	}
	return nil, statusError(response, body)
}

// look asks for the object's version.
func (f *follow) look(ctx context.Context) error {
	got, err := f.client.do(ctx, call{
		method: http.MethodGet, path: f.resource.path(f.id.Namespace, f.id.Name), accept: contentOneMetadata, lane: f.id.String(),
	})
	if apierrors.IsNotFound(err) {
		f.saw(0, false)
		return nil
	}
	if err != nil {
		return err
	}
	var object head
	if err := json.Unmarshal(got.body, &object); err != nil {
		return err
	}
	version, err := strconv.ParseUint(object.Metadata.ResourceVersion, 10, 64)
	if err == nil {
		f.saw(version, true)
	}
	return err
}
