package helm

import (
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// scopes are the kinds that have no namespace. Of kinds that neither Kubernetes nor the chart defines, objects are taken to have one.
type scopes map[state.GroupKind]bool

// builtin are the kinds of Kubernetes that have no namespace.
var builtin = func() scopes {
	known := scopes{}
	for group, kinds := range map[string][]string{
		"": {"ComponentStatus", "Namespace", "Node", "PersistentVolume"},
		"admissionregistration.k8s.io": {
			"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration",
			"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
		},
		"apiextensions.k8s.io":         {"CustomResourceDefinition"},
		"apiregistration.k8s.io":       {"APIService"},
		"certificates.k8s.io":          {"CertificateSigningRequest", "ClusterTrustBundle"},
		"flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
		"internal.apiserver.k8s.io":    {"StorageVersion"},
		"networking.k8s.io":            {"IPAddress", "IngressClass", "ServiceCIDR"},
		"node.k8s.io":                  {"RuntimeClass"},
		"policy":                       {"PodSecurityPolicy"},
		"rbac.authorization.k8s.io":    {"ClusterRole", "ClusterRoleBinding"},
		"resource.k8s.io":              {"DeviceClass", "DeviceTaintRule", "ResourceSlice"},
		"scheduling.k8s.io":            {"PriorityClass"},
		"storage.k8s.io":               {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"},
		"storagemigration.k8s.io":      {"StorageVersionMigration"},
		"gateway.networking.k8s.io":    {"GatewayClass"},
		"cert-manager.io":              {"ClusterIssuer"},
		"snapshot.storage.k8s.io":      {"VolumeSnapshotClass", "VolumeSnapshotContent"},
	} {
		for _, kind := range kinds {
			known[state.GroupKind{Group: group, Kind: kind}] = true
		}
	}
	return known
}()

// scopesOf learns from the definitions among the objects of a chart.
func scopesOf(found []render.Found) scopes {
	s := scopes{}
	for _, one := range found {
		if one.Object.Kind() == "CustomResourceDefinition" {
			s.add(one.Object.Content())
		}
	}
	return s
}

// learn reads a file of definitions.
func (s scopes) learn(text string) {
	for _, one := range documents(manifest{text: text}) {
		var content map[string]any
		if yaml.Unmarshal([]byte(one.text), &content) == nil {
			s.add(content)
		}
	}
}

func (s scopes) add(definition map[string]any) {
	spec, _ := definition["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	group, _ := spec["group"].(string)
	if kind, _ := names["kind"].(string); kind != "" {
		s[state.GroupKind{Group: group, Kind: kind}] = spec["scope"] == "Cluster"
	}
}

// cluster says whether objects of a kind have no namespace.
func (s scopes) cluster(kind state.GroupKind) bool {
	if scope, known := s[kind]; known {
		return scope
	}
	return builtin[kind]
}
