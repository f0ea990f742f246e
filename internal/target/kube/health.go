package kube

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// assess says how an object is doing, from its own content; nil is Missing. It reads no clock and makes no request, so equal
// content has equal health. The rules are those of kstatus (what kubectl, Flux and others wait for), without its conversions
// and its clock, and with the additions that docs/health.md lists.
func assess(live map[string]any) state.Health {
	if live == nil {
		return state.Health{Status: state.Missing, Reason: "NotFound", Message: "it is not there"}
	}
	v := view{live}
	if v.text("metadata", "deletionTimestamp") != "" {
		return terminating(v)
	}
	if observed, found := v.number("status", "observedGeneration"); found {
		if generation, known := v.number("metadata", "generation"); known && observed != generation {
			return progressing("NotObserved", "its controller has not seen the latest change yet")
		}
	}
	group, _, grouped := strings.Cut(v.text("apiVersion"), "/")
	if !grouped {
		group = ""
	}
	if rule, known := healthRules[state.GroupKind{Group: group, Kind: v.text("kind")}]; known {
		return rule(v)
	}
	return assessConditions(v)
}

// healthRules are the kinds whose conditions alone do not tell how they are doing.
var healthRules = map[state.GroupKind]func(view) state.Health{
	{Kind: "ConfigMap"}:             alwaysHealthy,
	{Kind: "Secret"}:                alwaysHealthy,
	{Kind: "Pod"}:                   assessPod,
	{Kind: "Service"}:               assessService,
	{Kind: "PersistentVolumeClaim"}: assessClaim,
	{Kind: "PersistentVolume"}:      assessVolume,
	{Kind: "Namespace"}:             assessNamespace,

	{Group: "apps", Kind: "Deployment"}:                               assessDeployment,
	{Group: "apps", Kind: "StatefulSet"}:                              assessStatefulSet,
	{Group: "apps", Kind: "DaemonSet"}:                                assessDaemonSet,
	{Group: "apps", Kind: "ReplicaSet"}:                               assessReplicaSet,
	{Kind: "ReplicationController"}:                                   assessReplicaSet,
	{Group: "batch", Kind: "Job"}:                                     assessJob,
	{Group: "batch", Kind: "CronJob"}:                                 assessCronJob,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:           assessAutoscaler,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                    assessBudget,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: assessDefinition,
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:             assessAPIService,
}

func alwaysHealthy(view) state.Health { return healthy() }

// terminating tells what a deletion waits for.
func terminating(v view) state.Health {
	var holders []string
	for _, item := range v.list("metadata", "finalizers") {
		holders = append(holders, textOf(item))
	}
	message := "it is being deleted"
	if len(holders) > 0 {
		message = "it is being deleted and waits for the finalizers " + strings.Join(holders, ", ")
	}
	if detail := v.condition("NamespaceContentRemaining"); detail.status == "True" {
		message += ": " + detail.message
	}
	return progressing("Terminating", message)
}

// assessConditions is for every other kind: it goes by the conditions that controllers of custom resources commonly set. What
// has none of them is as it should be as soon as it is there.
func assessConditions(v view) state.Health {
	if suspend, _ := v.get("spec", "suspend").(bool); suspend {
		return state.Health{Status: state.Suspended, Reason: "Suspended", Message: "spec.suspend is true"}
	}
	for _, bad := range []string{"Stalled", "Degraded", "Failed"} {
		if c := v.condition(bad); c.status == "True" {
			return degraded(c.reasonOr(bad), c.messageOr("condition "+bad+" is True"))
		}
	}
	if c := v.condition("Reconciling"); c.status == "True" {
		return progressing(c.reasonOr("Reconciling"), c.messageOr("its controller is at work"))
	}
	generation, _ := v.number("metadata", "generation")
	for _, good := range []string{"Ready", "Available"} {
		c := v.condition(good)
		switch {
		case c.status == "":
			continue
		case c.generation != 0 && c.generation < generation:
			return progressing("NotObserved", "its controller has not seen the latest change yet")
		case c.status == "True":
			return healthy()
		}
		return progressing(c.reasonOr("Not"+good), c.messageOr("condition "+good+" is "+c.status))
	}
	return healthy()
}

func healthy() state.Health { return state.Health{Status: state.Healthy} }

func progressing(reason, message string) state.Health {
	return state.Health{Status: state.Progressing, Reason: reason, Message: sentence(message)}
}

func degraded(reason, message string) state.Health {
	return state.Health{Status: state.Degraded, Reason: reason, Message: sentence(message)}
}

// forGood says that waiting does not help.
func forGood(h state.Health) state.Health {
	h.Status, h.Final = state.Degraded, true
	return h
}

// maxMessage bounds what is taken over from a target, in bytes.
const maxMessage = 400

// sentence puts a message on one line of bounded length.
func sentence(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}

// counted says how many of those wanted are there: "1 of 3 replicas are ready".
func counted(have, want int64, what string) string {
	return fmt.Sprintf("%d of %d %s", have, want, what)
}

// view reads an object's content without copying it. What is not there, or of another type, is empty.
type view struct{ content map[string]any }

func (v view) get(path ...string) any {
	var value any = v.content
	for _, name := range path {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = fields[name]
	}
	return value
}

func (v view) text(path ...string) string { return textOf(v.get(path...)) }

func (v view) list(path ...string) []any {
	items, _ := v.get(path...).([]any)
	return items
}

func (v view) number(path ...string) (int64, bool) {
	switch n := v.get(path...).(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), true
	}
	return 0, false
}

// count is number with a default.
func (v view) count(otherwise int64, path ...string) int64 {
	if n, found := v.number(path...); found {
		return n
	}
	return otherwise
}

// condition is an item of status.conditions.
type condition struct {
	status, reason, message string
	generation              int64
}

// condition gives the condition of a type; the zero value when there is none.
func (v view) condition(kind string) condition {
	for _, item := range v.list("status", "conditions") {
		fields, _ := item.(map[string]any)
		if textOf(fields["type"]) != kind {
			continue
		}
		c := view{fields}
		return condition{
			status: c.text("status"), reason: c.text("reason"), message: c.text("message"),
			generation: c.count(0, "observedGeneration"),
		}
	}
	return condition{}
}

func (c condition) reasonOr(otherwise string) string {
	if c.reason == "" {
		return otherwise
	}
	return c.reason
}

func (c condition) messageOr(otherwise string) string {
	if c.message == "" {
		return otherwise
	}
	return c.message
}
