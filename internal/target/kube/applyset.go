package kube

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The words of the ApplySet convention (KEP-3659), and ours beside them.
const (
	labelPartOf          = "applyset.kubernetes.io/part-of"
	labelID              = "applyset.kubernetes.io/id"
	annotationTooling    = "applyset.kubernetes.io/tooling"
	annotationKinds      = "applyset.kubernetes.io/contains-group-kinds"
	annotationNamespaces = "applyset.kubernetes.io/additional-namespaces"
	annotationOwner      = "setpoint.dev/owner" // agent/sync, for people and for refusals

	// parentNamespace holds the parent objects, ConfigMaps named after their owners.
	parentNamespace = "setpoint-system"
)

var configMaps = resource{
	gvr: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, kind: "ConfigMap", namespaced: true,
}

// applySetID computes the ID of an ApplySet from its parent, as the KEP says.
func applySetID(parent string) string {
	sum := sha256.Sum256([]byte(parent + "." + parentNamespace + ".ConfigMap."))
	return "applyset-" + base64.RawURLEncoding.EncodeToString(sum[:]) + "-v1"
}

var (
	objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	unfit      = regexp.MustCompile(`[^a-z0-9]+`)
)

// parentName makes an object's name of an owner; a hash keeps owners apart whose names do not fit.
func parentName(who state.Owner) string {
	name := who.Agent + "." + who.Sync
	unambiguous := !strings.Contains(who.Agent, ".") && !strings.Contains(name, "..")
	if unambiguous && len(name) <= 200 && objectName.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(who.Agent + "\x00" + who.Sync))
	safe := strings.Trim(unfit.ReplaceAllString(strings.ToLower(name), "-"), "-")
	return strings.TrimLeft(safe[:min(len(safe), 200)]+"-"+hex.EncodeToString(sum[:5]), "-")
}

// parent is an ApplySet's parent object: the inventory of one owner, by kind and namespace. It is immutable.
type parent struct {
	name       string
	id         string
	owner      string
	kinds      []state.GroupKind // sorted
	namespaces []string          // sorted
	version    uint64
}

// parents caches all parent objects, from one watch. Safe for concurrent use.
type parents struct {
	cluster *Cluster
	ctx     context.Context //nolint:containedctx // the life of the watch, which outlives the call that starts it

	mu     sync.Mutex
	shard  *shard
	byName map[string]*parent
	byID   map[string]*parent
}

func newParents(ctx context.Context, cluster *Cluster) *parents {
	return &parents{cluster: cluster, ctx: ctx, byName: map[string]*parent{}, byID: map[string]*parent{}}
}

