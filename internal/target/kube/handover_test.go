package kube

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestHandOver(t *testing.T) {
	entry := func(text string) metav1.ManagedFieldsEntry { // "manager operation subresource fields"
		words := strings.SplitN(text, " ", 4)
		return metav1.ManagedFieldsEntry{
			Manager: words[0], Operation: metav1.ManagedFieldsOperationType(words[1]), Subresource: strings.Trim(words[2], "-"),
			APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(words[3]),
		}
	}
	const marked = `{"f:data":{"f:a":{}},"f:metadata":{"f:annotations":{"f:meta.helm.sh/release-name":{},"f:own":{}}}}`
	for name, test := range map[string]struct{ before, after, took string }{
		"of helm 4": {
			"helm Apply - " + marked,
			`helm Apply - {"f:metadata":{"f:annotations":{"f:meta.helm.sh/release-name":{}}}}` + "\n" +
				`setpoint Apply - {"f:data":{"f:a":{}},"f:metadata":{"f:annotations":{"f:own":{}}}}`, "helm: /data, helm: /metadata",
		},
		"of helm 3, and what is ours already": {
			`setpoint Apply - {"f:data":{"f:b":{}}}` + "\n" + `helm Update - {"f:data":{"f:a":{}}}`,
			`setpoint Apply - {"f:data":{"f:a":{},"f:b":{}}}`, "helm: /data",
		},
		"of others, and of a status": {
			`kubectl Update - {"f:data":{"f:a":{}}}` + "\n" + `helm Update status {"f:status":{}}`,
			`kubectl Update - {"f:data":{"f:a":{}}}` + "\n" + `helm Update status {"f:status":{}}` + "\n" + `setpoint Apply - {}`, "",
		},
		"of what makes no sense": {`helm Apply - {"q":{}}`, `helm Apply - {"q":{}}` + "\n" + `setpoint Apply - {}`, ""},
	} {
		var before []metav1.ManagedFieldsEntry
		for line := range strings.SplitSeq(test.before, "\n") {
			before = append(before, entry(line))
		}
		entries, taken := handOver(before, "setpoint")
		var after []string
		for _, e := range entries {
			subresource := e.Subresource
			if subresource == "" {
				subresource = "-"
			}
			after = append(after, strings.Join([]string{e.Manager, string(e.Operation), subresource, e.FieldsV1.GetRawString()}, " "))
		}
		if got := strings.Join(after, "\n"); got != test.after {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.after)
		}
		if got := strings.Join(tookFrom(taken), ", "); got != test.took {
			t.Errorf("%s: took %q", name, got)
		}
	}
}

// Helm's own fields of an object are taken only for the Sync that goes on with the very release.
func TestOtherReleasesAreLeftToHelm(t *testing.T) {
	b := newBench(t)
	b.helm("install", "web", smallChart(t))
	b.target.Continues(b.owner, b.namespace, "another")
	object := b.configMap("web", "1")
	if result := b.settle(object)[object.ID()]; !result.Adopted || len(result.TookOver) > 0 {
		t.Errorf("%+v", result)
	}
	if data := b.get(b.path("/configmaps/web")); data.text("data", "dropped") != "1" || data.text("data", "value") != "1" {
		t.Errorf("%v", data.content["data"])
	}
}
