package kube

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"

	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestWorstPod(t *testing.T) {
	const workload = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {replicas: 2, selector: {matchLabels: {app: web}}}`
	pods := []string{
		`{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web}}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`,
		`{apiVersion: v1, kind: Pod, metadata: {name: b-x7f, namespace: shop, labels: {app: web}}, status: {phase: Running, containerStatuses: [{name: main, image: "web:1",
			state: {waiting: {reason: CrashLoopBackOff, message: "back-off 5m0s restarting failed container=main pod=b-x7f"}},
			lastState: {terminated: {exitCode: 3, message: "starting\nno database\n"}}}]}}`,
		`{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: shop, labels: {app: other}}, status: {phase: Failed}}`,
		`{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: shop, labels: {app: fine}}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`,
	}
	objects := make([]runtime.Object, len(pods))
	for i, text := range pods {
		objects[i] = &unstructured.Unstructured{Object: decodeYAML(t, text)}
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{podResource: "PodList"}, objects...)

	_, h, found := worstPod(t.Context(), client, decodeYAML(t, workload+"}"))
	want := state.Health{
		Status: state.Degraded, Reason: "CrashLoopBackOff", Message: `container "main" (web:1) keeps crashing: exit code 3: no database`,
	}
	if !found || h != want {
		t.Errorf("%v %+v", found, h)
	}

	asked := len(client.Actions())
	for name, text := range map[string]string{
		"healthy":     workload + `, status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}}`,
		"terminating": strings.Replace(workload, "name: web", `name: web, deletionTimestamp: "2026-01-01T00:00:00Z"`, 1) + "}",
		"no workload": `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: shop}, spec: {selector: {matchLabels: {app: web}}}}`,
		"no selector": `{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop}, spec: {selector: {}}}`,
	} {
		if _, h, found := worstPod(t.Context(), client, decodeYAML(t, text)); found {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if len(client.Actions()) != asked {
		t.Error("asked for the Pods of an object that needs no reason")
	}
	if _, h, found := worstPod(t.Context(), client, decodeYAML(t, strings.Replace(workload, "app: web", "app: fine", 1)+"}")); found {
		t.Errorf("all Pods are fine, but %+v", h)
	}
}
