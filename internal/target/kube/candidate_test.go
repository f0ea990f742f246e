package kube

import (
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

// A desired state that is held back is compared beside the one in force for as long as somebody takes to approve it.
func TestTwoDesiredStatesAreComparedByTurns(t *testing.T) {
	b := newBench(t)
	objects := b.mixed(2)
	b.settle(objects...)
	force, shared := wantOf(objects...), objects[1]
	secret := b.object(`{"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"new","namespace":"` + b.namespace + `"},"spec":{"limits":[]}}`)
	candidate := wantOf(b.configMap("settings", "two"), shared, secret)

	check := func() {
		t.Helper()
		if found := different(b.compare(force)); len(found) > 0 {
			t.Errorf("in force: %+v", found)
		}
		entries := b.compare(candidate)
		ops := map[state.ID]diff.Op{
			objects[0].ID(): diff.Update, shared.ID(): diff.None, secret.ID(): diff.Create,
			objects[2].ID(): diff.Delete, objects[3].ID(): diff.Delete,
		}
		for id, op := range ops {
			if entries[id].Op != op || entries[id].Lost || entries[id].Err != nil {
				t.Errorf("candidate: %s: %+v, want %s", id, entries[id], op)
			}
		}
	}
	check()
	check()
	since := time.Now()
	for range 5 {
		check()
	}
	if made := b.requests(since, func(cluster.AuditEvent) bool { return true }); len(made) > 0 {
		t.Errorf("requests of comparisons by turns: %q", made)
	}

	parent, _ := b.parent()
	if strings.Contains(parent[annotationKinds], "LimitRange") {
		t.Errorf("a comparison has written the inventory: %v", parent)
	}

	// What is in both is applied for the state in force, and known to be in order for the other.
	b.do("PATCH", "/apis/apps/v1/namespaces/"+b.namespace+"/deployments/web?fieldManager=kubectl-edit&force=true",
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":5}}`)
	b.eventually("the drift is seen by both", func() bool {
		return b.entry(force, shared.ID()).Op == diff.Update && b.entry(candidate, shared.ID()).Op == diff.Update
	})
	only := force
	only.Only = []state.ID{shared.ID()}
	b.apply(only)
	check()
}

func TestLossIsRememberedWhileAnotherStateIsCompared(t *testing.T) {
	b := newBench(t)
	a, other := b.configMap("a", "1"), b.configMap("b", "1")
	b.settle(a, other)
	force, candidate := wantOf(a, other), wantOf(other)
	b.compare(candidate)
	b.do("DELETE", b.path("/configmaps/a"), "")
	b.eventually("it is gone", func() bool { return len(b.compare(candidate)) == 1 })
	for range 3 {
		if entry := b.entry(force, a.ID()); entry.Op != diff.Create || !entry.Lost {
			t.Fatalf("entry = %+v, want a loss", entry)
		}
		if entries := b.compare(candidate); len(entries) != 1 {
			t.Fatalf("candidate: %+v", entries)
		}
	}
	b.settle(a, other)
}

// A kind that the agent may not see breaks the candidate's object, and nothing of the state in force.
func TestCandidateWithAKindThatCannotBeWatched(t *testing.T) {
	b := newBench(t)
	user := "agent-" + b.namespace
	config, err := b.server.WriteKubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	newBench(t).settle(b.configMap("ensures-that-the-namespace-of-inventories-is-there", "1"))
	b.allow(user, b.namespace, allOfConfigMaps)
	b.allow(user, parentNamespace, allOfConfigMaps)
	b.target = b.connect(Config{Kubeconfig: config})
	a := b.configMap("a", "1")
	b.settle(a)
	secret := b.object(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"` + b.namespace + `"}}`)
	for range 3 {
		if err := b.entry(wantOf(a, secret), secret.ID()).Err; fault.KindOf(err) != fault.Denied {
			t.Fatalf("the candidate's Secret: %v", err)
		}
		if found := different(b.compare(wantOf(a))); len(found) > 0 {
			t.Fatalf("in force: %+v", found)
		}
		if ids, err := b.target.Owned(b.ctx(), b.owner); err != nil || len(ids) != 1 {
			t.Fatalf("owned: %v, %v", ids, err)
		}
	}
}

// The IDs of events come from whichever state was compared last: both forms are understood.
func TestNamespaceNamedInOneStateOnly(t *testing.T) {
	b := newBench(t)
	named := b.configMap("a", "1")
	bare := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"value":"1"}}`)
	b.settle(named)
	for _, want := range []*state.Object{bare, named} {
		for _, asked := range []*state.Object{bare, named} {
			query := wantOf(want)
			query.Only = []state.ID{asked.ID()}
			entries := b.compare(query)
			if entry, there := entries[want.ID()]; !there || entry.Op != diff.None || len(entries) != 1 {
				t.Errorf("declared as %s, asked as %s: %+v", want.ID(), asked.ID(), entries)
			}
		}
	}
}

