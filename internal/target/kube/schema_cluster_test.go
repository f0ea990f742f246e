package kube

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// schemaCases are objects in the order of their kinds, each with the paths that have to be named; none means that it is valid.
var schemaCases = []struct {
	name, kind, object string
	paths              string // separated by blanks
}{
	{"ConfigMap", "ConfigMap", `data: {a: "1"}, binaryData: {b: aGVsbG8=}`, ""},
	{"ConfigMap, null", "ConfigMap", `data: {a: null}`, ""},
	{"ConfigMap, number", "ConfigMap", `data: {a: 1, b: true}`, "/data/a /data/b"},
	{"ConfigMap, unknown field", "ConfigMap", `dat: {a: "1"}`, "/dat"},
	{"ConfigMap, unknown metadata", "ConfigMap", `metadata: {name: x, annotation: {a: b}}`, "/metadata/annotation"},
	{"ConfigMap, list", "ConfigMap", `data: [a]`, "/data"},
	{"ConfigMap, label number", "ConfigMap", `metadata: {name: x, labels: {v: 1}}`, "/metadata/labels/v"},
	{"ConfigMap, null timestamp", "ConfigMap", `metadata: {name: x, creationTimestamp: null}`, ""},
	{"Secret", "Secret", `data: {a: aGVsbG8=}, stringData: {b: c}, type: Opaque`, ""},
	{"Secret, broken lines", "Secret", `data: {a: "aGVs\nbG8="}`, ""},
	{"Secret, not base64", "Secret", `data: {a: "hello!"}`, "/data/a"},
	{"Service", "Service", `spec: {ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 80, protocol: UDP}], selector: {a: b}}`, ""},
	{"Service, port twice", "Service", `spec: {ports: [{port: 80, name: a}, {port: 80, name: b, protocol: TCP}]}`, "/spec/ports/1"},
	{"Service, port text", "Service", `spec: {ports: [{port: "80"}]}`, "/spec/ports/0/port"},
	{"Service, port number for a text", "Service", `spec: {ports: [{port: 80, name: 80}]}`, "/spec/ports/0/name"},
	{"Service, target fraction", "Service", `spec: {ports: [{port: 80, targetPort: 1.5}]}`, "/spec/ports/0/targetPort"},
	{"Service, too large", "Service", `spec: {ports: [{port: 99999999999}]}`, "/spec/ports/0/port"},
	{"Service, no port", "Service", `spec: {ports: [{name: a}]}`, "/spec/ports/0/port"},
	{"PersistentVolumeClaim", "PersistentVolumeClaim", `spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}`, ""},
	{"PersistentVolumeClaim, size", "PersistentVolumeClaim", `spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: lots}}}`, "/spec/resources/requests/storage"},
	{"ServiceAccount", "ServiceAccount", `automountServiceAccountToken: false, imagePullSecrets: [{name: a}]`, ""},
	{"Deployment", "Deployment", deploymentOf(`{name: web, image: a, resources: {limits: {cpu: 1, memory: 1Gi}}, env: [{name: A, value: ""}]}`), ""},
	{"Deployment, whole float", "Deployment", `spec: {replicas: 3.0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: a}]}}}`, ""},
	{"Deployment, typing errors", "Deployment", deploymentOf(`{name: web, imagee: a, imagePullPolicies: x}`) + `, spce: {}`,
		"/spce /spec/template/spec/containers/0/imagePullPolicies /spec/template/spec/containers/0/imagee"},
	{"Deployment, no name", "Deployment", deploymentOf(`{image: a}`), "/spec/template/spec/containers/0/name"},
	{"Deployment, no selector", "Deployment", `spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: a}]}}}`, "/spec/selector"},
	{"Deployment, no spec", "Deployment", ``, "/spec"},
	{"Deployment, text for number", "Deployment", `spec: {replicas: "3", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: a}]}}}`, "/spec/replicas"},
	{"Deployment, containers twice", "Deployment", deploymentOf(`{name: web, image: a}, {name: web, image: b}`), "/spec/template/spec/containers/1"},
	{"Deployment, variable twice", "Deployment", deploymentOf(`{name: web, image: a, env: [{name: A, value: b}, {name: A, value: c}]}`), "/spec/template/spec/containers/0/env/1"},
	{"Deployment, variable number", "Deployment", deploymentOf(`{name: web, image: a, env: [{name: A, value: 1}]}`), "/spec/template/spec/containers/0/env/0/value"},
	{"Deployment, quantity", "Deployment", deploymentOf(`{name: web, image: a, resources: {limits: {cpu: 1 core}}}`), "/spec/template/spec/containers/0/resources/limits/cpu"},
	{"Deployment, empty enumeration", "Deployment", deploymentOf(`{name: web, image: a, imagePullPolicy: "", ports: [{containerPort: 80, protocol: ""}]}`), ""},
	{"StatefulSet without a service", "StatefulSet", `spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: a}]}}}`, ""},
	{"NetworkPolicy without a selector", "NetworkPolicy", `spec: {}`, ""},
	{"RoleBinding with what is filled in", "RoleBinding", `roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: User, name: a}]`, ""},
	{"RoleBinding of nothing", "RoleBinding", `subjects: [{kind: User, name: a}]`, "/roleRef"},
	{"Role without rules", "Role", ``, ""},
	{"PriorityClass without a value", "PriorityClass", ``, ""},
	{"Ingress", "Ingress", `spec: {rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}`, ""},
	{"Ingress of old", "Ingress", `spec: {rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {serviceName: a, servicePort: 80}}]}}]}`,
		"/spec/rules/0/http/paths/0/backend/serviceName /spec/rules/0/http/paths/0/backend/servicePort"},
	{"CronJob", "CronJob", `spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}}`, ""},
	{"HorizontalPodAutoscaler", "HorizontalPodAutoscaler", `spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}}`, ""},
	{"HorizontalPodAutoscaler, no limit", "HorizontalPodAutoscaler", `spec: {scaleTargetRef: {kind: Deployment, name: a}}`, "/spec/maxReplicas"},

	{"Widget", "Widget", `spec: {size: 1}`, ""},
	{"Widget, everything", "Widget", `spec: {size: 10, above: 1, step: 1.5, mode: fast, name: abc, nothing: null, at: "2026-01-01T00:00:00Z", address: 10.0.0.1, lasts: 5m,
		custom: x, port: http, memory: 1Gi, enabled: true, labels: {a: b}, anything: {x: [1]}, empty: {}, template: {apiVersion: v1, kind: Pod, metadata: {name: a}, more: 1},
		words: [a], unique: [a, b], servers: [{host: a}, {host: a, port: 81}], from: {url: x}, either: {}, unlike: fine, all: ab}`, ""},
	{"Widget, null with a default", "Widget", `spec: {size: 1, mode: null}`, ""},
	{"Widget, status is not ours", "Widget", `spec: {size: 1}, status: {ready: true}`, ""},
	{"Widget, missing", "Widget", ``, "/spec"},
	{"Widget, missing size", "Widget", `spec: {}`, "/spec/size"},
	{"Widget, numbers", "Widget", `spec: {size: 11, above: 0, step: 0.7}`, "/spec/above /spec/size /spec/step"},
	{"Widget, enumeration", "Widget", `spec: {size: 1, mode: faster}`, "/spec/mode"},
	{"Widget, empty is not in the enumeration", "Widget", `spec: {size: 1, mode: ""}`, "/spec/mode"},
	{"Widget, texts", "Widget", `spec: {size: 1, name: A, unlike: forbidden, all: abcd}`, "/spec/all /spec/name /spec/name /spec/unlike"},
	{"Widget, formats", "Widget", `spec: {size: 1, at: yesterday, address: 1.2.3, lasts: long}`, "/spec/address /spec/at /spec/lasts"},
	{"Widget, null", "Widget", `spec: {size: 1, name: null}`, "/spec/name"},
	{"Widget, types", "Widget", `spec: {size: "1", enabled: "yes", words: a, labels: {a: 1}, port: true}`, "/spec/enabled /spec/labels/a /spec/port /spec/size /spec/words"},
	{"Widget, pattern of a quantity", "Widget", `spec: {size: 1, memory: lots}`, "/spec/memory"},
	{"Widget, lengths", "Widget", `spec: {size: 1, words: [a, b, c], labels: {a: b, c: d, e: f}}`, "/spec/labels /spec/words"},
	{"Widget, no words", "Widget", `spec: {size: 1, words: []}`, "/spec/words"},
	{"Widget, twice", "Widget", `spec: {size: 1, unique: [a, a], servers: [{host: a}, {host: a, port: 80}]}`, "/spec/servers/1 /spec/unique/1"},
	{"Widget, server without a host", "Widget", `spec: {size: 1, servers: [{weight: 1}]}`, "/spec/servers/0/host"},
	{"Widget, both", "Widget", `spec: {size: 1, from: {file: a, url: b}}`, "/spec/from"},
	{"Widget, neither", "Widget", `spec: {size: 1, from: {}}`, "/spec/from"},
	{"Widget, unknown", "Widget", `spec: {size: 1, colour: red}, more: 1`, "/more /spec/colour"},
}

