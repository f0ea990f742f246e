package kube

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// What the helm command writes on every object of a release, whatever its chart says. It stays with helm, so that helm still knows
// its objects.
const (
	annotationReleaseName      = "meta.helm.sh/release-name"
	annotationReleaseNamespace = "meta.helm.sh/release-namespace"
	labelManagedBy             = "app.kubernetes.io/managed-by"
)

var helmMarks = fieldpath.NewSet(
	fieldpath.MakePathOrDie("metadata", "annotations", annotationReleaseName),
	fieldpath.MakePathOrDie("metadata", "annotations", annotationReleaseNamespace),
	fieldpath.MakePathOrDie("metadata", "labels", labelManagedBy),
)

// helmManagers are the names under which versions of helm have owned fields.
var helmManagers = []string{"helm", "Go-http-client"}

const contentJSONPatch = "application/json-patch+json"

// helmRelease names a release.
type helmRelease struct{ namespace, name string }

// Continues says that an owner goes on with a release of Helm's; an empty name says that it does not. Objects of this release that the
// owner adopts are taken over from helm as a whole: what helm had set and the owner does not declare goes, as it would with helm.
func (t *Target) Continues(who state.Owner, namespace, name string) {
	o := t.cluster.owners.get(who)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.release = helmRelease{namespace: namespace, name: name}
}

// continued gives the release whose objects may still be helm's, nil when there is none: helm has never written a record of it, or
// nothing is created. What cannot be found out may be.
func (t *Target) continued(ctx context.Context, o *owner, tasks []task) *helmRelease {
	o.mu.Lock()
	release := o.release
	o.mu.Unlock()
	creates := func(one task) bool { return one.step.Op == diff.Create }
	if release.name == "" || !slices.ContainsFunc(tasks, creates) {
		return nil
	}
	records, err := t.recordsOf(o.who, release.namespace, release.name)
	if err != nil {
		return nil
	}
	all, err := records.list(ctx)
	if err == nil && !slices.ContainsFunc(all, func(one record) bool { return !one.ours() }) {
		return nil
	}
	return &release
}

// takeFromHelm makes us the owner of the fields that helm owns of an object of a release, before it is applied for the first time. It
// changes nothing of the object but its list of owners. It gives what was taken, as results name it.
func (t *Target) takeFromHelm(ctx context.Context, one task) (took []string, err error) {
	w := one.wanted
	for try := 1; ; try++ {
		got, err := t.client.do(ctx, call{
			method: http.MethodGet, path: w.resource.path(w.id.Namespace, w.id.Name), lane: one.owner.partOf,
		})
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) { // an identity that may apply, but not read, cannot take over
			return nil, nil
		}
		var patch []byte
		if err == nil {
			patch, took, err = t.handOverPatch(got.body, one)
		}
		if err == nil && patch != nil {
			_, err = t.client.do(ctx, call{
				method: http.MethodPatch, path: w.resource.path(w.id.Namespace, w.id.Name), body: patch,
				contentType: contentJSONPatch, lane: one.owner.partOf,
			})
		}
		if apierrors.IsConflict(err) && try < maxTries { // it has changed since it was read
			continue
		}
		return took, w.explain("take over from helm", err)
	}
}

// handOverPatch makes the patch for an object as the server has it; nil when there is nothing to take.
func (t *Target) handOverPatch(raw []byte, one task) (patch []byte, took []string, err error) {
	manager := t.cluster.cfg.FieldManager
	l, err := parseLive(raw, one.wanted.resource, manager)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Internal, "read", one.wanted.declared.String(), err)
	}
	var object metav1.PartialObjectMetadata
	if err := unmarshalBrief(raw, &object); err != nil {
		return nil, nil, fault.Wrap(fault.Internal, "read", one.wanted.declared.String(), err)
	}
	marked := helmRelease{name: object.Annotations[annotationReleaseName], namespace: object.Annotations[annotationReleaseNamespace]}
	if marked != *one.release || l.labelled != labelledByNobody && l.partOf != one.owner.partOf {
		return nil, nil, nil
	}
	entries, taken := handOver(object.ManagedFields, manager)
	if taken.Empty() {
		return nil, nil, nil
	}
	patch, err = json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": object.ResourceVersion}, // a conflict when it has changed
	})
	return patch, tookFrom(taken), err
}

// handOver gives what helm owns of an object itself, but for its marks, to a manager that applies. Entries that make no sense stay.
func handOver(entries []metav1.ManagedFieldsEntry, to string) (after []metav1.ManagedFieldsEntry, taken *fieldpath.Set) {
	taken = fieldpath.NewSet()
	ours := metav1.ManagedFieldsEntry{Manager: to, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1"}
	all := fieldpath.NewSet()
	for _, entry := range entries {
		isOurs := entry.Manager == to && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
		isHelm := slices.Contains(helmManagers, entry.Manager) && entry.Subresource == ""
		fields := fieldpath.NewSet()
		if entry.FieldsV1 == nil || !isOurs && !isHelm || fields.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			after = append(after, entry)
			continue
		}
		if isOurs || ours.APIVersion == "" {
			ours.APIVersion, ours.Time = entry.APIVersion, entry.Time
		}
		if isOurs {
			all = all.Union(fields)
			continue
		}
		taken = taken.Union(fields.Difference(helmMarks))
		if kept := fields.Intersection(helmMarks); !kept.Empty() {
			entry.FieldsV1 = fieldsOf(kept)
			after = append(after, entry)
		}
	}
	ours.FieldsV1 = fieldsOf(all.Union(taken))
	return append(after, ours), taken
}

func fieldsOf(set *fieldpath.Set) *metav1.FieldsV1 {
	data, err := set.ToJSON()
	if err != nil {
		data = []byte("{}") // cannot be: it was read from JSON
	}
	return metav1.NewFieldsV1(string(data))
}

// tookFrom names the parts of an object that fields are in.
func tookFrom(fields *fieldpath.Set) []string {
	var parts []string
	fields.Iterate(func(path fieldpath.Path) {
		if len(path) > 0 && path[0].FieldName != nil {
			if part := "helm: /" + *path[0].FieldName; !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		}
	})
	slices.Sort(parts)
	return parts
}