// While a state is compared beside it, an apply's inventory must not be tidied away before its objects are there.
func TestInventoryOfAnApplyUnderWayStays(t *testing.T) {
	b := newBench(t)
	a := b.configMap("a", "1")
	b.settle(a)
	o := b.target.cluster.owners.get(b.owner)
	service := b.object(`{"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"l","namespace":"` + b.namespace + `"},"spec":{"limits":[]}}`)
	b.compare(wantOf(a, service))
	done, err := b.target.announce(b.ctx(), o, []task{b.target.task(b.ctx(), o, plan.Step{ID: service.ID(), Op: diff.Create, Want: service})})
	if err != nil {
		t.Fatal(err)
	}
	b.compare(wantOf(a)) // another state, which does not want the kind
	tidied := func() string {
		o.disturbed()
		if err := b.target.tidy(b.ctx(), o); err != nil {
			t.Fatal(err)
		}
		notes, _ := b.parent()
		return notes[annotationKinds]
	}
	if kinds := tidied(); kinds != "ConfigMap,LimitRange" {
		t.Errorf("while it is under way: %q", kinds)
	}
	done()
	if kinds := tidied(); kinds != "ConfigMap" {
		t.Errorf("afterwards: %q", kinds)
	}
}

func TestRecentStatesAreForgotten(t *testing.T) {
	o := newOwners().get(state.Owner{Agent: "a", Sync: "s"})
	begin := time.Unix(0, 0)
	for _, want := range []state.Digest{"1", "2", "3", "4"} {
		o.adopt(&scope{want: want, used: begin})
	}
	if recent, same := o.recall("1", "", begin); len(recent) != recentScopes || same != nil {
		t.Errorf("%d are kept, the first is %v", len(recent), same)
	}
	if _, same := o.recall("2", "", begin.Add(recentFor-1)); same == nil {
		t.Error("the one before the last is forgotten")
	}
	if recent, _ := o.recall("x", "", begin.Add(recentFor)); len(recent) != 2 || recent[0].want != "4" || recent[1].want != "2" {
		t.Errorf("%d are kept of two that are in use", len(recent))
	}
}

