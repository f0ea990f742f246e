package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// forgetHoldings has the next comparison look again, as it would some seconds later.
func (b *bench) forgetHoldings() {
	h := b.target.cluster.holdings
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.known)
}

func (b *bench) eachHolding(do func(*holding)) {
	h := b.target.cluster.holdings
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.known {
		do(one)
	}
}

func (b *bench) holds(id state.ID, keep ...*state.Object) string {
	b.t.Helper()
	b.forgetHoldings()
	entry := b.entry(wantOf(keep...), id)
	if entry.Op != diff.Delete {
		b.t.Fatalf("entry = %+v, want a deletion", entry)
	}
	return entry.Holds
}

func TestNamespaceHoldsWhatIsOfOthers(t *testing.T) {
	b := newBench(t)
	name := b.namespace + "-shop"
	namespace := b.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + name + `"}}`)
	own := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"own","namespace":"` + name + `"}}`)
	b.settle(namespace)
	b.settle(namespace, own)
	b.eventually("the namespace has what the cluster puts into each", func() bool {
		_, err := b.server.Do(b.ctx(), "GET", "/api/v1/namespaces/"+name+"/configmaps/kube-root-ca.crt", nil)
		return err == nil
	})
	id := namespace.ID()
	if holds := b.holds(id, own); holds != "" {
		t.Errorf("only what is ours or generated: %q", holds)
	}
	if entry := b.entry(wantOf(own, namespace), id); entry.Holds != "" {
		t.Errorf("a namespace that stays: %q", entry.Holds)
	}
	configMaps := "/api/v1/namespaces/" + name + "/configmaps?fieldManager=somebody"
	uid := b.uid("/api/v1/namespaces/" + name + "/configmaps/own")
	b.do("POST", configMaps, `{"metadata":{"name":"derived","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"own","uid":"`+uid+`"}]}}`)
	if holds := b.holds(id, own); holds != "" {
		t.Errorf("what goes with something else: %q", holds)
	}
	b.do("POST", "/api/v1/namespaces/"+name+"/secrets?fieldManager=somebody", `{"metadata":{"name":"x"}}`)
	if holds, want := b.holds(id, own), "1 object of others: Secret/"+name+"/x"; holds != want {
		t.Errorf("holds %q, want %q", holds, want)
	}
	// Whoever writes our label by hand makes an object neither ours nor worthless.
	b.do("POST", configMaps, `{"metadata":{"name":"forged","labels":{"`+labelPartOf+`":"`+applySetID(parentName(b.owner))+`"}}}`)
	if holds, want := b.holds(id, own), "2 objects of others, such as ConfigMap/"+name+"/forged"; holds != want {
		t.Errorf("holds %q, want %q", holds, want)
	}
	kept := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"own","namespace":"` + name +
		`","annotations":{"setpoint.dev/prune":"disabled"}}}`)
	b.settle(namespace, kept)
	if holds := b.holds(id, kept); !strings.HasSuffix(holds, "/forged; 1 object to be kept: ConfigMap/"+name+"/own") {
		t.Errorf("with an object that asks to be kept: %q", holds)
	}
}

func (b *bench) uid(path string) string {
	b.t.Helper()
	_, after, _ := strings.Cut(string(b.do("GET", path, "")), `"uid":"`)
	uid, _, _ := strings.Cut(after, `"`)
	return uid
}

func TestHoldsAreRememberedForAMoment(t *testing.T) {
	b := newBench(t)
	namespace := b.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + b.namespace + `-n"}}`)
	b.settle(namespace)
	b.compare(target.Query{})
	b.eachHolding(func(one *holding) { one.until = one.until.Add(time.Hour) }) // however slow the machine is
	since := time.Now()
	for range 5 {
		b.compare(target.Query{})
	}
	if lists := b.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "list" }); len(lists) > 0 {
		t.Errorf("lists of comparisons that follow at once: %q", lists)
	}
	b.eachHolding(func(one *holding) { one.until = time.Unix(1, 0) })
	b.compare(target.Query{})
	if lists := b.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "list" }); len(lists) == 0 {
		t.Error("an answer is taken for granted for ever")
	}
}

// What cannot be seen must not look like nothing.
func TestHoldsSayWhatCannotBeSeen(t *testing.T) {
	b := newBench(t)
	namespace := b.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + b.namespace + `-n"}}`)
	b.settle(namespace)
	user := "agent-" + b.namespace
	config, err := b.server.WriteKubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	b.allow(user, "", `{"apiGroups":[""],"resources":["namespaces","configmaps"],"verbs":["get","list","watch","create","patch","delete"]}`)
	b.target = b.connect(Config{Kubeconfig: config})
	first := b.holds(namespace.ID())
	if !strings.HasPrefix(first, "what is in it cannot be seen: ") || !strings.Contains(first, user) {
		t.Errorf("holds %q", first)
	}
	if again := b.holds(namespace.ID()); again != first {
		t.Errorf("the same problem reads differently: %q, then %q", first, again)
	}
}

