package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// deployment is written as people write it, so that the server stores much of it in another notation or with defaults.
const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"%[1]s"},"spec":{"replicas":%[2]d,
"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web",
"image":"nginx","ports":[{"containerPort":80}],"resources":{"requests":{"cpu":"1000m","memory":"1024Mi"},"limits":{"cpu":2}},
"env":[{"name":"A","value":""}]}]}}}}`

const service = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"%s"},"spec":{"selector":{"app":"web"},
"ports":[{"port":80,"targetPort":8080}]}}`

func (b *bench) mixed(replicas int) []*state.Object {
	b.t.Helper()
	return []*state.Object{
		b.configMap("settings", "one"),
		b.object(fmt.Sprintf(deployment, b.namespace, replicas)),
		b.object(fmt.Sprintf(service, b.namespace)),
		b.object(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key","namespace":"` + b.namespace + `"},"stringData":{"a":"swordfish"}}`),
	}
}

// different gives the entries that would change something.
func different(entries map[state.ID]diff.Entry) []diff.Entry {
	var found []diff.Entry
	for _, entry := range entries {
		if entry.Op != diff.None || entry.Err != nil {
			found = append(found, entry)
		}
	}
	return found
}

func TestAppliedObjectsAreEqual(t *testing.T) {
	b := newBench(t)
	objects := b.mixed(2)
	results := b.settle(objects...)
	if len(results) != len(objects) {
		t.Fatalf("%d results", len(results))
	}
	if found := different(b.compare(wantOf(objects...))); len(found) > 0 {
		t.Errorf("just applied, but %+v", found)
	}
	// Nor are they different for an agent that starts now.
	b.target = b.connect(Config{})
	if found := different(b.compare(wantOf(objects...))); len(found) > 0 {
		t.Errorf("after a restart: %+v", found)
	}
}

func TestNoRequestWhenNothingChanges(t *testing.T) {
	b := newBench(t)
	objects := []*state.Object{b.configMap("a", "1"), b.configMap("b", "1"), b.object(fmt.Sprintf(service, b.namespace))}
	b.settle(objects...)
	b.compare(wantOf(objects...))
	since := time.Now()
	for range 10 {
		b.compare(wantOf(objects...))
	}
	if made := b.requests(since, func(cluster.AuditEvent) bool { return true }); len(made) > 0 {
		t.Errorf("requests of comparisons without a change: %q", made)
	}
}

func TestFirstApplyNeedsNoDryRun(t *testing.T) {
	b := newBench(t)
	since := time.Now()
	b.settle(b.mixed(1)...)
	rehearsed := b.requests(since, func(e cluster.AuditEvent) bool { return e.DryRun })
	if len(rehearsed) > 0 {
		t.Errorf("dry-runs although nothing could refuse: %q", rehearsed)
	}
	patches := b.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "patch" && e.Namespace == b.namespace })
	if len(patches) != 4 {
		t.Errorf("%d patches for 4 objects: %q", len(patches), patches)
	}
}

