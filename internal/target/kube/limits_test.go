package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

const rbac = "/apis/rbac.authorization.k8s.io/v1"

// allow lets a user or service account do things with a resource, in one namespace or ("") everywhere.
func (b *bench) allow(subject, namespace, rules string) {
	b.t.Helper()
	name := fmt.Sprintf("r%d", benches.Add(1))
	kind, path := "ClusterRole", rbac
	if namespace != "" {
		kind, path = "Role", rbac+"/namespaces/"+namespace
	}
	plural := map[string]string{"ClusterRole": "clusterroles", "Role": "roles"}[kind]
	b.do("POST", path+"/"+plural, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"`+kind+`","metadata":{"name":"`+name+`"},"rules":[`+rules+`]}`)
	b.do("POST", path+"/"+strings.TrimSuffix(plural, "s")+"bindings", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"`+kind+`Binding",
"metadata":{"name":"`+name+`"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"`+kind+`","name":"`+name+`"},
"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"`+subject+`"}]}`)
}

const allOfConfigMaps = `{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list","watch","create","patch","delete"]}`

func TestServiceAccountIsConfined(t *testing.T) {
	b := newBench(t)
	user := "system:serviceaccount:" + b.namespace + ":deployer"
	b.allow(user, b.namespace, allOfConfigMaps)
	acting, err := b.target.cluster.As(b.namespace+"/deployer", b.namespace)
	if err != nil {
		t.Fatal(err)
	}
	b.target = acting
	allowed := b.configMap("a", "1")
	secret := b.object(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"` + b.namespace + `"}}`)
	elsewhere := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}}`)
	entries := b.compare(wantOf(allowed, secret, elsewhere))
	if err := entries[allowed.ID()].Err; err != nil {
		t.Errorf("what is allowed: %v", err)
	}
	for _, object := range []*state.Object{secret, elsewhere} {
		err := entries[object.ID()].Err
		if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), user) || !strings.Contains(err.Error(), "patch") {
			t.Errorf("%s: %v, want a refusal that names who may not do what", object.ID(), err)
		}
	}
	since := time.Now()
	b.settle(allowed)
	by := b.requests(since, func(e cluster.AuditEvent) bool { return e.Verb == "patch" && e.Name == "a" })
	if len(by) != 1 {
		t.Errorf("patches: %q", by)
	}
	if _, err := b.target.cluster.As("no-slash", ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a service account without a namespace: %v", err)
	}
}

func TestAgentConfinedToNamespaces(t *testing.T) {
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
	object := b.configMap("a", "1")
	b.settle(object)
	b.do("DELETE", b.path("/configmaps/a"), "")
	b.eventually("the loss is seen through a watch of the namespace", func() bool {
		return b.entry(wantOf(object), object.ID()).Lost
	})
	secret := b.object(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"` + b.namespace + `"}}`)
	entries := b.compare(wantOf(object, secret))
	if err := entries[secret.ID()].Err; fault.KindOf(err) != fault.Denied {
		t.Errorf("a kind that may not be watched: %v", err)
	}
	if err := entries[object.ID()].Err; err != nil {
		t.Errorf("its neighbour: %v", err)
	}
}

func TestConnectSaysWhatToDo(t *testing.T) {
	server := cluster.Shared(t)
	stranger, err := server.WriteKubeconfig("stranger")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		cfg  Config
		kind fault.Kind
	}{
		"no such file":    {Config{Kubeconfig: "/nonexistent/kubeconfig"}, fault.NotFound},
		"no such context": {Config{Kubeconfig: server.Kubeconfig(), Context: "moon"}, fault.Invalid},
		"not reachable":   {Config{Kubeconfig: writeConfig(t, "https://127.0.0.1:1")}, fault.Transient},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(t.Context(), c.cfg)
			if fault.KindOf(err) != c.kind || fault.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v (%s), hint %q", err, fault.KindOf(err), fault.HintOf(err))
			}
		})
	}
	made, err := Connect(t.Context(), Config{Kubeconfig: stranger})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	_, err = made.Compare(t.Context(), target.Query{Owner: state.Owner{Agent: "a", Sync: "b"}})
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("one who may do nothing: %v", err)
	}
}

func TestPolicyRefusesBeforeAnythingChanges(t *testing.T) {
	b := newBench(t)
	policies := "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
	b.do("POST", policies, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"`+b.namespace+`"},
"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE","UPDATE"],"resources":["limitranges"]}]},
"validations":[{"expression":"false","message":"no limits here"}]}}`)
	b.do("POST", policies[:len(policies)-3]+"ybindings", `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding",
"metadata":{"name":"`+b.namespace+`"},"spec":{"policyName":"`+b.namespace+`","validationActions":["Deny"]}}`)
	t.Cleanup(func() {
		b.do("DELETE", policies+"/"+b.namespace, "")
		b.do("DELETE", policies[:len(policies)-3]+"ybindings/"+b.namespace, "")
	})
	object := b.object(`{"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"l","namespace":"` + b.namespace + `"},"spec":{"limits":[]}}`)
	b.eventually("the policy is in force", func() bool {
		b.target = b.connect(Config{})
		err := b.entry(wantOf(object), object.ID()).Err
		return fault.KindOf(err) != "" && strings.Contains(err.Error(), "no limits here")
	})
}