// get gives a parent object, or nil when there is none. The first call waits until all of them have been read.
func (p *parents) get(ctx context.Context, name string) (*parent, error) {
	if err := p.sync(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byName[name], nil
}

// known says whether a parent object is there, as far as has been seen.
func (p *parents) known(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byName[name] != nil
}

// ownerOf names the owner of an ApplySet, or gives its ID when it is not one of Setpoint's.
func (p *parents) ownerOf(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.byID[id]; known != nil && known.owner != "" {
		return known.owner
	}
	return id
}

func (p *parents) sync(ctx context.Context) error {
	p.mu.Lock()
	if p.shard == nil || p.shard.retryable() {
		p.cluster.watches.running.Add(1)
		p.shard = startShard(p.ctx, &lister{
			client: p.cluster.client, resource: configMaps, namespace: parentNamespace, selector: labelID,
		}, p, p.cluster.watches.running.Done)
	}
	s := p.shard
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if err := s.wait(ctx); err != nil {
		return p.explain("read the inventory", nil, err)
	}
	return nil
}

// explain makes a fault of a failed request for parent objects.
func (p *parents) explain(op string, o *owner, err error) error {
	item := parentNamespace
	if o != nil {
		item += "/" + o.parent
	}
	explained := explain(op, item, err)
	if fault.KindOf(explained) != fault.Denied || fault.HintOf(explained) != "" {
		return explained
	}
	return (&fault.Error{Op: op, Item: item, Kind: fault.Denied, Err: err}).
		WithHint("create the namespace " + parentNamespace +
			", and allow the agent to get, list, watch, patch, create and delete ConfigMaps there")
}

// decode implements sink.
func (p *parents) decode(h head, raw []byte) (any, error) {
	var object struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	version, err := strconv.ParseUint(h.Metadata.ResourceVersion, 10, 64)
	notes := h.Metadata.Annotations
	return &parent{
		name: h.Metadata.Name, id: object.Metadata.Labels[labelID], owner: notes[annotationOwner],
		kinds: readKinds(notes[annotationKinds]), namespaces: splitList(notes[annotationNamespaces]), version: version,
	}, err
}

// put implements sink.
func (p *parents) put(object *wireObject) {
	now, ok := object.value.(*parent)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.byName[now.name]; old == nil || old.version < now.version {
		p.byName[now.name], p.byID[now.id] = now, now
	}
}

// drop implements sink.
func (p *parents) drop(object *wireObject) {
	if gone, ok := object.value.(*parent); ok {
		p.remove(gone.name, gone.version)
	}
}

// replace implements sink.
func (p *parents) replace(_ string, objects []*wireObject, version uint64) {
	present := map[string]bool{}
	for _, object := range objects {
		present[object.Name] = true
		p.put(object)
	}
	p.mu.Lock()
	names := slices.Collect(maps.Keys(p.byName))
	p.mu.Unlock()
	for _, name := range names {
		if !present[name] {
			p.remove(name, version)
		}
	}
}

// remove forgets a parent object. If its ApplySet is in use, the owner is told, and writes it again (see Target.tidy).
func (p *parents) remove(name string, version uint64) {
	p.mu.Lock()
	old := p.byName[name]
	if old == nil || old.version > version {
		p.mu.Unlock()
		return
	}
	delete(p.byName, name)
	delete(p.byID, old.id)
	p.mu.Unlock()
	if o := p.cluster.owners.member(old.id); o != nil {
		o.disturbed()
		o.wakeAll()
	}
}

// write makes a parent object list these kinds and namespaces, with one request, or none when it does already.
func (p *parents) write(ctx context.Context, o *owner, kinds []state.GroupKind, namespaces []string) error {
	current, err := p.get(ctx, o.parent)
	if err != nil {
		return err
	}
	if current != nil && slices.Equal(current.kinds, kinds) && slices.Equal(current.namespaces, namespaces) {
		return nil
	}
	names := make([]string, len(kinds))
	for i, gk := range kinds {
		names[i] = gk.String()
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": o.parent, "namespace": parentNamespace,
			"labels": map[string]string{labelID: o.partOf},
			"annotations": map[string]string{
				annotationTooling: "setpoint/" + p.cluster.cfg.Version, annotationOwner: o.who.String(),
				annotationKinds: strings.Join(names, ","), annotationNamespaces: strings.Join(namespaces, ","),
			},
		},
	})
	if err != nil {
		return err
	}
	got, err := p.patch(ctx, o, body)
	if err != nil {
		return p.explain("write the inventory", o, err)
	}
	written, err := decodeWire(got.body, p.decode)
	if err == nil {
		p.put(written)
	}
	return err
}

func (p *parents) patch(ctx context.Context, o *owner, body []byte) (answer, error) {
	request := call{
		method: http.MethodPatch, path: configMaps.path(parentNamespace, o.parent), body: body, contentType: contentApply,
		query: url.Values{"fieldManager": {p.cluster.cfg.FieldManager}, "force": {"true"}}, lane: o.partOf,
	}
	got, err := p.cluster.client.do(ctx, request)
	if !apierrors.IsNotFound(err) {
		return got, err
	}
	_, err = p.cluster.client.do(ctx, call{
		method: http.MethodPost, path: "/api/v1/namespaces", contentType: contentJSON, lane: o.partOf,
		body: []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + parentNamespace + `"}}`),
	})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return answer{}, err
	}
	return p.cluster.client.do(ctx, request)
}

// erase deletes a parent object.
func (p *parents) erase(ctx context.Context, o *owner) error {
	current, err := p.get(ctx, o.parent)
	if err != nil || current == nil {
		return err
	}
	_, err = p.cluster.client.do(ctx, call{
		method: http.MethodDelete, path: configMaps.path(parentNamespace, o.parent), lane: o.partOf,
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return p.explain("delete the inventory", o, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byName, o.parent)
	delete(p.byID, o.partOf)
	return nil
}

// readKinds reads "ConfigMap,Deployment.apps".
func readKinds(text string) []state.GroupKind {
	var kinds []state.GroupKind
	for _, name := range splitList(text) {
		kind, group, _ := strings.Cut(name, ".")
		kinds = append(kinds, state.GroupKind{Group: group, Kind: kind})
	}
	slices.SortFunc(kinds, compareKinds)
	return kinds
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return slices.Sorted(slices.Values(strings.Split(text, ",")))
}

func compareKinds(a, b state.GroupKind) int { return strings.Compare(a.String(), b.String()) }