func TestDriftNamesFieldAndCulprit(t *testing.T) {
	b := newBench(t)
	objects := b.mixed(2)
	b.settle(objects...)
	b.do("PATCH", "/apis/apps/v1/namespaces/"+b.namespace+"/deployments/web?fieldManager=kubectl-edit&force=true",
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":5}}`)
	id := objects[1].ID()
	var entry diff.Entry
	b.eventually("the drift is seen", func() bool {
		entry = b.entry(wantOf(objects...), id)
		return entry.Op == diff.Update
	})
	if len(entry.Fields) != 1 || entry.Fields[0].Path != "/spec/replicas" || entry.Fields[0].By != "kubectl-edit" ||
		entry.Fields[0].Old != "5" || entry.Fields[0].New != "2" {
		t.Errorf("fields = %+v", entry.Fields)
	}
	result := b.apply(wantOf(objects...))[id]
	if result.Err != nil || !result.Changed || len(result.TookOver) != 1 || result.TookOver[0] != "kubectl-edit: /spec/replicas" {
		t.Errorf("result = %+v", result)
	}
	if found := different(b.compare(wantOf(objects...))); len(found) > 0 {
		t.Errorf("after the repair: %+v", found)
	}
}

// A further key in a map that is replaced as a whole is a difference, although every declared key is there: a Service whose
// selector asks for more finds no Pods.
func TestFurtherSelectorKeyIsDrift(t *testing.T) {
	b := newBench(t)
	service := b.object(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"front","namespace":"` + b.namespace +
		`"},"spec":{"selector":{"app":"front"},"ports":[{"port":80}]}}`)
	b.settle(service)
	b.do("PATCH", "/api/v1/namespaces/"+b.namespace+"/services/front?fieldManager=mallory&force=true",
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"front"},"spec":{"selector":{"app":"front","tier":"none"}}}`)
	var entry diff.Entry
	b.eventually("the drift is seen", func() bool {
		entry = b.entry(wantOf(service), service.ID())
		return entry.Op == diff.Update
	})
	if len(entry.Fields) != 1 || entry.Fields[0].By != "mallory" {
		t.Errorf("fields = %+v, want the selector, by mallory", entry.Fields)
	}
	b.apply(wantOf(service))
	if found := different(b.compare(wantOf(service))); len(found) > 0 {
		t.Errorf("after the repair: %+v", found)
	}
}

func TestOwnershipLabel(t *testing.T) {
	b := newBench(t)
	object := b.configMap("a", "1")
	b.settle(object)
	steal := func(labels string) {
		b.do("PATCH", b.path("/configmaps/a?fieldManager=thief&force=true"),
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":`+labels+`}}`)
	}
	disturb := map[string]func(){
		// An apply cannot remove what it does not own: it takes the label, then gives it up.
		"removed":   func() { steal(`{"` + labelPartOf + `":"x"}`); steal(`{}`) },
		"rewritten": func() { b.relabel("a", "somebody") },
	}
	for name, act := range disturb {
		t.Run(name, func(t *testing.T) {
			b := *b
			b.t = t
			act()
			var entry diff.Entry
			b.eventually("the loss is seen", func() bool {
				entry = b.entry(wantOf(object), object.ID())
				return entry.Op != diff.None && entry.Err == nil
			})
			if !entry.Lost || len(entry.Fields) == 0 {
				t.Errorf("entry = %+v", entry)
			}
			b.settle(object)
			if entry := b.entry(wantOf(object), object.ID()); entry.Op != diff.None {
				t.Errorf("after the repair: %+v", entry)
			}
		})
	}
}

// relabel writes the part-of label by an update, as kubectl label does.
func (b *bench) relabel(name, value string) {
	b.t.Helper()
	var object map[string]any
	if err := json.Unmarshal(b.do("GET", b.path("/configmaps/"+name), ""), &object); err != nil {
		b.t.Fatal(err)
	}
	metadata := object["metadata"].(map[string]any)
	delete(metadata, "managedFields")
	labels, _ := metadata["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
	}
	labels[labelPartOf] = value
	metadata["labels"] = labels
	body, err := json.Marshal(object)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("PUT", b.path("/configmaps/"+name+"?fieldManager=kubectl-label"), string(body))
}

func TestLabelledByHandIsNotOurs(t *testing.T) {
	b := newBench(t)
	object := b.configMap("ours", "1")
	b.settle(object)
	b.do("POST", b.path("/configmaps?fieldManager=somebody"), `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs",
"labels":{"`+labelPartOf+`":"`+applySetID(parentName(b.owner))+`"}}}`)
	time.Sleep(100 * time.Millisecond)
	for id := range b.compare(wantOf(object)) {
		if id.Name == "theirs" {
			t.Errorf("an object that was never applied is in the comparison: it would be pruned")
		}
	}
	result := b.carryOut([]plan.Step{{ID: state.ID{Kind: "ConfigMap", Namespace: b.namespace, Name: "theirs"}, Op: diff.Delete}})
	for _, r := range result {
		if fault.KindOf(r.Err) != fault.Conflict {
			t.Errorf("deleting it: %v, want a conflict", r.Err)
		}
	}
	b.do("GET", b.path("/configmaps/theirs"), "")
}

