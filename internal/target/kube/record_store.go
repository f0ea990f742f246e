package kube

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	recordPrefix = "sh.helm.release.v1."
	recordType   = "helm.sh/release.v1"
	maxRecords   = 5000 // records of one release that are looked at
)

var secrets = resource{gvr: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, kind: "Secret", namespaced: true}

// records are the Secrets in which a release is on record.
type records struct {
	target    *Target
	who       state.Owner
	owner     string // as a label says it
	namespace string
	name      string
}

func (r *records) item() string { return r.namespace + "/" + r.name }

func (r *records) secret(version int) string {
	return recordPrefix + r.name + ".v" + versionText(version)
}

// list gives all records by their labels, newest first. Secrets that only look like records are left out.
func (r *records) list(ctx context.Context) ([]record, error) {
	query := url.Values{"labelSelector": {"owner=helm,name=" + r.name}, "limit": {"500"}}
	var found []record
	for {
		got, err := r.call(ctx, "list", call{
			method: http.MethodGet, path: secrets.path(r.namespace, ""), query: query, accept: contentMetadata,
		})
		if err != nil {
			return nil, err
		}
		var page itemPage
		if err := unmarshalBrief(got.body, &page); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if one, ok := r.parse(item); ok {
				found = append(found, one)
			}
		}
		if page.Metadata.Continue == "" {
			slices.SortFunc(found, func(a, b record) int { return b.version - a.version })
			return found, nil
		}
		if len(found) > maxRecords {
			return nil, fault.New(fault.Invalid, "record release", r.item(), "it has too many records").
				WithHint("delete the oldest: kubectl get secrets -l owner=helm,name=" + r.name)
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// parse reads what an item of a list says of a record.
func (r *records) parse(item listedItem) (record, bool) {
	labels := item.Metadata.Labels
	version, err := strconv.Atoi(labels["version"])
	if err != nil || version < 1 || item.Metadata.Name != r.secret(version) || item.Metadata.DeletionTimestamp != nil {
		return record{}, false
	}
	one := record{version: version, status: labels["status"], labels: labels}
	for _, name := range []string{"createdAt", "modifiedAt"} {
		if seconds, err := strconv.ParseInt(labels[name], 10, 64); err == nil {
			one.at = time.Unix(seconds, 0)
		}
	}
	return one, true
}

// storedRecord is a record with its Secret.
type storedRecord struct {
	secret  map[string]any
	content releaseContent
}

// read reads a record's content.
func (r *records) read(ctx context.Context, of record) (storedRecord, error) {
	got, err := r.call(ctx, "get", call{method: http.MethodGet, path: secrets.path(r.namespace, r.secret(of.version))})
	if err != nil {
		return storedRecord{}, err
	}
	var data struct {
		Data struct {
			Release []byte `json:"release"`
		} `json:"data"`
	}
	var stored storedRecord
	err = unmarshalBrief(got.body, &stored.secret)
	if err == nil {
		err = unmarshalBrief(got.body, &data)
	}
	if err == nil {
		stored.content, err = decodeRelease(data.Data.Release)
	}
	return stored, fault.Wrap(fault.Invalid, "read", r.namespace+"/"+r.secret(of.version), err)
}

// create writes a new record; the error is AlreadyExists when somebody has written one of this version.
func (r *records) create(ctx context.Context, made newRelease, text []byte) error {
	labels := made.custom
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		"name": r.name, "owner": "helm", "status": made.status(), "version": versionText(made.version),
		"createdAt": strconv.FormatInt(made.now.Unix(), 10), "modifiedAt": strconv.FormatInt(made.now.Unix(), 10),
		labelRecordOwner: r.owner, labelRecordDigest: digestLabel(made.request.Digest), labelRecordFor: versionText(made.version),
	})
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": recordType, "data": map[string][]byte{"release": text},
		"metadata": map[string]any{
			"name": r.secret(made.version), "namespace": r.namespace, "labels": labels,
			"annotations": map[string]string{annotationOwner: r.who.String()},
		},
	})
	if err != nil {
		return err
	}
	_, err = r.call(ctx, "create", call{method: http.MethodPost, path: secrets.path(r.namespace, ""), body: body})
	return err
}

// supersede marks a record as deployed no more. One that cannot be read is left as it is: helm leaves it out too.
func (r *records) supersede(ctx context.Context, old record) error {
	stored, err := r.read(ctx, old)
	if apierrors.IsNotFound(err) || fault.KindOf(err) == fault.Invalid {
		return nil
	}
	if err != nil {
		return err
	}
	info := stored.content.info()
	info["status"] = textJSON(statusSuperseded)
	text, err := encodeRelease(stored.content.with("info", info))
	if err != nil {
		return err
	}
	metadata, _ := stored.secret["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	if labels == nil {
		return nil
	}
	labels["status"], labels["modifiedAt"] = statusSuperseded, strconv.FormatInt(time.Now().Unix(), 10)
	stored.secret["data"] = map[string][]byte{"release": text}
	body, err := json.Marshal(stored.secret)
	if err != nil {
		return err
	}
	_, err = r.call(ctx, "update", call{
		method: http.MethodPut, path: secrets.path(r.namespace, r.secret(old.version)), body: body,
	})
	return err
}

// erase deletes a record.
func (r *records) erase(ctx context.Context, old record) error {
	_, err := r.call(ctx, "delete", call{method: http.MethodDelete, path: secrets.path(r.namespace, r.secret(old.version))})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// call sends a request as the acting identity. A right that is lacking is named.
func (r *records) call(ctx context.Context, verb string, request call) (answer, error) {
	request.lane = applySetID(parentName(r.who))
	if request.body != nil {
		request.contentType = contentJSON
		request.query = url.Values{"fieldManager": {r.target.cluster.cfg.FieldManager}}
	}
	got, err := r.target.client.do(ctx, request)
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot "+verb+" ") {
		denied := right{verb: verb, resource: secrets, namespace: r.namespace}.denied(r.target.identity)
		return got, denied.WithHint(denied.Hint + ", or set helm.record to false")
	}
	return got, err
}

// explain makes a fault of what went wrong.
func (r *records) explain(op string, err error) error { return explain(op+" release", r.item(), err) }
