package kube

import (
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// enforcedFields are the required fields of Go types whose absence every supported server refuses. The published lists hold
// others, too, that a server fills in (RoleRef.apiGroup) or does without (StatefulSetSpec.serviceName), so none is taken on
// trust.
var enforcedFields = map[string][]string{
	"Deployment": {"spec"}, "StatefulSet": {"spec"}, "DaemonSet": {"spec"},
	"DeploymentSpec": {"selector", "template"}, "StatefulSetSpec": {"selector", "template"}, "DaemonSetSpec": {"selector", "template"},
	"ReplicaSetSpec": {"selector"}, "JobSpec": {"template"}, "CronJobSpec": {"jobTemplate", "schedule"},
	"PodSpec": {"containers"}, "Container": {"name"}, "ContainerPort": {"containerPort"}, "EnvVar": {"name"}, "Volume": {"name"},
	"VolumeMount": {"mountPath", "name"}, "VolumeDevice": {"devicePath", "name"}, "KeyToPath": {"key", "path"},
	"ConfigMapKeySelector": {"key"}, "SecretKeySelector": {"key"}, "PersistentVolumeClaimVolumeSource": {"claimName"},
	"HostPathVolumeSource": {"path"}, "HTTPGetAction": {"port"}, "TCPSocketAction": {"port"}, "ServicePort": {"port"},
	"HTTPIngressPath": {"backend", "pathType"}, "IngressServiceBackend": {"name"}, "LabelSelectorRequirement": {"key", "operator"},
	"RoleBinding": {"roleRef"}, "ClusterRoleBinding": {"roleRef"}, "RoleRef": {"kind", "name"}, "Subject": {"kind", "name"},
	"HorizontalPodAutoscalerSpec": {"maxReplicas", "scaleTargetRef"}, "StorageClass": {"provisioner"},
}

// enforced gives those of a Go type's required fields that are.
func enforced(definition string, required []string) []string {
	known := enforcedFields[definition[strings.LastIndexByte(definition, '.')+1:]]
	return slices.DeleteFunc(slices.Clone(known), func(name string) bool { return !slices.Contains(required, name) })
}

// didYouMean gives a hint with the known field that a name is closest to, or "".
func didYouMean(name string, fields map[string]*node) string {
	const longest = 64 // no field name is longer, and hostile ones cost nothing
	if len(name) > longest {
		return ""
	}
	// Two letters in the wrong order are two changes; in a name of three letters that would be nearly all of it.
	best, least := "", max(min(2, len(name)/2), len(name)/3)+1
	for known := range fields {
		distance := fault.Misspelling(name, known)
		if distance < least || distance == least && best != "" && known < best {
			best, least = known, distance
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}
