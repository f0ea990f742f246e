package system

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/setpoint-dev/setpoint/test/cluster"
)

// Plant is a cluster as a test sees and disturbs it, always as the admin. Objects are named by their paths in the API, which
// Path makes.
type Plant struct {
	*cluster.Cluster
	t testing.TB
}

// On gives a test its view of a cluster.
func On(t testing.TB, c *cluster.Cluster) *Plant { return &Plant{Cluster: c, t: t} }

// Shared gives a test its view of the cluster that all tests share.
func Shared(t testing.TB) *Plant {
	t.Helper()
	return On(t, cluster.Shared(t))
}

var namespaces atomic.Int64

// Namespace reserves a name that no other test uses, without making the namespace; what has this name then is deleted when the
// test ends, whoever made it.
func (p *Plant) Namespace(word string) string {
	name := fmt.Sprintf("%s-%d", word, namespaces.Add(1))
	p.t.Cleanup(func() { p.remove(Path("v1", "namespaces", "", name)) })
	return name
}

// MakeNamespace reserves a name and makes the namespace.
func (p *Plant) MakeNamespace(word string) string {
	p.t.Helper()
	name := p.Namespace(word)
	p.Apply("test", Path("v1", "namespaces", "", name), "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+name+"}\n")
	return name
}

// Path gives an object's path: Path("apps/v1", "deployments", "shop", "web"). An empty name gives that of the collection, and an
// empty namespace what belongs to none.
func Path(version, resource, namespace, name string) string {
	path := "/apis/" + version
	if !strings.Contains(version, "/") {
		path = "/api/" + version
	}
	if namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + resource
	if name != "" {
		path += "/" + name
	}
	return path
}

// Object is what the API server gives.
type Object map[string]any

// Field gives the value below keys, nil when there is none.
func (o Object) Field(keys ...string) any {
	var value any = map[string]any(o)
	for _, key := range keys {
		m, _ := value.(map[string]any)
		value = m[key]
	}
	return value
}

// String gives the text below keys, "" when there is none.
func (o Object) String(keys ...string) string {
	text, _ := o.Field(keys...).(string)
	return text
}

// UID tells objects of one name apart.
func (o Object) UID() string { return o.String("metadata", "uid") }

// Version is the object's resource version.
func (o Object) Version() string { return o.String("metadata", "resourceVersion") }

// Find gives an object, nil when there is none.
func (p *Plant) Find(path string) Object {
	p.t.Helper()
	data, err := p.ask(http.MethodGet, path, "")
	if cluster.IsStatus(err, http.StatusNotFound) {
		return nil
	}
	return p.decode(data, err)
}

// Get gives an object that has to be there.
func (p *Plant) Get(path string) Object {
	p.t.Helper()
	return p.decode(p.ask(http.MethodGet, path, ""))
}

// List gives the objects of a collection.
func (p *Plant) List(path string) []Object {
	p.t.Helper()
	var objects []Object
	items, _ := p.Get(path)["items"].([]any)
	for _, item := range items {
		objects = append(objects, item.(map[string]any))
	}
	return objects
}

// Apply applies a manifest by server-side apply, taking what is in the way.
func (p *Plant) Apply(manager, path, manifest string) Object {
	p.t.Helper()
	return p.decode(p.ask(http.MethodPatch, path+"?force=true&fieldManager="+manager, manifest))
}

// Edit changes an object as a person would who edits it: read, change, write back under a field manager's name.
func (p *Plant) Edit(manager, path string, change func(Object)) Object {
	p.t.Helper()
	for {
		object := p.Get(path)
		change(object)
		body, err := json.Marshal(object)
		if err != nil {
			p.t.Fatal(err)
		}
		data, err := p.ask(http.MethodPut, path+"?fieldManager="+manager, string(body))
		if !cluster.IsStatus(err, http.StatusConflict) {
			return p.decode(data, err)
		}
	}
}

// Create posts an object to a collection.
func (p *Plant) Create(collection, body string) Object {
	p.t.Helper()
	return p.decode(p.ask(http.MethodPost, collection, body))
}

// Delete deletes an object that has to be there.
func (p *Plant) Delete(path string) {
	p.t.Helper()
	if _, err := p.ask(http.MethodDelete, path, ""); err != nil {
		p.t.Fatal(err)
	}
}

// WaitGone waits until an object is not there.
func (p *Plant) WaitGone(paths ...string) {
	p.t.Helper()
	for _, path := range paths {
		Wait(p.t, path+" to be gone", func() bool { return p.Find(path) == nil })
	}
}

// CleanUp deletes objects when the test ends, if they are there then.
func (p *Plant) CleanUp(paths ...string) {
	p.t.Cleanup(func() {
		for _, path := range paths {
			p.remove(path)
		}
	})
}

// remove deletes what may be there, also after the test.
func (p *Plant) remove(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, err := p.Do(ctx, http.MethodDelete, path, nil)
	if err != nil && !cluster.IsStatus(err, http.StatusNotFound) && !cluster.IsStatus(err, http.StatusConflict) {
		p.t.Logf("clean up: %v", err)
	}
}

func (p *Plant) ask(method, path, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), Patience)
	defer cancel()
	return p.Do(ctx, method, path, []byte(body))
}

func (p *Plant) decode(data []byte, err error) Object {
	p.t.Helper()
	var object Object
	if err == nil {
		err = json.Unmarshal(data, &object)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return object
}

// JSON gives any value as JSON.
func JSON(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
