package system_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/system"
)

// tells waits until the history of the release is this.
func (r *playedRelease) tells(want ...string) {
	r.Helper()
	var got []string
	system.Wait(r, "helm history to say\n"+strings.Join(want, "\n"), func() bool {
		got = r.helm.history("shop")
		return slices.Equal(got, want)
	})
}

// TestReleaseGoesBack: a version that does not become healthy is left for the last that was, and helm's history says both.
func TestReleaseGoesBack(t *testing.T) {
	r := prepareShop(t, newWebsite(t), "rollback: lastHealthy, timeout: 10s, helm: {chart: charts/shop}")
	r.publish("1.1.0")
	r.declare("Begin", "1.x")
	r.start()
	r.agent.WaitInSync("root", "shop")
	r.tells("1 deployed shop-1.1.0 Install complete")
	r.publish("1.3.0") // its Pods do not start
	r.waitProblem("shop", "RolledBack", "1.3.0")
	went := []string{
		"1 superseded shop-1.1.0 Install complete", "2 failed shop-1.3.0 Upgrade failed", "3 deployed shop-1.1.0 Rollback to 1",
	}
	r.tells(went...)
	if got := r.helm.list(); len(got) != 1 || got[0].Chart != "shop-1.1.0" || r.value("shop", "version") != "1.1.0" {
		t.Errorf("after going back, helm list says %+v, and the cluster has version %s", got, r.value("shop", "version"))
	}
	began := time.Now()
	r.agent.Kill()
	r.agent.Start()
	r.waitProblem("shop", "RolledBack", "1.3.0")
	r.commit("Say something", map[string]string{"README.md": "Nothing.\n"})
	r.agent.Wait("the commit to be seen", func() bool { return r.agent.Statuses()["root"].Revision.ID == r.repo.Head() })
	r.unwritten(began)
	r.tells(went...)
	r.publish("1.4.0")
	r.agent.WaitInSync("root", "shop")
	r.tells(append(went[:2:2], "3 superseded shop-1.1.0 Rollback to 1", "4 deployed shop-1.4.0 Upgrade complete")...)
}

// TestReleaseIsAdopted: what the helm command has installed, in each of its ways, is taken over as it is, and its history goes on.
func TestReleaseIsAdopted(t *testing.T) {
	for name, way := range map[string][]string{"server-side": {"--server-side=true"}, "client-side": {"--server-side=false"}} {
		t.Run(name, func(t *testing.T) {
			r := prepareShop(t, newWebsite(t), "helm: {chart: charts/shop, values: {colour: red, token: swordfish}}")
			r.publish("1.1.0")
			chart := r.shop("1.1.0")
			r.helm.run(append(way, "install", "shop", chart, "--set", "colour=red,token=swordfish", "--labels", "team=a", "--wait")...)
			was := r.identities()
			r.declare("Begin", "1.x")
			r.start()
			r.agent.WaitInSync("root", "shop")
			r.tells("1 superseded shop-1.1.0 Install complete", "2 deployed shop-1.1.0 Upgrade complete")
			if now := r.identities(); !slices.Equal(now, was) {
				t.Errorf("objects were\n%s\nand are\n%s", strings.Join(was, "\n"), strings.Join(now, "\n"))
			}
			if got := r.helm.run("list", "-q", "--selector", "team=a"); strings.TrimSpace(got) != "shop" {
				t.Errorf("helm list --selector team=a: %s", got)
			}
			r.bothAtOnce(chart)
		})
	}
}

// identities tells objects of the release apart from others of their names, and from themselves before a change of their spec.
func (r *playedRelease) identities() (identities []string) {
	r.Helper()
	for _, path := range []string{
		r.gadgets(), r.deployment("shop"), r.config("shop"), r.config("shop-leaflet"),
		system.Path("v1", "services", r.ns, "shop"), system.Path("v1", "secrets", r.ns, "shop"),
	} {
		object := r.plant.Get(path)
		identities = append(identities, fmt.Sprint(path, " ", object.UID(), " ", object.Field("metadata", "generation")))
	}
	return identities
}