func TestAdoptionTellsFromWhom(t *testing.T) {
	b := newBench(t)
	b.do("PATCH", b.path("/configmaps/a?fieldManager=kubectl"), `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"value":"old"}}`)
	object := b.configMap("a", "new")
	result := b.settle(object)[object.ID()]
	if !result.Adopted || len(result.TookOver) != 1 || result.TookOver[0] != "kubectl: /data/value" {
		t.Errorf("result = %+v", result)
	}
}

func TestAbandonedFieldsGo(t *testing.T) {
	b := newBench(t)
	before := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"` + b.namespace + `"},"data":{"a":"1","b":"2"}}`)
	after := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"` + b.namespace + `"},"data":{"a":"1"}}`)
	b.settle(before)
	b.target = b.connect(Config{}) // known from the object alone
	entry := b.entry(wantOf(after), after.ID())
	if entry.Op != diff.Update || len(entry.Fields) != 1 || entry.Fields[0].Path != "/data/b" || entry.Fields[0].Old != `"2"` {
		t.Fatalf("entry = %+v", entry)
	}
	b.settle(after)
	if got := string(b.do("GET", b.path("/configmaps/a"), "")); strings.Contains(got, `"b": "2"`) || strings.Contains(got, `"b":"2"`) {
		t.Errorf("still there: %s", got)
	}
}