func TestDefinitionHoldsCustomResources(t *testing.T) {
	b := newBench(t)
	group := b.namespace + ".example.com"
	crd, toy := b.toys(group)
	b.settle(crd)
	b.eventually("the definition is established", func() bool {
		return b.entry(wantOf(crd, toy), crd.ID()).Health.Status == state.Healthy
	})
	b.settle(crd, toy)
	if holds := b.holds(crd.ID(), toy); holds != "" {
		t.Errorf("only what is ours: %q", holds)
	}
	toys := "/apis/" + group + "/v1/namespaces/" + b.namespace + "/toys"
	reference := `"ownerReferences":[{"apiVersion":"` + group + `/v1","kind":"Toy","name":"bear","uid":"` + b.uid(toys+"/bear") + `"}]`
	b.do("POST", toys, `{"apiVersion":"`+group+`/v1","kind":"Toy","metadata":{"name":"cub",`+reference+`}}`)
	if holds := b.holds(crd.ID(), toy); holds != "" {
		t.Errorf("what was made of ours: %q", holds)
	}
	b.do("POST", toys, `{"apiVersion":"`+group+`/v1","kind":"Toy","metadata":{"name":"fox"}}`)
	if holds := b.holds(crd.ID(), toy); !strings.HasPrefix(holds, "1 object of others: ") || !strings.HasSuffix(holds, "/fox") {
		t.Errorf("holds %q", holds)
	}
	b.do("DELETE", toys+"/fox", "")
	b.settle(crd)
	b.settle()
}

// toys declares a kind of its own, and an object of it.
func (b *bench) toys(group string) (definition, toy *state.Object) {
	b.t.Helper()
	definition = b.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"toys.` + group + `"},
"spec":{"group":"` + group + `","scope":"Namespaced","names":{"plural":"toys","singular":"toy","kind":"Toy","listKind":"ToyList"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
"properties":{"size":{"type":"integer"}}}}}}}]}}`)
	toy = b.object(`{"apiVersion":"` + group + `/v1","kind":"Toy","metadata":{"name":"bear","namespace":"` + b.namespace + `"},"spec":{"size":3}}`)
	return definition, toy
}

func TestVolumesHoldData(t *testing.T) {
	tests := []struct{ name, object, want string }{
		{"bound claim", `{kind: PersistentVolumeClaim, spec: {volumeName: pv-1}, status: {phase: Bound}}`, "the data on its volume pv-1"},
		{"waiting claim", `{kind: PersistentVolumeClaim, status: {phase: Pending}}`, ""},
		{"bound volume", `{kind: PersistentVolume, spec: {claimRef: {namespace: db, name: data}}, status: {phase: Bound}}`,
			"the data of the claim db/data"},
		{"released volume", `{kind: PersistentVolume, spec: {claimRef: {namespace: db, name: data}}, status: {phase: Released}}`,
			"the data that the claim db/data has left"},
		{"free volume", `{kind: PersistentVolume, status: {phase: Available}}`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := view{decodeYAML(t, test.object)}
			look := heldByVolume
			if v.text("kind") == "PersistentVolumeClaim" {
				look = heldByClaim
			}
			if got := look(v); got != test.want {
				t.Errorf("holds %q, want %q", got, test.want)
			}
		})
	}
}

func TestBoundVolumesAreHeld(t *testing.T) {
	b := newBench(t)
	volume := b.object(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv-` + b.namespace + `"},"spec":{
"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageClassName":"manual","hostPath":{"path":"/nowhere"},
"claimRef":{"namespace":"` + b.namespace + `","name":"data"}}}`)
	claim := b.object(`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{
"accessModes":["ReadWriteOnce"],"storageClassName":"manual","volumeName":"pv-` + b.namespace + `","resources":{"requests":{"storage":"1Gi"}}}}`)
	b.settle(volume, claim)
	b.eventually("the claim is bound", func() bool {
		entries := b.compare(target.Query{})
		return entries[claim.ID()].Holds != "" && entries[volume.ID()].Holds != ""
	})
	entries := b.compare(target.Query{})
	if got, want := entries[claim.ID()].Holds, "the data on its volume pv-"+b.namespace; got != want {
		t.Errorf("the claim holds %q, want %q", got, want)
	}
	if got, want := entries[volume.ID()].Holds, "the data of the claim "+b.namespace+"/data"; got != want {
		t.Errorf("the volume holds %q, want %q", got, want)
	}
}

func TestTally(t *testing.T) {
	of := func(name string) tally {
		return tally{others: 1, other: state.ID{Kind: "Secret", Namespace: "db", Name: name}}
	}
	many := tally{others: maxCounted + 7, other: of("a").other}
	tests := []struct {
		tallies []tally
		want    string
	}{
		{nil, ""},
		{[]tally{{}, of("x"), {}}, "1 object of others: Secret/db/x"},
		{[]tally{of("x"), of("a"), of("b")}, "3 objects of others, such as Secret/db/a"},
		{[]tally{of("x"), many}, "1000+ objects of others, such as Secret/db/a"},
		{[]tally{of("x"), {err: t.Context().Err()}}, "1 object of others: Secret/db/x"},
	}
	for _, test := range tests {
		if got := sumOf(test.tallies).String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