// bothAtOnce has helm change what is Setpoint's now.
func (r *playedRelease) bothAtOnce(chart string) {
	r.Helper()
	r.helm.run("upgrade", "shop", chart, "--set", "colour=pink,token=swordfish", "--server-side=true", "--force-conflicts")
	r.turns("colour", "red")
	r.settled("shop")
	r.spec = strings.ReplaceAll(r.spec, "red", "blue")
	r.declare("Paint it", "1.x")
	r.turns("colour", "blue")
	r.agent.WaitInSync("root", "shop")
	r.tells("1 superseded shop-1.1.0 Install complete", "2 superseded shop-1.1.0 Upgrade complete",
		"3 superseded shop-1.1.0 Upgrade complete", "4 deployed shop-1.1.0 Upgrade complete")
}

// keeper declares a Sync that renders the chart of this name, which lies in the fleet's own repository.
func (s *scene) keeper(spec string) map[string]string {
	s.Helper()
	files := map[string]string{
		"kustomization.yaml": "resources: [fleet.yaml]\n",
		"fleet.yaml": configMap("beside", "one") + tenantAccount +
			syncOf("keeper", "path: keeper, retry: {initial: 1s, max: 1s}, "+spec),
	}
	for name, text := range archive(s.T, "shop") {
		if strings.HasPrefix(name, "keeper/") {
			files[name] = text
		}
	}
	return files
}

// kept waits until a key of what the chart makes has a value.
func (s *scene) kept(key, value string) {
	s.Helper()
	system.Wait(s, key+" to be "+value, func() bool {
		return plainText(s.plant.Find(system.Path("v1", "secrets", s.ns, "kept")).Field("data", key)) == value
	})
}

// TestChartsAskTheCluster: a chart keeps what it finds in the cluster, follows what it has looked up, and makes use of a kind that appears.
func TestChartsAskTheCluster(t *testing.T) {
	s := prepare(t, nil)
	to := "to: {kubernetes: {namespace: NS}}"
	s.commit("Begin", s.keeper(to))
	s.start()
	s.agent.WaitInSync("root", "keeper")
	s.kept("password", "one")
	s.kept("seed", "none")
	s.commit("Wish for another password", s.keeper(to+", helm: {values: {first: two}}"))
	s.settled("keeper")
	s.kept("password", "one")
	for _, seed := range []string{"apple", "pear"} {
		s.plant.Apply("somebody", system.Path("v1", "secrets", s.ns, "seed"),
			"apiVersion: v1\nkind: Secret\nmetadata: {name: seed, namespace: "+s.ns+"}\nstringData: {seed: "+seed+"}\n")
		s.kept("seed", seed)
	}
	s.agent.WaitInSync("root", "keeper")
	s.kept("password", "one")

	definition := system.Path("apiextensions.k8s.io/v1", "customresourcedefinitions", "", "monitors."+s.ns+".example.com")
	s.plant.CleanUp(definition)
	s.plant.Apply("somebody", definition, strings.NewReplacer("gadget", "monitor", "Gadget", "Monitor", "NS", s.ns).Replace(
		archive(t, "shop")["base/crds/gadgets.yaml"]))
	s.agent.Wait("the chart to make use of the new kind", func() bool {
		return s.plant.Find(system.Path(s.ns+".example.com/v1", "monitors", s.ns, "kept")) != nil
	})
	s.agent.WaitInSync("root", "keeper")
}

// TestChartsAskWithTheRightsOfTheirSync: a chart cannot look up what its Sync may not read, and what it would have made is not made.
func TestChartsAskWithTheRightsOfTheirSync(t *testing.T) {
	s := prepare(t, nil)
	elsewhere := s.plant.MakeNamespace("elsewhere")
	to := "to: {kubernetes: {namespace: NS, serviceAccount: NS/tenant}}"
	s.commit("Begin", s.keeper(to+", helm: {values: {seedNamespace: "+elsewhere+"}}"))
	s.start()
	s.waitProblem("keeper", "Failed", "Denied", "system:serviceaccount:"+s.ns+":tenant may not get secrets", "in namespace "+elsewhere,
		"keeper/templates/secret.yaml")
	s.absent(system.Path("v1", "secrets", s.ns, "kept"))
	s.commit("Look at home", s.keeper(to))
	s.agent.WaitInSync("root", "keeper")
	s.kept("seed", "none")
}