func deploymentOf(containers string) string {
	return `spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [` + containers + `]}}}`
}

// schemaKinds are where the kinds of schemaCases live.
var schemaKinds = map[string]struct{ apiVersion, path string }{
	"ConfigMap": {"v1", "/api/v1/namespaces/default/configmaps/x"}, "Secret": {"v1", "/api/v1/namespaces/default/secrets/x"},
	"Service": {"v1", "/api/v1/namespaces/default/services/x"}, "ServiceAccount": {"v1", "/api/v1/namespaces/default/serviceaccounts/x"},
	"PersistentVolumeClaim":   {"v1", "/api/v1/namespaces/default/persistentvolumeclaims/x"},
	"Deployment":              {"apps/v1", "/apis/apps/v1/namespaces/default/deployments/x"},
	"StatefulSet":             {"apps/v1", "/apis/apps/v1/namespaces/default/statefulsets/x"},
	"NetworkPolicy":           {"networking.k8s.io/v1", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/x"},
	"Ingress":                 {"networking.k8s.io/v1", "/apis/networking.k8s.io/v1/namespaces/default/ingresses/x"},
	"Role":                    {"rbac.authorization.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/x"},
	"RoleBinding":             {"rbac.authorization.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/x"},
	"PriorityClass":           {"scheduling.k8s.io/v1", "/apis/scheduling.k8s.io/v1/priorityclasses/x"},
	"CronJob":                 {"batch/v1", "/apis/batch/v1/namespaces/default/cronjobs/x"},
	"HorizontalPodAutoscaler": {"autoscaling/v2", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/x"},
	"Widget":                  {"schema.example.com/v1", "/apis/schema.example.com/v1/namespaces/default/widgets/x"},
}

func schemaObject(t *testing.T, kind, fields string) *state.Object {
	t.Helper()
	text := fmt.Sprintf("{apiVersion: %s, kind: %s", schemaKinds[kind].apiVersion, kind)
	if !strings.Contains(fields, "metadata: {name: x") || strings.HasPrefix(fields, "spec") {
		text += ", metadata: {name: x}"
	}
	if fields != "" {
		text += ", " + fields
	}
	return objectYAML(t, text+"}")
}

// serverSchemas gives the schemas of a cluster that knows Widgets.
func serverSchemas(t *testing.T, server *cluster.Cluster) *schemas {
	t.Helper()
	definition, err := os.ReadFile("testdata/widget-crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.schema.example.com?fieldManager=test"
	if _, err := server.Do(t.Context(), http.MethodPatch, path, definition); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", server.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s := newSchemas(fetchOpenAPI(client.RESTClient()))
	widget := schema.GroupVersionKind{Group: "schema.example.com", Version: "v1", Kind: "Widget"}
	for deadline := time.Now().Add(patience); s.shapes(t.Context(), widget) == nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not publish the schema of Widget")
		}
	}
	return s
}

// TestSchemaAgreesWithTheServer: what is refused in process is refused by the server, at the latest when the object is applied,
// and what the server takes is never refused.
func TestSchemaAgreesWithTheServer(t *testing.T) {
	server := cluster.Shared(t)
	s := serverSchemas(t, server)
	for _, test := range schemaCases {
		t.Run(test.name, func(t *testing.T) {
			object := schemaObject(t, test.kind, test.object)
			body, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			_, refused := server.Do(t.Context(), http.MethodPatch, schemaKinds[test.kind].path+"?fieldManager=test&dryRun=All&force=true", body)
			if refused != nil && !cluster.IsStatus(refused, 400) && !cluster.IsStatus(refused, 422) && !cluster.IsStatus(refused, 500) {
				t.Fatal(refused)
			}
			errs := s.validate(t.Context(), object, true)
			if len(errs) > 0 && refused == nil {
				t.Errorf("the server takes what is refused here: %v", errs)
			}
			if refused != nil && len(errs) == 0 {
				t.Errorf("not refused here: %v", refused)
			}
			checkPaths(t, errs, test.paths)
		})
	}
}

func checkPaths(t *testing.T, errs []error, want string) {
	t.Helper()
	var paths []string
	for _, err := range errs {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v is %s", err, fault.KindOf(err))
		}
		_, cause, _ := strings.Cut(err.Error(), ": ")
		path, _, _ := strings.Cut(cause, ": ")
		paths = append(paths, path)
	}
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("paths %q, want %q: %v", got, want, errs)
	}
}

