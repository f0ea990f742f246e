package system_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/system"
)

// fromEverywhere takes values from a file, a ConfigMap, a Secret, and the Sync itself. The cluster has no metrics to scale by.
const fromEverywhere = `health: [{group: autoscaling, kind: HorizontalPodAutoscaler, healthy: object.status.desiredReplicas == 2}],
  helm: {chart: charts/shop, values: {hpa: {enabled: true}, greeting: from the Sync}, valuesFrom: [
  {file: values/shop.yaml}, {configMap: {name: settings}}, {secret: {name: settings}, key: token, at: token}]}`

// give sets the values that are in the cluster.
func (r *playedRelease) give(size, token string) {
	r.Helper()
	r.plant.Apply("somebody", r.config("settings"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: "+r.ns+
		"}\ndata: {values.yaml: 'size: "+size+"'}\n")
	r.plant.Apply("somebody", system.Path("v1", "secrets", r.ns, "settings"),
		"apiVersion: v1\nkind: Secret\nmetadata: {name: settings, namespace: "+r.ns+"}\nstringData: {token: "+token+"}\n")
}

// TestReleases: a chart is installed, upgraded, repaired, downgraded and removed as its versions, its values and its objects change, and
// the helm command says the same at each step.
func TestReleases(t *testing.T) {
	for name, publishers := range map[string]func(*testing.T) publisher{"http": newWebsite, "oci": newCharts} {
		t.Run(name, func(t *testing.T) {
			r := prepareRelease(t, publishers(t), fromEverywhere)
			r.give("small", "swordfish")
			r.publish("1.0.0")
			r.publish("1.1.0")
			r.publish("2.0.0")
			r.declare("Begin", "1.x")
			r.start()
			r.sees("1.1.0", "1 deployed shop-1.1.0 Install complete")
			r.installed()
			r.valuesChange()
			r.versionsChange()
			r.staysAsItIs()
			r.removed()
		})
	}
}

// installed looks at what the chart has made.
func (r *playedRelease) installed() {
	r.Helper()
	if got := r.value("shop", "greeting"); got != "from the Sync" {
		r.Errorf("the greeting is %q", got)
	}
	for _, path := range []string{
		r.gadgets(), r.deployment("shop"), r.config("shop-leaflet"), system.Path("v1", "services", r.ns, "shop"),
		system.Path("autoscaling/v2", "horizontalpodautoscalers", r.ns, "shop"), system.Path("batch/v1", "jobs", r.ns, "shop-migrate"),
	} {
		if r.plant.Find(path) == nil {
			r.Errorf("%s is not there", path)
		}
	}
	r.absent(system.Path("v1", "pods", r.ns, "shop-try"))
	if got := r.plant.Get(r.deployment("shop")).Field("spec", "replicas"); got != float64(2) {
		r.Errorf("the Deployment has %v replicas, want those of the HorizontalPodAutoscaler", got)
	}
	if got := r.helm.run("get", "hooks", "shop"); !strings.Contains(got, "shop-migrate") || !strings.Contains(got, "shop-try") {
		r.Errorf("helm get hooks: %s", got)
	}
	if got := r.helm.run("get", "notes", "shop"); !strings.Contains(got, "shop says from the Sync.") {
		r.Errorf("helm get notes: %s", got)
	}
	if got := r.helm.run("status", "shop"); !strings.Contains(got, "STATUS: deployed") {
		r.Errorf("helm status: %s", got)
	}
}

// valuesChange changes each place that values come from; nobody has to say so.
func (r *playedRelease) valuesChange() {
	r.Helper()
	r.commit("Paint it", map[string]string{"values/shop.yaml": "colour: blue\n"})
	r.turns("colour", "blue")
	r.sees("1.1.0")
	r.give("large", "swordfish")
	r.turns("size", "large")
	r.sees("1.1.0")
	r.give("large", "open sesame")
	system.Wait(r, "the token to change", func() bool { return plainText(r.secret()["token"]) == "open sesame" })
	r.sees("1.1.0")
	if strings.Contains(r.agent.Log(), "swordfish") || strings.Contains(r.agent.Setpoint("history", "shop", "-o", "json").Stdout, "swordfish") {
		r.Error("what was secret is told")
	}
}

func (r *playedRelease) turns(key, value string) {
	r.Helper()
	system.Wait(r, key+" to become "+value, func() bool { return r.value("shop", key) == value })
}

// versionsChange publishes a version, and then wants an older one.
func (r *playedRelease) versionsChange() {
	r.Helper()
	r.publish("2.1.0") // is out of the range
	r.publish("1.2.0")
	r.turns("version", "1.2.0")
	r.sees("1.2.0")
	r.plant.WaitGone(r.config("shop-leaflet"))
	if r.plant.Find(r.config("shop-catalogue")) == nil {
		r.Error("what the new version brings is not there")
	}
	r.declare("Go back", "~1.1.0")
	r.turns("version", "1.1.0")
	r.sees("1.1.0")
	r.plant.WaitGone(r.config("shop-catalogue"))
}

// staysAsItIs disturbs an object, and kills the agent: what is repaired or known already is no new revision.
func (r *playedRelease) staysAsItIs() {
	r.Helper()
	history := r.helm.history("shop")
	r.plant.Edit("somebody", r.config("shop"), func(o system.Object) { o["data"].(map[string]any)["colour"] = "green" })
	r.turns("colour", "blue")
	r.plant.Delete(system.Path("v1", "services", r.ns, "shop"))
	r.agent.Wait("the Service to be there again", func() bool { return r.plant.Find(system.Path("v1", "services", r.ns, "shop")) != nil })
	r.settled("shop")

	began := time.Now()
	r.agent.Kill()
	r.agent.Start()
	r.settled("shop")
	r.commit("Say something", map[string]string{"README.md": "Nothing.\n"})
	r.settled("shop")
	r.unwritten(began)
	if got := r.helm.history("shop"); !slices.Equal(got, history) {
		r.Errorf("helm history:\n%s\nwas\n%s", strings.Join(got, "\n"), strings.Join(history, "\n"))
	}
	r.agrees("1.1.0")
}

// removed takes the Sync away: objects and records go with it, and nothing else does.
func (r *playedRelease) removed() {
	r.Helper()
	r.commit("Close the shop", map[string]string{"fleet.yaml": configMap("beside", "one")})
	r.waitProblem("shop", "Held", "no longer declared", "8 of its 8 objects")
	if out := r.agent.Setpoint("approve", "shop", "--yes"); out.Code != 0 {
		r.Fatalf("approve: %s", out)
	}
	r.agent.WaitGone("shop")
	r.plant.WaitGone(r.deployment("shop"), r.config("shop"), system.Path("v1", "secrets", r.ns, "shop"),
		system.Path("batch/v1", "jobs", r.ns, "shop-migrate"), r.gadgets())
	r.agent.WaitInSync("root")
	r.absent(system.Path("autoscaling/v2", "horizontalpodautoscalers", r.ns, "shop"))
	if got := r.helm.list(); len(got) > 0 {
		r.Errorf("helm list: %+v", got)
	}
	for _, secret := range r.plant.List(system.Path("v1", "secrets", r.ns, "")) {
		if name := secret.String("metadata", "name"); name != "settings" {
			r.Errorf("the Secret %s is left", name)
		}
	}
}