func TestQuotaIsAskedBeforehand(t *testing.T) {
	b := newBench(t)
	b.do("POST", b.path("/resourcequotas"), `{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":{"hard":{"count/services":"0"}}}`)
	b.eventually("the quota is in force", func() bool {
		return strings.Contains(string(b.do("GET", b.path("/resourcequotas/q"), "")), `"used"`)
	})
	object := b.object(fmt.Sprintf(service, b.namespace))
	if err := b.entry(wantOf(object), object.ID()).Err; fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "quota") {
		t.Errorf("error %v (%s)", err, fault.KindOf(err))
	}
}

func TestExactPreview(t *testing.T) {
	b := newBench(t)
	b.do("PATCH", b.path("/configmaps/a?fieldManager=kubectl"), `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"value":"old"}}`)
	adopted, made := b.configMap("a", "new"), b.configMap("b", "new")
	query := wantOf(adopted, made)
	query.Exact = true
	since := time.Now()
	entries := b.compare(query)
	if len(b.requests(since, func(e cluster.AuditEvent) bool { return e.DryRun })) != 2 {
		t.Error("an exact comparison asks the server about every change")
	}
	if entry := entries[adopted.ID()]; entry.Err != nil || len(entry.Fields) == 0 {
		t.Errorf("adoption: %+v", entry)
	}
	if entry := entries[made.ID()]; entry.Err != nil || entry.Op != diff.Create {
		t.Errorf("creation: %+v", entry)
	}
}

func TestMissingNamespace(t *testing.T) {
	b := newBench(t)
	name := b.namespace + "-new"
	object := b.object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"` + name + `"}}`)
	result := b.apply(wantOf(object))[object.ID()]
	if fault.KindOf(result.Err) != fault.NotFound || fault.HintOf(result.Err) == "" {
		t.Errorf("result = %+v", result)
	}
	namespace := b.object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + name + `"}}`)
	query := wantOf(object, namespace)
	query.Exact = true
	if entry := b.entry(query, object.ID()); entry.Err != nil {
		t.Errorf("with its namespace declared: %v", entry.Err)
	}
}

func TestDefinitionAndItsObjectsInOneRevision(t *testing.T) {
	b := newBench(t)
	group := b.namespace + ".example.com"
	crd := b.object(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"toys.` + group + `"},
"spec":{"group":"` + group + `","scope":"Namespaced","names":{"plural":"toys","singular":"toy","kind":"Toy","listKind":"ToyList"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
"properties":{"size":{"type":"integer"}}}}}}}]}}`)
	toy := b.object(`{"apiVersion":"` + group + `/v1","kind":"Toy","metadata":{"name":"bear","namespace":"` + b.namespace + `"},"spec":{"size":3}}`)
	entries := b.compare(wantOf(crd, toy))
	if entry := entries[toy.ID()]; entry.Err != nil || entry.Op != diff.Create {
		t.Fatalf("before its definition: %+v", entry)
	}
	steps := wantOf(crd)
	b.settle(steps.Want.Objects()...)
	b.eventually("the definition is established", func() bool {
		return b.entry(wantOf(crd, toy), crd.ID()).Health.Status == state.Healthy
	})
	b.settle(crd, toy)
	if found := different(b.compare(wantOf(crd, toy))); len(found) > 0 {
		t.Errorf("after it was applied: %+v", found)
	}
	b.settle(crd) // objects first, as the stages of a deletion go
	b.settle()
	b.eventually("everything is gone", func() bool { return len(b.compare(wantOf())) == 0 })
}

func TestServerRestart(t *testing.T) {
	b := benchOn(t, cluster.ForTest(t, cluster.Options{}))
	object := b.configMap("a", "1")
	b.settle(object)
	events := make(chan target.Event, 1000)
	go func() { _ = b.target.Watch(b.ctx(), b.owner, func(e target.Event) { events <- e }) }()
	<-events
	b.server.KillAPIServer()
	if entry := b.entry(wantOf(object), object.ID()); entry.Op != diff.None || entry.Err != nil {
		t.Errorf("while the server is down: %+v", entry)
	}
	started := make(chan error, 1)
	go func() {
		time.Sleep(time.Second)
		started <- b.server.StartAPIServer(context.Background())
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	b.do("DELETE", b.path("/configmaps/a"), "")
	b.eventually("the loss is seen after the restart", func() bool {
		return b.entry(wantOf(object), object.ID()).Lost
	})
	b.settle(object)
}

// writeConfig writes a kubeconfig of a server that nobody has started.
func writeConfig(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],
"clusters":[{"name":"x","cluster":{"server":"` + server + `"}}],"users":[{"name":"x","user":{}}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