// TestOwnershipOnAServer: the server leaves out empty values, but remembers that they were declared.
func TestOwnershipOnAServer(t *testing.T) {
	server := cluster.Shared(t)
	const path = "/apis/apps/v1/namespaces/default/deployments/ownership"
	applied := decodeYAML(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: ownership}, spec: {replicas: 0, paused: false, selector: {matchLabels: {a: b}},
		template: {metadata: {labels: {a: b}}, spec: {automountServiceAccountToken: false, containers: [{name: web, image: i, env: [{name: A, value: ""}],
		resources: {limits: {cpu: 1000m}}, ports: [{containerPort: 80}], args: []}], volumes: [{name: v, emptyDir: {}}]}}}}`)
	send := func(method, query string, object map[string]any) map[string]any {
		body, err := state.NewObject(object, state.Origin{}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Do(t.Context(), method, path+query, body)
		if err != nil {
			t.Fatal(err)
		}
		return decodeYAML(t, string(answer))
	}
	compare := func(live map[string]any) []diff.Field {
		o := readOwnership(live)
		fields := diff.Compare(applied, live, diff.Options{Owns: o.owns("setpoint")})
		o.blame(fields, "setpoint")
		return fields
	}
	live := send(http.MethodPatch, "?fieldManager=setpoint", applied)
	t.Cleanup(func() { _, _ = server.Do(t.Context(), http.MethodDelete, path, nil) })
	if fields := compare(live); len(fields) != 0 {
		t.Errorf("right after applying: %+v", fields)
	}
	if o := readOwnership(live); !o.appliedBy("setpoint") || o.abandoned(applied, "setpoint") != nil {
		t.Errorf("abandoned: %v", o.abandoned(applied, "setpoint"))
	}

	spec := view{live}.get("spec").(map[string]any)
	pod := view{live}.get("spec", "template", "spec").(map[string]any)
	spec["replicas"] = int64(3)
	delete(pod, "automountServiceAccountToken")
	pod["volumes"] = []any{map[string]any{"name": "v", "hostPath": map[string]any{"path": "/"}}}
	delete(live["metadata"].(map[string]any), "resourceVersion")
	live = send(http.MethodPut, "?fieldManager=intruder", live)
	var found []string
	for _, f := range compare(live) {
		found = append(found, f.Path+" by "+f.By)
	}
	want := "/spec/replicas by intruder, /spec/template/spec/automountServiceAccountToken by probably intruder, " +
		"/spec/template/spec/volumes[name=v]/emptyDir by probably intruder"
	if got := strings.Join(found, ", "); got != want {
		t.Errorf("found %s", got)
	}
}
