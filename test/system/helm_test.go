package system_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/system"
)

// fromEverywhere takes values from a file, a ConfigMap, a Secret, and the Sync itself. The cluster has no metrics to scale by.
const fromEverywhere = `health: [{group: autoscaling, kind: HorizontalPodAutoscaler, healthy: object.status.desiredReplicas == 2}],
  helm: {chart: charts/shop, values: {hpa: {enabled: true}, greeting: from the Sync}, valuesFrom: [
  {file: values/shop.yaml}, {configMap: {name: settings}}, {secret: {name: settings}, key: token, at: token}]}`

// TestReleases: a chart is installed, upgraded, repaired, downgraded and removed as its versions, its values and its objects change, and
// the helm command says the same at each step.
func TestReleases(t *testing.T) {
	for name, publishers := range map[string]func(*testing.T) publisher{"http": newWebsite, "oci": newCharts} {
		t.Run(name, func(t *testing.T) {
			r := prepareShop(t, publishers(t), fromEverywhere)
			r.give("size: small", "swordfish")
			r.publish("1.0.0", "1.1.0", "2.0.0")
			r.declare("Begin", "1.x")
			r.start()
			r.sees("1.1.0", "1 deployed shop-1.1.0 Install complete")
			r.installed()
			r.valuesChange()
			r.versionsChange()
			r.staysAsItIs()
			r.remove()
			r.waitProblem("shop", "Held", "no longer declared", "8 of its 8 objects")
			r.must("approve", "shop", "--yes")
			r.removed(r.deployment("shop"), r.config("shop"), r.gadgets(), system.Path("batch/v1", "jobs", r.ns, "shop-migrate"),
				system.Path("v1", "services", r.ns, "shop"), system.Path("autoscaling/v2", "horizontalpodautoscalers", r.ns, "shop"))
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
	r.give("size: large", "swordfish")
	r.turns("size", "large")
	r.sees("1.1.0")
	r.give("size: large", "open sesame")
	system.Wait(r, "the token to change", func() bool { return plainText(r.secret()["token"]) == "open sesame" })
	r.sees("1.1.0")
	history := r.agent.Setpoint("history", "shop", "-o", "json").Stdout
	if strings.Contains(r.agent.Log(), "swordfish") || strings.Contains(history, "swordfish") {
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
	r.publish("2.1.0", "1.2.0") // the one is out of the range
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

// staysAsItIs disturbs objects, and kills the agent: what is repaired or known already is no new revision.
func (r *playedRelease) staysAsItIs() {
	r.Helper()
	r.plant.Edit("somebody", r.config("shop"), func(o system.Object) { o["data"].(map[string]any)["colour"] = "green" })
	r.turns("colour", "blue")
	service := system.Path("v1", "services", r.ns, "shop")
	r.plant.Delete(service)
	r.agent.Wait("the Service to be there again", func() bool { return r.plant.Find(service) != nil })
	r.settled("shop")
	if got := r.helm.list(); len(got) != 1 || got[0].Revision != fmt.Sprint(r.revision) {
		r.Errorf("after drift, helm list says %+v, want revision %d", got, r.revision)
	}
	r.stays()
	r.agrees("1.1.0")
}
