package system_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/setpoint-dev/setpoint/test/system"
)

// sighting is an object as a watch has shown it at an instant.
type sighting struct {
	at    time.Time
	path  string
	looks string // see looks; "" when it is gone
}

// sightings watches collections of the scene's namespace until the test ends.
func (s *scene) sightings(resources map[string]schema.GroupVersionResource) <-chan sighting {
	s.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.plant.Kubeconfig())
	if err != nil {
		s.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		s.Fatal(err)
	}
	seen := make(chan sighting, 10_000)
	for _, gvr := range resources {
		watcher, err := client.Resource(gvr).Namespace(s.ns).Watch(s.Context(), metav1.ListOptions{})
		if err != nil {
			s.Fatal(err)
		}
		go report(s.Context(), watcher, gvr, seen) // ends with the test's context
	}
	return seen
}

func report(ctx context.Context, watcher watch.Interface, gvr schema.GroupVersionResource, seen chan<- sighting) {
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		one := sighting{
			at: time.Now(), looks: looks(object.Object),
			path: system.Path(gvr.GroupVersion().String(), gvr.Resource, object.GetNamespace(), object.GetName()),
		}
		if event.Type == watch.Deleted {
			one.looks = ""
		}
		select {
		case seen <- one:
		case <-ctx.Done():
			return
		}
	}
}

// looks gives what a declaration decides about an object, as text: not its status, not what the cluster adds by itself.
func looks(object map[string]any) string {
	metadata, _ := object["metadata"].(map[string]any)
	spec, _ := object["spec"].(map[string]any)
	kept := map[string]any{}
	for key, value := range spec {
		if key != "clusterIP" && key != "clusterIPs" {
			kept[key] = value
		}
	}
	text, err := json.Marshal([]any{metadata["labels"], object["data"], kept, metadata["deletionTimestamp"] != nil})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// await waits until an object that was disturbed looks as before again, and gives the instant when that was seen.
func await(t *testing.T, seen <-chan sighting, path, before string) time.Time {
	t.Helper()
	disturbed := false
	deadline := time.After(system.Patience)
	for {
		select {
		case one := <-seen:
			if one.path != path {
				continue
			}
			if disturbed = disturbed || one.looks != before; disturbed && one.looks == before {
				return one.at
			}
		case <-deadline:
			t.Fatalf("%s is never put right (the disturbance was seen: %v)", path, disturbed)
		}
	}
}
