package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// refreshPause is the least time between two looks at the server's kinds because one was missing.
const refreshPause = 10 * time.Second

// resource is one version of a kind as the server serves it.
type resource struct {
	gvr        schema.GroupVersionResource
	kind       string
	namespaced bool
	status     bool // status is written through a subresource, so that what a declaration says of it has no effect
	listed     bool // its objects can be listed
}

func (r resource) groupKind() state.GroupKind {
	return state.GroupKind{Group: r.gvr.Group, Kind: r.kind}
}

// path gives the request path of an object, or of the collection when name is "".
func (r resource) path(namespace, name string) string {
	var b strings.Builder
	if r.gvr.Group == "" {
		b.WriteString("/api/")
	} else {
		b.WriteString("/apis/" + r.gvr.Group + "/")
	}
	b.WriteString(r.gvr.Version)
	if r.namespaced && namespace != "" {
		b.WriteString("/namespaces/" + namespace)
	}
	b.WriteString("/" + r.gvr.Resource)
	if name != "" {
		b.WriteString("/" + name)
	}
	return b.String()
}

// kinds knows what the server serves. Safe for concurrent use.
type kinds struct {
	client *client

	refreshing sync.Mutex // one look at a time

	mu     sync.RWMutex
	byKind map[state.GroupKind][]resource // the server's preferred version first
	// learned are kinds that are served already but not listed by the server yet.
	learned map[state.GroupKind][]resource
	failed  map[string]bool // groups that could not be read: an aggregated API that is down
	looked  time.Time
	served  served // everything, for whoever asks what there is
	// generation grows with every change, so that whoever keeps conclusions knows when to draw them again.
	generation uint64
}

func newKinds(client *client) *kinds {
	return &kinds{client: client, byKind: map[state.GroupKind][]resource{}, learned: map[state.GroupKind][]resource{}}
}

// refresh reads all kinds.
func (k *kinds) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	groups, lists, err := k.client.disco.ServerGroupsAndResourcesWithContext(ctx)
	failed, unread := map[string]bool{}, map[schema.GroupVersion]bool{}
	if partial, ok := errors.AsType[*discovery.ErrGroupDiscoveryFailed](err); ok {
		for gv := range partial.Groups {
			failed[gv.Group], unread[gv] = true, true
		}
	} else if err != nil {
		return explain("read the kinds of the cluster", "", err)
	}
	byKind := map[state.GroupKind][]resource{}
	for _, list := range lists {
		addResources(byKind, list)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !maps.EqualFunc(k.byKind, byKind, slices.Equal) {
		k.generation++
	}
	k.byKind, k.failed, k.looked = byKind, failed, time.Now()
	k.served = k.served.next(groups, lists, unread)
	for gk := range byKind {
		delete(k.learned, gk)
	}
	return nil
}

// addResources adds one group-version. The lists come in the server's order of preference.
func addResources(byKind map[state.GroupKind][]resource, list *metav1.APIResourceList) {
	gv, err := schema.ParseGroupVersion(list.GroupVersion)
	if err != nil {
		return
	}
	withStatus := map[string]bool{}
	for _, r := range list.APIResources {
		if name, ok := strings.CutSuffix(r.Name, "/status"); ok {
			withStatus[name] = true
		}
	}
	for _, r := range list.APIResources {
		if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "patch") {
			continue
		}
		gk := state.GroupKind{Group: gv.Group, Kind: r.Kind}
		byKind[gk] = append(byKind[gk], resource{
			gvr: gv.WithResource(r.Name), kind: r.Kind, namespaced: r.Namespaced, status: withStatus[r.Name],
			listed: slices.Contains(r.Verbs, "list"),
		})
	}
}

// find gives the resource of a kind in a version, or in the server's preferred one when version is "". What is not known is
// looked up anew, unless that has just been done. Errors: NotFound with the nearest kind or version as the hint; Transient.
func (k *kinds) find(ctx context.Context, gk state.GroupKind, version string) (resource, error) {
	if r, ok := k.get(gk, version); ok {
		return r, nil
	}
	if err := k.refreshIfOld(ctx); err != nil {
		return resource{}, err
	}
	if r, ok := k.get(gk, version); ok {
		return r, nil
	}
	return resource{}, k.unknown(gk, version)
}

func (k *kinds) get(gk state.GroupKind, version string) (resource, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, known := range [][]resource{k.byKind[gk], k.learned[gk]} {
		for _, r := range known {
			if version == "" || r.gvr.Version == version {
				return r, true
			}
		}
	}
	return resource{}, false
}

func (k *kinds) refreshIfOld(ctx context.Context) error { return k.refreshAfter(ctx, refreshPause) }

// refreshAfter looks again when the last look is that long ago.
func (k *kinds) refreshAfter(ctx context.Context, pause time.Duration) error {
	k.refreshing.Lock()
	defer k.refreshing.Unlock()
	k.mu.RLock()
	old := time.Since(k.looked) >= pause
	k.mu.RUnlock()
	if !old {
		return nil
	}
	return k.refresh(ctx)
}

