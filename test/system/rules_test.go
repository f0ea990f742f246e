package system_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/system"
	"sigs.k8s.io/yaml"
)

// TestDriftReported: with drift: report, a change of somebody else is shown and left.
func TestDriftReported(t *testing.T) {
	s := play(t, map[string]string{
		"fleet.yaml": configMap("keep", "one") + syncOf("shown", "path: shown, drift: report"), "kustomization.yaml": "resources: [fleet.yaml]\n",
		"shown/a.yaml": configMap("a", "one"), "shown/b.yaml": configMap("b", "one"),
	})
	s.agent.WaitInSync("root", "shown")
	edited := s.plant.Edit("mallory", s.config("a"), func(object system.Object) {
		object["data"].(map[string]any)["key"] = "two"
	})
	s.waitProblem("shown", "Drifted")
	out := s.agent.Setpoint("status", "shown")
	for _, word := range []string{"ConfigMap/" + s.ns + "/a", "/data/key", "mallory"} {
		if !strings.Contains(out.Stdout, word) {
			t.Errorf("the status does not say %s: %s", word, out)
		}
	}
	if out := s.agent.Setpoint("diff", "shown"); out.Code != 3 || !strings.Contains(out.Stdout, "mallory") {
		t.Errorf("diff: %s", out)
	}
	if now := s.plant.Get(s.config("a")); now.Version() != edited.Version() {
		t.Error("the reported drift has been changed")
	}
	s.commit("Change b", map[string]string{"shown/b.yaml": configMap("b", "two")})
	s.agent.Wait("b to follow Git", func() bool { return s.value("b", "key") == "two" })
	s.plant.Edit("mallory", s.config("a"), func(object system.Object) { object["data"].(map[string]any)["key"] = "one" })
	s.agent.WaitInSync("shown")
}

// TestIgnoredFields: a field that is left to others is neither corrected nor reported, and survives a change of the rest.
func TestIgnoredFields(t *testing.T) {
	s := play(t, map[string]string{
		"fleet.yaml": configMap("keep", "one") +
			syncOf("scaled", `path: scaled, ignore: [{group: apps, kind: Deployment, fields: [/spec/replicas]}]`),
		"kustomization.yaml": "resources: [fleet.yaml]\n",
		"scaled/web.yaml":    deploymentOf("web", ""),
	})
	s.agent.WaitInSync("root", "scaled")
	s.plant.Edit("autoscaler", s.deployment("web"), func(object system.Object) {
		object["spec"].(map[string]any)["replicas"] = 3
	})
	s.agent.Wait("three replicas to be ready", func() bool {
		return s.plant.Get(s.deployment("web")).Field("status", "readyReplicas") == float64(3)
	})
	s.commit("Change the image", map[string]string{"scaled/web.yaml": strings.Replace(deploymentOf("web", ""), "main:1", "main:2", 1)})
	s.agent.WaitInSync("root", "scaled")
	web := s.plant.Get(s.deployment("web"))
	if replicas := web.Field("spec", "replicas"); replicas != float64(3) {
		t.Errorf("%v replicas, want the 3 of the autoscaler", replicas)
	}
	if !strings.Contains(system.JSON(t, web["spec"]), "main:2") {
		t.Error("the rest of the Deployment does not follow Git")
	}
	for _, attempt := range s.agent.History("scaled") {
		if attempt.Trigger == "drift" {
			t.Errorf("the ignored field was taken for drift: %+v", attempt)
		}
	}
}

// TestImmutableField: an immutable field is a clear error that names the way out, and with it the object is made anew.
func TestImmutableField(t *testing.T) {
	before := deploymentOf("web", "")
	after := strings.ReplaceAll(before, "app: web", "app: shop")
	s := play(t, map[string]string{"web.yaml": before, "config.yaml": configMap("a", "one")})
	uid := s.plant.Get(s.deployment("web")).UID()
	s.commit("Change the selector", map[string]string{"web.yaml": after, "config.yaml": configMap("a", "two")})
	s.waitProblem("root", "Failed", "immutable", "setpoint.dev/force", "apps/Deployment/"+s.ns+"/web")
	s.agent.Wait("the neighbour to follow Git", func() bool { return s.value("a", "key") == "two" })
	if s.plant.Get(s.deployment("web")).UID() != uid {
		t.Fatal("the Deployment was replaced without leave")
	}
	s.commit("Allow it", map[string]string{
		"web.yaml": strings.Replace(after, "namespace: NS}", `namespace: NS, annotations: {setpoint.dev/force: "true"}}`, 1),
	})
	s.agent.WaitInSync()
	web := s.plant.Get(s.deployment("web"))
	if web.UID() == uid || web.Field("spec", "selector", "matchLabels", "app") != "shop" {
		t.Errorf("the Deployment was not replaced: %v", web.Field("spec", "selector"))
	}
}

