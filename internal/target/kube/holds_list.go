package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	// contentMetadata asks for the metadata of objects alone; a server that cannot do that sends all of them.
	contentMetadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"

	metadataPage = 250  // objects in one answer
	maxCounted   = 1000 // beyond it, how many exactly makes no difference
)

// generatedKinds are those that programs write as they run and write again: nothing is lost with them.
var generatedKinds = map[state.GroupKind]bool{
	{Kind: "Event"}: true, {Group: "events.k8s.io", Kind: "Event"}: true,
	{Kind: "Endpoints"}: true, {Group: "discovery.k8s.io", Kind: "EndpointSlice"}: true,
	{Group: "coordination.k8s.io", Kind: "Lease"}: true,
}

// generatedMaps are the ConfigMaps that a cluster (Kubernetes, OpenShift, Istio) puts into every namespace.
var generatedMaps = map[string]bool{
	"kube-root-ca.crt": true, "openshift-service-ca.crt": true, "istio-ca-root-cert": true,
}

// generated says whether an object is one that the cluster puts into every namespace.
func generated(r resource, item listedItem) bool {
	switch r.groupKind() {
	case state.GroupKind{Kind: "ServiceAccount"}:
		return item.Metadata.Name == "default"
	case state.GroupKind{Kind: "ConfigMap"}:
		return generatedMaps[item.Metadata.Name]
	case state.GroupKind{Kind: "Secret"}: // clusters before 1.24 make one for every service account
		return item.Metadata.Annotations["kubernetes.io/service-account.name"] == "default"
	}
	return false
}

// listedItem is what is read of each object in a list.
type listedItem struct {
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		DeletionTimestamp *string           `json:"deletionTimestamp"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		OwnerReferences   []ownerReference  `json:"ownerReferences"`
		ManagedFields     json.RawMessage   `json:"managedFields"`
	} `json:"metadata"`
}

// ownerReference names an object that another one goes with.
type ownerReference struct {
	APIVersion string `json:"apiVersion"`
	UID        string `json:"uid"`
}

func (o ownerReference) group() string {
	group, _, grouped := strings.Cut(o.APIVersion, "/")
	if !grouped {
		return ""
	}
	return group
}

// belongs is live.belongs for an object in a list.
func (i listedItem) belongs(partOf, manager string) bool {
	if i.Metadata.Labels[labelPartOf] != partOf {
		return false
	}
	var fields any
	return json.Unmarshal(i.Metadata.ManagedFields, &fields) == nil && whoLabelled(fields, manager) == labelledByUs
}

// contents are the objects of one resource that would go with another object.
type contents struct {
	resource  resource
	namespace string // "" for all
	partOf    string // whose own objects do not count
	spared    func(listedItem) bool
}

// tally is what was counted.
type tally struct {
	others, kept int      // of others; and the owner's own that ask to be kept
	other, keep  state.ID // the first of each
	missing      bool     // the server does not serve the resource
	err          error
}

// count lists objects, page by page, and counts those that others would miss.
func (h *holdings) count(ctx context.Context, of contents) tally {
	var sum tally
	next := ""
	for {
		page, err := h.page(ctx, of, next)
		if apierrors.IsNotFound(err) {
			sum.missing = true
			return sum
		}
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			sum.err = explain("list", of.resource.gvr.GroupResource().String(), err)
			return sum
		}
		for _, item := range page.Items {
			sum.add(of, item, h.cluster.cfg.FieldManager)
		}
		if next = page.Metadata.Continue; next == "" || sum.others > maxCounted {
			return sum
		}
	}
}

// itemPage is a part of a list.
type itemPage struct {
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Items []listedItem `json:"items"`
}

func (h *holdings) page(ctx context.Context, of contents, next string) (itemPage, error) {
	query := url.Values{"limit": {strconv.Itoa(metadataPage)}}
	if next != "" {
		query.Set("continue", next)
	}
	var page itemPage
	got, err := h.cluster.client.do(ctx, call{
		method: http.MethodGet, path: of.resource.path(of.namespace, ""), query: query, accept: contentMetadata, lane: of.partOf,
	})
	if err == nil {
		err = fault.Wrap(fault.Internal, "read", "the list of "+of.resource.String(), json.Unmarshal(got.body, &page))
	}
	return page, err
}

func (t *tally) add(of contents, item listedItem, manager string) {
	id := state.ID{
		Group: of.resource.gvr.Group, Kind: of.resource.kind, Namespace: item.Metadata.Namespace, Name: item.Metadata.Name,
	}
	switch {
	case item.Metadata.DeletionTimestamp != nil: // on its way out already
	case item.belongs(of.partOf, manager):
		if item.Metadata.Annotations[v1alpha1.AnnotationPrune] == "disabled" {
			t.merge(tally{kept: 1, keep: id})
		}
	case !of.spared(item):
		t.merge(tally{others: 1, other: id})
	}
}

// merge adds another count; the example of both is the first by ID.
func (t *tally) merge(more tally) {
	first := func(have, count int, mine, theirs state.ID) state.ID {
		if have == 0 || count > 0 && theirs.Compare(mine) < 0 {
			return theirs
		}
		return mine
	}
	t.other, t.keep = first(t.others, more.others, t.other, more.other), first(t.kept, more.kept, t.keep, more.keep)
	t.others, t.kept = t.others+more.others, t.kept+more.kept
	if t.err == nil {
		t.err = more.err
	}
}

func sumOf(tallies []tally) tally {
	var sum tally
	for _, one := range tallies {
		sum.merge(one)
	}
	return sum
}

// String gives "3 objects of others, such as Secret/db/x"; "" when nothing was counted.
func (t tally) String() string {
	var parts []string
	if t.others > 0 {
		parts = append(parts, counting(t.others, " of others", t.other))
	}
	if t.kept > 0 {
		parts = append(parts, counting(t.kept, " to be kept", t.keep))
	}
	if t.err != nil {
		parts = append(parts, unseen(t.err))
	}
	return strings.Join(parts, "; ")
}

func counting(n int, what string, example state.ID) string {
	switch {
	case n == 1:
		return "1 object" + what + ": " + example.String()
	case n > maxCounted:
		return fmt.Sprintf("%d+ objects%s, such as %s", maxCounted, what, example)
	}
	return fmt.Sprintf("%d objects%s, such as %s", n, what, example)
}