// learn adds the kinds of a CRD that the server has established, ahead of its discovery, which lags behind.
func (k *kinds) learn(crd map[string]any) {
	served := servedBy(crd)
	if len(served) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.learned[served[0].groupKind()] = served
	k.generation++
}

// servedBy gives the versions that a CRD has its kind served in; none when it is not complete.
func servedBy(crd map[string]any) []resource {
	spec, _ := crd["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	group, plural, kind := textOf(spec["group"]), textOf(names["plural"]), textOf(names["kind"])
	if plural == "" || kind == "" {
		return nil
	}
	versions, _ := spec["versions"].([]any)
	var served []resource
	for _, item := range versions {
		version, _ := item.(map[string]any)
		if on, _ := version["served"].(bool); !on {
			continue
		}
		subresources, _ := version["subresources"].(map[string]any)
		_, status := subresources["status"]
		served = append(served, resource{
			gvr:  schema.GroupVersionResource{Group: group, Version: textOf(version["name"]), Resource: plural},
			kind: kind, namespaced: spec["scope"] == "Namespaced", status: status, listed: true,
		})
	}
	return served
}

// namespaced gives one version of every kind whose objects are in namespaces and can be listed, in a stable order, as it is now or
// was a moment ago; and the API groups that could not be read.
func (k *kinds) namespaced(ctx context.Context) (served []resource, unread []string, err error) {
	if err := k.refreshIfOld(ctx); err != nil {
		return nil, nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	all := maps.Clone(k.learned)
	maps.Copy(all, k.byKind)
	for _, gk := range slices.SortedFunc(maps.Keys(all), compareKinds) {
		if r := all[gk][0]; r.namespaced && r.listed {
			served = append(served, r)
		}
	}
	return served, slices.Sorted(maps.Keys(k.failed)), nil
}

// changes gives the generation of what is known.
func (k *kinds) changes() uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.generation
}

// expire makes the next unknown kind be looked up at once, because a CRD or APIService has changed.
func (k *kinds) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
}

// unknown explains that a kind is not served, naming what is nearest.
func (k *kinds) unknown(gk state.GroupKind, version string) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	item := apiVersion(gk.Group, version) + " " + gk.Kind
	if k.failed[gk.Group] {
		return fault.New(fault.Transient, "find kind", item, "the API group cannot be read now").
			WithHint("see why its server is down: kubectl get apiservices")
	}
	refusal := fault.New(fault.NotFound, "find kind", item, "the cluster does not serve it")
	if others := k.byKind[gk]; len(others) > 0 {
		versions := make([]string, 0, len(others))
		for _, r := range others {
			versions = append(versions, r.gvr.Version)
		}
		return refusal.WithHint("the cluster serves it in version " + strings.Join(versions, ", "))
	}
	if nearest, ok := k.nearest(gk); ok {
		return refusal.WithHint("did you mean " + apiVersion(nearest.gvr.Group, nearest.gvr.Version) + " " + nearest.kind + "?")
	}
	return refusal.WithHint("declare its CustomResourceDefinition, or install what defines it")
}

// nearest finds the same kind in another group, else a kind of almost the same name.
func (k *kinds) nearest(gk state.GroupKind) (resource, bool) {
	best, distance := resource{}, 3
	for other, versions := range k.byKind {
		d := fault.Misspelling(gk.Kind, other.Kind)
		if other.Kind == gk.Kind {
			d = -1
		} else if other.Group != gk.Group {
			d++
		}
		if d < distance || d == distance && distance < 3 && other.String() < best.groupKind().String() {
			best, distance = versions[0], d
		}
	}
	return best, distance < 3
}

func apiVersion(group, version string) string {
	if group == "" {
		return version
	}
	return group + "/" + version
}

func textOf(value any) string {
	s, _ := value.(string)
	return s
}

// gvk gives a resource's group, version and kind.
func (r resource) gvk() schema.GroupVersionKind { return r.gvr.GroupVersion().WithKind(r.kind) }

func (r resource) String() string {
	return fmt.Sprintf("%s.%s", r.gvr.Resource, apiVersion(r.gvr.Group, r.gvr.Version))
}

func groupKindOf(gk schema.GroupKind) state.GroupKind {
	return state.GroupKind{Group: gk.Group, Kind: gk.Kind}
}

// definedVersions gives the group-versions that a CRD defines.
func definedVersions(crd map[string]any) []schema.GroupVersion {
	spec, _ := crd["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	var defined []schema.GroupVersion
	for _, item := range versions {
		version, _ := item.(map[string]any)
		defined = append(defined, schema.GroupVersion{Group: textOf(spec["group"]), Version: textOf(version["name"])})
	}
	return defined
}
