package kube

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// servedFor is how long what the server serves is taken for granted. Definitions that the agent applies are known at once.
const servedFor = 5 * time.Second

// served is everything that a server has, be it fit to be applied or only to be read. It is immutable.
type served struct {
	versions map[string]bool                      // "apps/v1" and "apps/v1/Deployment"
	readable map[schema.GroupVersionKind]resource // what can be got or listed
}

// next gives what is served after another look. Group-versions that could not be read are as they were: a chart must not be
// rendered without them because their server is down for a moment.
func (s served) next(groups []*metav1.APIGroup, lists []*metav1.APIResourceList, unread map[schema.GroupVersion]bool) served {
	now := served{versions: map[string]bool{}, readable: map[schema.GroupVersionKind]resource{}}
	for _, group := range groups {
		for _, version := range group.Versions {
			now.versions[version.GroupVersion] = true
		}
	}
	for _, list := range lists {
		now.add(list)
	}
	for gv := range unread {
		for version := range s.versions {
			if strings.HasPrefix(version, gv.String()+"/") {
				now.versions[version] = true
			}
		}
	}
	for gvk, r := range s.readable {
		if unread[gvk.GroupVersion()] {
			now.readable[gvk] = r
		}
	}
	return now
}

func (s served) add(list *metav1.APIResourceList) {
	gv, err := schema.ParseGroupVersion(list.GroupVersion)
	if err != nil {
		return
	}
	s.versions[gv.String()] = true
	for _, r := range list.APIResources {
		s.versions[gv.String()+"/"+r.Kind] = true
		if !strings.Contains(r.Name, "/") {
			s.readable[gv.WithKind(r.Kind)] = resource{
				gvr: gv.WithResource(r.Name), kind: r.Kind, namespaced: r.Namespaced, listed: slices.Contains(r.Verbs, "list"),
			}
		}
	}
}

// everything gives all group-versions and kinds that are served, sorted, as Helm's Capabilities name them.
func (k *kinds) everything(ctx context.Context) ([]string, error) {
	if err := k.refreshAfter(ctx, servedFor); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	all := maps.Clone(k.served.versions)
	for _, versions := range k.learned {
		for _, r := range versions {
			gv := r.gvr.GroupVersion().String()
			all[gv], all[gv+"/"+r.kind] = true, true
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// readable gives the resource of a kind that may be read, be it fit to be applied or not. Errors: NotFound when the server has no such
// group-version, Transient when it cannot be read now. With a nil error, false says that the group-version has no such kind.
func (k *kinds) readable(ctx context.Context, gvk schema.GroupVersionKind) (resource, bool, error) {
	if r, ok, _ := k.readableNow(gvk); ok {
		return r, true, nil
	}
	if err := k.refreshIfOld(ctx); err != nil {
		return resource{}, false, err
	}
	if r, ok, known := k.readableNow(gvk); known {
		return r, ok, nil
	}
	return resource{}, false, k.unknown(groupKindOf(gvk.GroupKind()), gvk.Version)
}

// readableNow says what is known without a look; known says that the group-version was read and is served.
func (k *kinds) readableNow(gvk schema.GroupVersionKind) (r resource, ok, known bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if r, ok = k.served.readable[gvk]; ok {
		return r, true, true
	}
	for _, r := range k.learned[groupKindOf(gvk.GroupKind())] {
		if r.gvr.Version == gvk.Version {
			return r, true, true
		}
	}
	return resource{}, false, k.served.versions[gvk.GroupVersion().String()] && !k.failed[gvk.Group]
}

// serverVersion asks the server for its version: "v1.37.2".
func (c *client) serverVersion(ctx context.Context, lane string) (string, error) {
	got, err := c.do(ctx, call{method: http.MethodGet, path: "/version", lane: lane})
	if err != nil {
		return "", explain("ask", "the cluster for its version", err)
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	err = json.Unmarshal(got.body, &version)
	return version.GitVersion, fault.Wrap(fault.Internal, "read", "the cluster's version", err)
}

// serverVersions remembers the server's version. Safe for concurrent use.
type serverVersions struct {
	client *client

	mu     sync.Mutex
	known  string
	looked time.Time
}

// get gives the version as it is, or was less than servedFor ago.
func (v *serverVersions) get(ctx context.Context) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known != "" && time.Since(v.looked) < servedFor {
		return v.known, nil
	}
	version, err := v.client.serverVersion(ctx, laneLookups)
	if err == nil {
		v.known, v.looked = version, time.Now()
	}
	return version, err
}
