package kube

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of a look at a workload's Pods.
const (
	maxPods    = 50
	podTimeout = 5 * time.Second
)

var podResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// worstPod asks for the Pods of a workload that is not healthy, and gives the worst of them with its health: why its containers
// do not run. False when the object is healthy, is no workload, has no Pods in trouble, or they cannot be read: then the
// workload's own health is all there is. One request, at most 50 Pods, at most 5 s. The message names no Pod, so that it stays
// the same when Pods are replaced.
func worstPod(ctx context.Context, client dynamic.Interface, live map[string]any) (pod view, worst state.Health, trouble bool) {
	own := assess(live)
	if !unwell(own) || own.Reason == "Terminating" {
		return pod, worst, false
	}
	v := view{live}
	selector := podSelector(v)
	if selector == "" {
		return pod, worst, false
	}
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	pods, err := client.Resource(podResource).Namespace(v.text("metadata", "namespace")).
		List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: maxPods})
	if err != nil {
		return pod, worst, false
	}
	for _, item := range pods.Items {
		h := assess(item.Object)
		if h.Reason == "Terminating" {
			continue // a replaced Pod that goes away says nothing about the workload
		}
		// Of Pods that are equally bad the alphabet decides, so that the answer does not depend on their order.
		if h.Worse(worst) || h.Status == worst.Status && h.Reason+h.Message < worst.Reason+worst.Message {
			pod, worst = view{item.Object}, h
		}
	}
	trouble = worst.Status == state.Degraded || worst.Status == state.Progressing && worst.Reason == "Unschedulable"
	return pod, worst, trouble
}

// podSelector gives the label selector of a workload's Pods, or "" for other kinds.
func podSelector(v view) string {
	switch v.text("kind") {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job":
	default:
		return ""
	}
	group, _, _ := strings.Cut(v.text("apiVersion"), "/")
	if group != "apps" && group != "batch" {
		return ""
	}
	content, ok := v.get("spec", "selector").(map[string]any)
	if !ok {
		return ""
	}
	selector := &metav1.LabelSelector{}
	for key, value := range (view{content}).labels("matchLabels") {
		selector = metav1.AddLabelToSelector(selector, key, value)
	}
	for _, item := range (view{content}).list("matchExpressions") {
		fields, _ := item.(map[string]any)
		e := view{fields}
		requirement := metav1.LabelSelectorRequirement{Key: e.text("key"), Operator: metav1.LabelSelectorOperator(e.text("operator"))}
		for _, value := range e.list("values") {
			requirement.Values = append(requirement.Values, textOf(value))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, requirement)
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil || parsed.Empty() {
		return "" // an empty selector would ask for every Pod of the namespace
	}
	return parsed.String()
}

// labels gives a map of texts.
func (v view) labels(path ...string) map[string]string {
	fields, _ := v.get(path...).(map[string]any)
	out := make(map[string]string, len(fields))
	for key, value := range fields {
		out[key] = textOf(value)
	}
	return out
}
