package kube

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestCapabilities(t *testing.T) {
	b := newBench(t)
	version, served, err := b.target.Capabilities(t.Context())
	if err != nil || !strings.HasPrefix(version, "v1.") {
		t.Fatalf("version %q: %v", version, err)
	}
	for _, name := range []string{"v1", "v1/Secret", "apps/v1", "apps/v1/Deployment", "apps/v1/Scale", "v1/ComponentStatus"} {
		if _, found := slices.BinarySearch(served, name); !found {
			t.Errorf("%s is not among %d that are served", name, len(served))
		}
	}
	group := fmt.Sprintf("caps%d.example.com", benches.Add(1))
	b.do("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"apiVersion":"apiextensions.k8s.io/v1",
"kind":"CustomResourceDefinition","metadata":{"name":"things.`+group+`"},"spec":{"group":"`+group+`","scope":"Namespaced",
"names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,
"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`)
	b.eventually("a new definition is among the capabilities", func() bool {
		b.target.cluster.kinds.expire()
		_, served, err := b.target.Capabilities(t.Context())
		return err == nil && slices.Contains(served, group+"/v1/Thing")
	})
}

func TestCapabilitiesOutliveAnAPIThatIsDown(t *testing.T) {
	gv := schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}
	groups := []*metav1.APIGroup{{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: gv.String()}}}}
	lists := []*metav1.APIResourceList{{GroupVersion: gv.String(), APIResources: []metav1.APIResource{{Name: "pods", Kind: "PodMetrics"}}}}
	before := served{}.next(groups, lists, nil)
	down := before.next(groups, nil, map[schema.GroupVersion]bool{gv: true})
	if !down.versions["metrics.k8s.io/v1beta1/PodMetrics"] || len(down.readable) != 1 {
		t.Errorf("while it is down: %v", down)
	}
	if gone := down.next(nil, nil, nil); len(gone.versions)+len(gone.readable) > 0 {
		t.Errorf("when it has gone: %v", gone)
	}
}

func TestLookup(t *testing.T) {
	b := newBench(t)
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"a"},"data":{"n":"1"}}`)
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"b"}}`)
	look := func(apiVersion, kind, namespace, name string) map[string]any {
		t.Helper()
		got, err := b.target.Lookup(t.Context(), apiVersion, state.ID{Kind: kind, Namespace: namespace, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one := view{look("v1", "ConfigMap", b.namespace, "a")}
	if one.text("data", "n") != "1" || one.text("kind") != "ConfigMap" || one.text("apiVersion") != "v1" {
		t.Errorf("one object: %v", one)
	}
	list := view{look("v1", "ConfigMap", b.namespace, "")}
	if items := list.list("items"); list.text("kind") != "ConfigMapList" || len(items) < 2 ||
		textOf(items[0].(map[string]any)["kind"]) != "ConfigMap" {
		t.Errorf("a list: %v", list)
	}
	if everywhere := (view{look("v1", "ConfigMap", "", "")}).list("items"); len(everywhere) <= len(list.list("items"))-1 {
		t.Errorf("of all namespaces: %d", len(everywhere))
	}
	if got := look("v1", "Namespace", "not-looked-at", b.namespace); got == nil {
		t.Error("a namespace is not found")
	}
	for _, nothing := range [][4]string{
		{"v1", "ConfigMap", b.namespace, "z"}, {"v1", "ConfigMap", "nowhere", "a"}, {"v1", "ConfigMap", "", "a"},
		{"v1", "NoSuchKind", "", ""}, {"v1", "NoSuchKind", b.namespace, "a"},
	} {
		if got := look(nothing[0], nothing[1], nothing[2], nothing[3]); got != nil {
			t.Errorf("%q: %v", nothing, got)
		}
	}
	for _, wrong := range []struct {
		apiVersion string
		id         state.ID
		kindOf     fault.Kind
	}{
		{"no.such.group/v1", state.ID{Kind: "Thing"}, fault.NotFound}, {"a/b/c", state.ID{Kind: "Thing"}, fault.Invalid},
		{"v1", state.ID{Kind: "Service", Namespace: b.namespace, Name: "web/proxy"}, fault.Invalid},
		{"v1", state.ID{Kind: "Service", Namespace: "..", Name: "web"}, fault.Invalid},
	} {
		_, err := b.target.Lookup(t.Context(), wrong.apiVersion, wrong.id)
		if fault.KindOf(err) != wrong.kindOf {
			t.Errorf("%v: %v", wrong, err)
		}
	}
}

func TestLookupHasTheRightsOfTheSync(t *testing.T) {
	b := newBench(t)
	user := "system:serviceaccount:" + b.namespace + ":deployer"
	b.allow(user, b.namespace, `{"apiGroups":[""],"resources":["configmaps"],"verbs":["get"]}`)
	b.do("POST", b.path("/configmaps"), `{"metadata":{"name":"a"}}`)
	b.do("POST", b.path("/secrets"), `{"metadata":{"name":"a"}}`)
	acting, err := b.target.cluster.As(b.namespace+"/deployer", b.namespace)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := acting.Lookup(t.Context(), "v1", state.ID{Kind: "ConfigMap", Namespace: b.namespace, Name: "a"}); got == nil || err != nil {
		t.Errorf("what is allowed: %v, %v", got, err)
	}
	for _, denied := range []struct{ kind, name, verb, resource string }{
		{"Secret", "a", "get", "secrets"}, {"Secret", "", "list", "secrets"}, {"ConfigMap", "", "list", "configmaps"},
	} {
		_, err := acting.Lookup(t.Context(), "v1", state.ID{Kind: denied.kind, Namespace: b.namespace, Name: denied.name})
		if want := user + " may not " + denied.verb + " " + denied.resource; fault.KindOf(err) != fault.Denied ||
			!strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%v: %v", denied, err)
		}
	}
}

// A cluster gives no such amounts within a test's time: the pages come from a server that is made for it.
func TestLookupIsBounded(t *testing.T) {
	var page string
	requests := 0
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		_, _ = w.Write([]byte(page))
	})
	l := lookup{target: &Target{client: c}, resource: configMaps, namespace: "x", item: "v1 ConfigMap"}
	item := `{"metadata":{"name":"a"}}`
	for name, body := range map[string]string{
		"objects": strings.TrimSuffix(strings.Repeat(item+",", lookupPage), ","),
		"bytes":   `{"metadata":{"name":"` + strings.Repeat("a", 3<<20) + `"}}`,
		"a page":  `{"metadata":{"name":"` + strings.Repeat("a", maxLookup) + `"}}`,
	} {
		page, requests = `{"metadata":{"continue":"more"},"items":[`+body+`]}`, 0
		_, err := l.list(t.Context())
		if fault.KindOf(err) != fault.Invalid || requests > maxLookupItems/lookupPage {
			t.Errorf("%s: %v after %d requests", name, err, requests)
		}
	}
}