func TestIgnoredFieldsAreLeftToOthers(t *testing.T) {
	b := newBench(t)
	query := wantOf(b.object(fmt.Sprintf(deployment, b.namespace, 2)))
	query.Ignore = []diff.Ignore{{ID: state.ID{Group: "apps", Kind: "Deployment"}, Fields: []string{"/spec/replicas"}}}
	for id, r := range b.apply(query) {
		if r.Err != nil {
			t.Fatalf("%s: %v", id, r.Err)
		}
	}
	b.do("PATCH", "/apis/apps/v1/namespaces/"+b.namespace+"/deployments/web?fieldManager=scaler&force=true",
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":7}}`)
	time.Sleep(200 * time.Millisecond)
	id := state.ID{Group: "apps", Kind: "Deployment", Namespace: b.namespace, Name: "web"}
	if entry := b.entry(query, id); entry.Op != diff.None {
		t.Errorf("an ignored field makes a difference: %+v", entry)
	}
	changed := b.object(strings.Replace(fmt.Sprintf(deployment, b.namespace, 2), `"nginx"`, `"nginx:2"`, 1))
	query.Want = wantOf(changed).Want
	for _, r := range b.apply(query) {
		if r.Err != nil || !r.Changed {
			t.Fatalf("%+v", r)
		}
	}
	if got := string(b.do("GET", "/apis/apps/v1/namespaces/"+b.namespace+"/deployments/web", "")); !strings.Contains(got, `"replicas":7`) {
		t.Errorf("the ignored field was changed: %s", got)
	}
	// And its owner can go on changing it without force: we do not hold on to it.
	b.do("PATCH", "/apis/apps/v1/namespaces/"+b.namespace+"/deployments/web?fieldManager=scaler",
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":8}}`)
}

func TestImmutableField(t *testing.T) {
	b := newBench(t)
	text := `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"job","namespace":"` + b.namespace + `","annotations":{"x":"y"%s}},
"spec":{"suspend":true,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"%s"}]}}}}`
	first := b.object(fmt.Sprintf(text, "", "a"))
	b.settle(first)
	second := b.object(fmt.Sprintf(text, "", "b"))
	result := b.apply(wantOf(second))[first.ID()]
	if fault.KindOf(result.Err) != fault.Invalid || !strings.Contains(fault.HintOf(result.Err), "setpoint.dev/force") {
		t.Fatalf("result = %+v, hint %q", result, fault.HintOf(result.Err))
	}
	if entry := b.entry(wantOf(second), first.ID()); fault.KindOf(entry.Err) != fault.Invalid {
		t.Errorf("the next comparison does not know: %+v", entry)
	}
	forced := b.object(fmt.Sprintf(text, `,"setpoint.dev/force":"true"`, "b"))
	result = b.apply(wantOf(forced))[first.ID()]
	if result.Err != nil || !result.Changed || result.Op != diff.Replace {
		t.Fatalf("forced: %+v", result)
	}
	if found := different(b.compare(wantOf(forced))); len(found) > 0 {
		t.Errorf("after the replacement: %+v", found)
	}
}

func TestScopeAndUnknownKinds(t *testing.T) {
	b := newBench(t)
	cases := map[string]struct {
		object string
		kind   fault.Kind
		hint   string
	}{
		"cluster-scoped with a namespace": {`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x","namespace":"y"}}`, fault.Invalid, "remove"},
		"unknown kind":                    {`{"apiVersion":"apps/v1","kind":"Deploymnt","metadata":{"name":"x"}}`, fault.NotFound, "apps/v1 Deployment"},
		"old group":                       {`{"apiVersion":"extensions/v1beta1","kind":"Deployment","metadata":{"name":"x"}}`, fault.NotFound, "apps/v1 Deployment"},
		"old version":                     {`{"apiVersion":"batch/v1beta1","kind":"CronJob","metadata":{"name":"x"}}`, fault.NotFound, "version v1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			object := b.object(c.object)
			entry := b.entry(wantOf(object), object.ID())
			if fault.KindOf(entry.Err) != c.kind || !strings.Contains(fault.HintOf(entry.Err), c.hint) {
				t.Errorf("error %v (%s), hint %q", entry.Err, fault.KindOf(entry.Err), fault.HintOf(entry.Err))
			}
		})
	}
}

func TestDefaultNamespaceKeepsTheDeclaredID(t *testing.T) {
	b := newBench(t)
	object := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`)
	events := make(chan target.Event, 100)
	go func() { _ = b.target.Watch(b.ctx(), b.owner, func(e target.Event) { events <- e }) }()
	if result := b.settle(object)[object.ID()]; !result.Changed {
		t.Fatalf("result = %+v", result)
	}
	b.do("DELETE", b.path("/configmaps/a"), "")
	b.eventually("an event with the declared ID", func() bool {
		select {
		case e := <-events:
			return len(e.IDs) == 1 && e.IDs[0] == object.ID()
		default:
			return false
		}
	})
	b.settle(object)
	ids, err := b.target.Owned(b.ctx(), b.owner)
	if err != nil || len(ids) != 1 || ids[0] != object.ID() {
		t.Errorf("Owned = %v, %v", ids, err)
	}
	if result := b.settle()[object.ID()]; !result.Changed || result.Op != diff.Delete {
		t.Errorf("pruning: %+v", result)
	}
}

func TestPruneDisabled(t *testing.T) {
	b := newBench(t)
	object := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"` + b.namespace + `","annotations":{"setpoint.dev/prune":"disabled"}}}`)
	b.settle(object)
	if entry := b.entry(wantOf(), object.ID()); entry.Op != diff.Delete || !entry.Keep {
		t.Errorf("entry = %+v", entry)
	}
}

func TestHangingFinalizer(t *testing.T) {
	b := newBench(t)
	object := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"` + b.namespace + `","finalizers":["example.com/wait"]}}`)
	b.settle(object)
	b.apply(wantOf())
	entry := b.entry(wantOf(), object.ID())
	if !entry.Terminating || !strings.Contains(entry.Health.Message, "example.com/wait") {
		t.Errorf("entry = %+v", entry)
	}
	if entry := b.entry(wantOf(object), object.ID()); !entry.Terminating || entry.Op != diff.None {
		t.Errorf("wanted again: %+v", entry)
	}
	b.do("PATCH", b.path("/configmaps/a?fieldManager=setpoint&force=true"),
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"`+labelPartOf+`":"`+applySetID(parentName(b.owner))+`"}}}`)
	b.eventually("it is gone", func() bool { return b.entry(wantOf(object), object.ID()).Op == diff.Create })
}