func TestExactAskedAboutSomeObjects(t *testing.T) {
	b := newBench(t)
	a, equal := b.configMap("a", "1"), b.configMap("equal", "1")
	b.settle(equal)
	b.do("POST", b.path("/resourcequotas"), `{"metadata":{"name":"q"},"spec":{"hard":{"count/configmaps":"1"}}}`)
	b.eventually("the quota is in force", func() bool {
		return strings.Contains(string(b.do("GET", b.path("/resourcequotas/q"), "")), `"used"`)
	})
	query := wantOf(a, equal)
	b.eventually("it is refused", func() bool {
		b.target = b.connect(Config{})
		return fault.KindOf(b.entry(query, a.ID()).Err) == fault.Denied
	})
	b.do("DELETE", b.path("/resourcequotas/q"), "")

	// The refusal is remembered for a while; asked exactly about the object, the server says that it is accepted now.
	exact := query
	exact.Exact, exact.Only = true, []state.ID{a.ID(), equal.ID()}
	b.eventually("it is accepted", func() bool { return b.entry(exact, a.ID()).Err == nil })
	since := time.Now()
	entries := b.compare(exact)
	if entries[a.ID()].Op != diff.Create || entries[equal.ID()].Op != diff.None || entries[equal.ID()].Err != nil {
		t.Errorf("entries = %+v", entries)
	}
	rehearsed := b.requests(since, func(e cluster.AuditEvent) bool { return e.DryRun })
	if len(rehearsed) != 2 {
		t.Errorf("dry-runs: %q, want one of each object", rehearsed)
	}
	if err := b.entry(query, a.ID()).Err; err != nil {
		t.Errorf("compared as usual afterwards: %v", err)
	}
	b.do("GET", b.path("/configmaps/equal"), "")
	if _, err := b.server.Do(b.ctx(), "GET", b.path("/configmaps/a"), nil); !cluster.IsStatus(err, 404) {
		t.Errorf("a comparison has made the object: %v", err)
	}
}

func TestQueryRulesSayHowObjectsAreDoing(t *testing.T) {
	b := newBench(t)
	a, bare := b.configMap("a", "ill"), b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{"value":"x"}}`)
	gone := b.configMap("gone", "1")
	b.settle(a, bare)
	query := wantOf(a, bare, gone)
	ill := state.Health{Status: state.Degraded, Reason: "Rule", Message: "data.value is ill"}
	query.Assess = func(id state.ID, content func() map[string]any) (state.Health, bool) {
		if id.Namespace != b.namespace || id.Name == "gone" {
			t.Errorf("asked about %s", id)
		}
		data, _ := content()["data"].(map[string]any)
		return ill, data["value"] == "ill"
	}
	health := func(q target.Query, id state.ID) state.Health {
		t.Helper()
		return b.entry(q, id).Health
	}
	if h := health(query, a.ID()); h != ill {
		t.Errorf("by the rule: %+v", h)
	}
	if h := health(query, bare.ID()); h.Status != state.Healthy {
		t.Errorf("left to the target: %+v", h)
	}
	without := query
	without.Assess = nil
	if h := health(without, a.ID()); h.Status != state.Healthy {
		t.Errorf("without rules: %+v", h)
	}
	surplus := query
	surplus.Want = wantOf(bare).Want
	if h := health(surplus, a.ID()); h != ill {
		t.Errorf("no longer declared: %+v", h)
	}
	different := query
	different.Want = wantOf(b.configMap("a", "well"), bare).Want
	if h := health(different, a.ID()); h != ill {
		t.Errorf("to be changed: %+v, want the health of what is there", h)
	}
}

func TestRead(t *testing.T) {
	b := newBench(t)
	mine := b.configMap("mine", "1")
	b.settle(mine)
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"theirs"},"data":{"value":"2"}}`)
	confined, err := b.target.cluster.As(b.namespace+"/nobody", b.namespace)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"mine": "1", "theirs": "2", "none": ""} {
		id := state.ID{Kind: "ConfigMap", Name: name}
		object, err := b.target.Read(b.ctx(), id)
		value := ""
		if object != nil {
			value = (view{object.Content()}).text("data", "value")
		}
		if err != nil || value != want || (object == nil) != (want == "") {
			t.Errorf("%s: %q, %v", name, value, err)
		}
		if _, err := confined.Read(b.ctx(), id); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s for one who may not read it: %v", name, err)
		}
	}
	if object, err := b.target.Read(b.ctx(), state.ID{Group: "example.com", Kind: "Nothing", Name: "a"}); object != nil || err != nil {
		t.Errorf("a kind that is not served: %v, %v", object, err)
	}
}
