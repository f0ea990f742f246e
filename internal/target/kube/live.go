package kube

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strconv"
	"unique"

	kjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// live is an object as the server has it, kept small: there are thousands of them. It is immutable and safe for concurrent use.
type live struct {
	id          state.ID // the real one, with its namespace
	uid         string
	version     uint64 // the resource version: grows with every change of the object
	partOf      string // the ApplySet that the label names, "" for none
	labelled    labelledBy
	terminating bool
	hash        uint64 // of all that matters for a comparison; status and bookkeeping are left out
	health      state.Health
	owners      ownership

	content []byte // JSON without managedFields, resource version and status
	status  []byte // JSON of the status; nil when there is none
}

// labelledBy says who put the part-of label on an object, which decides whether it belongs to the ApplySet that it names.
type labelledBy uint8

const (
	labelledByNobody labelledBy = iota // no label, or written by something that does not apply: a person, a controller
	labelledByOther                    // server-side applied by another tool
	labelledByUs                       // server-side applied by our field manager
)

// hashSeed is one for all objects: hashes are compared within this process only.
var hashSeed = maphash.MakeSeed()

// parseLive reads an object. Numbers become int64 where they are whole.
func parseLive(raw []byte, r resource, manager string) (*live, error) {
	var object map[string]any
	if err := kjson.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("read the server's %s: %w", r, err)
	}
	return newLive(object, r, manager)
}

// newLive takes over a decoded object.
func newLive(object map[string]any, r resource, manager string) (*live, error) {
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		return nil, fmt.Errorf("read the server's %s: it has no metadata", r)
	}
	version, err := strconv.ParseUint(textOf(metadata["resourceVersion"]), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read the server's %s: resource version: %w", r, err)
	}
	object["apiVersion"], object["kind"] = apiVersion(r.gvr.Group, r.gvr.Version), r.kind // lists leave them out
	labels, _ := metadata["labels"].(map[string]any)
	l := &live{
		id: state.ID{
			Group: r.gvr.Group, Kind: r.kind,
			Namespace: unique.Make(textOf(metadata["namespace"])).Value(), Name: textOf(metadata["name"]),
		},
		uid: textOf(metadata["uid"]), version: version,
		partOf:      unique.Make(textOf(labels[labelPartOf])).Value(),
		terminating: metadata["deletionTimestamp"] != nil,
		labelled:    whoLabelled(metadata["managedFields"], manager),
		owners:      readOwnership(object),
		health:      assess(object),
	}
	delete(metadata, "managedFields")
	delete(metadata, "resourceVersion")
	return l, l.keep(object, r)
}

// keep stores the content and hashes it.
func (l *live) keep(object map[string]any, r resource) error {
	var err error
	if status, ok := object["status"]; ok && r.status {
		if l.status, err = json.Marshal(status); err != nil {
			return err
		}
		delete(object, "status")
	}
	if l.content, err = json.Marshal(object); err != nil {
		return err
	}
	l.hash = maphash.Bytes(hashSeed, l.content) ^ uint64(l.labelled)
	return nil
}

// object decodes the content, without managedFields and resource version; it may be changed freely.
func (l *live) object() map[string]any {
	var object map[string]any
	if kjson.Unmarshal(l.content, &object) != nil || object == nil {
		return map[string]any{} // cannot be: we wrote it
	}
	if l.status != nil {
		var status any
		if kjson.Unmarshal(l.status, &status) == nil {
			object["status"] = status
		}
	}
	return object
}

// belongs says whether the object is a member of an ApplySet of ours: the label says so, and we wrote the label. An object
// that somebody labelled by hand was never applied, so it is not ours to change or prune.
func (l *live) belongs(partOf string) bool { return l.partOf == partOf && l.labelled == labelledByUs }

// sameAs says whether nothing changed that anybody has to look at.
func (l *live) sameAs(other *live) bool {
	return l.hash == other.hash && l.uid == other.uid && l.health == other.health && l.terminating == other.terminating
}

// annotation reads one annotation.
func annotationOf(object map[string]any, name string) string {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	return textOf(annotations[name])
}

// whoLabelled finds the strongest claim to the part-of label among the managers of an object.
func whoLabelled(managedFields any, manager string) labelledBy {
	entries, _ := managedFields.([]any)
	found := labelledByNobody
	for _, item := range entries {
		entry, _ := item.(map[string]any)
		if entry["operation"] != "Apply" || textOf(entry["subresource"]) != "" {
			continue
		}
		fields, _ := entry["fieldsV1"].(map[string]any)
		metadata, _ := fields["f:metadata"].(map[string]any)
		labels, _ := metadata["f:labels"].(map[string]any)
		if _, has := labels["f:"+labelPartOf]; !has {
			continue
		}
		if entry["manager"] == manager {
			return labelledByUs
		}
		found = labelledByOther
	}
	return found
}