// TestServiceAccount: a Sync that acts as a service account reaches what that may reach, and neither it nor its child anything else.
func TestServiceAccount(t *testing.T) {
	s := play(t, map[string]string{"keep.yaml": configMap("keep", "one")})
	outside := s.plant.MakeNamespace("outside")
	s.commit("Add a tenant", map[string]string{
		"keep.yaml": configMap("keep", "one") + tenantAccount +
			syncOf("tenant", "path: tenant, to: {kubernetes: {serviceAccount: NS/tenant}}, retry: {initial: 1s, max: 1s}"),
		"tenant/inside.yaml":  configMap("inside", "one"),
		"tenant/outside.yaml": strings.ReplaceAll(configMap("outside", "one"), "NS", outside),
		"tenant/escape.yaml":  syncOf("escape", "path: escape, to: {kubernetes: {serviceAccount: kube-system/namespace-controller}}"),
		"tenant/child.yaml":   syncOf("child", "path: child, retry: {initial: 1s, max: 1s}"),
		"child/outside.yaml":  strings.ReplaceAll(configMap("of-child", "one"), "NS", outside) + "---\n" + configMap("of-child", "one"),
		"escape/config.yaml":  strings.ReplaceAll(configMap("escaped", "one"), "NS", outside),
		"kustomization.yaml":  "resources: [keep.yaml]\n",
	})
	s.waitProblem("tenant", "Failed", "Denied", "tenant/outside.yaml:1", "system:serviceaccount:"+s.ns+":tenant may not", "in namespace "+outside)
	s.waitProblem("child", "Failed", "Denied", "child/outside.yaml:1", "system:serviceaccount:"+s.ns+":tenant may not", "in namespace "+outside)
	s.waitProblem("escape", "Failed", "Denied", "confined to service account "+s.ns+"/tenant")
	s.agent.Wait("what is allowed to be there", func() bool {
		return s.value("inside", "key") == "one" && s.value("of-child", "key") == "one"
	})
	for _, name := range []string{"outside", "of-child", "escaped"} {
		s.absent(system.Path("v1", "configmaps", outside, name))
	}
	s.repo.Delete("Stay inside", "tenant/outside.yaml", "tenant/escape.yaml")
	s.commit("Stay inside", map[string]string{"child/outside.yaml": configMap("of-child", "one")})
	s.agent.WaitInSync("root", "tenant", "child")
}

const tenantAccount = `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: tenant, namespace: NS}]
`

// TestTwoClusters: one agent drives two clusters, each with its own objects.
func TestTwoClusters(t *testing.T) {
	s := prepare(t, map[string]string{
		"fleet.yaml":         configMap("here", "one") + syncOf("there", "path: there, to: {kubernetes: {context: there}}"),
		"there/config.yaml":  strings.ReplaceAll(configMap("there", "one"), "NS", "default"),
		"kustomization.yaml": "resources: [fleet.yaml]\n",
	})
	second := system.On(t, cluster.ForTest(t, cluster.Options{}))
	s.agent = system.StartAgent(t, system.Agent{Repo: s.repo, Kubeconfig: mergeKubeconfigs(t, s.plant.Kubeconfig(), second.Kubeconfig())})
	s.agent.WaitInSync("root", "there")
	there := system.Path("v1", "configmaps", "default", "there")
	if second.Get(there).String("data", "key") != "one" || s.value("here", "key") != "one" {
		t.Error("objects are missing")
	}
	s.absent(there)
	if second.Find(s.config("here")) != nil {
		t.Error("the first cluster's object is in the second")
	}
	second.Delete(there)
	s.agent.Wait("the second cluster's object to be there again", func() bool { return second.Find(there) != nil })
	if status := s.agent.Statuses()["there"]; !strings.Contains(status.To, "there") {
		t.Errorf("the status does not name the cluster: %q", status.To)
	}
}

// mergeKubeconfigs gives a kubeconfig with contexts here (the current one) and there.
func mergeKubeconfigs(t *testing.T, here, there string) string {
	t.Helper()
	merged := map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": "here"}
	var clusters, users, contexts []any
	for name, file := range map[string]string{"here": here, "there": there} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var config map[string]any
		if err := yaml.Unmarshal(data, &config); err != nil {
			t.Fatal(err)
		}
		for list, into := range map[string]*[]any{"clusters": &clusters, "users": &users} {
			entry := config[list].([]any)[0].(map[string]any)
			entry["name"] = name
			*into = append(*into, entry)
		}
		contexts = append(contexts, map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}})
	}
	merged["clusters"], merged["users"], merged["contexts"] = clusters, users, contexts
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(system.JSON(t, merged)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
