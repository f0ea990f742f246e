package system_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// playedRelease is a scene with a Sync that keeps a release of a chart; Sync, release and chart have the same name.
type playedRelease struct {
	*scene

	name     string
	helm     *helmCommand
	charts   publisher
	spec     string               // what else the Sync's spec says
	agrees   func(version string) // compares what helm has on record with the cluster
	revision int                  // of the release
	made     map[string]any       // what the chart has made at random
}

// prepareRelease makes a scene in which nothing is declared yet, with a file of values.
func prepareRelease(t *testing.T, name string, charts publisher, values string) *playedRelease {
	t.Helper()
	r := &playedRelease{
		scene: &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")},
		name:  name, charts: charts,
	}
	r.ns = r.plant.MakeNamespace("release")
	r.helm = newHelm(t, r.plant.Kubeconfig(), r.ns)
	r.commit("Give values", map[string]string{"kustomization.yaml": "resources: [fleet.yaml]\n", "values/" + name + ".yaml": values})
	return r
}

// prepareShop does so for the chart of testdata.
func prepareShop(t *testing.T, charts publisher, spec string) *playedRelease {
	t.Helper()
	r := prepareRelease(t, "shop", charts, "colour: red\ngreeting: from a file\n")
	r.spec, r.agrees = spec, r.shopAgrees
	r.plant.CleanUp(r.gadgets())
	return r
}

// publish publishes versions of the chart of testdata.
func (r *playedRelease) publish(versions ...string) {
	r.Helper()
	for _, version := range versions {
		r.charts.publish(r.helm, r.helm.pack(r.shop(version)))
	}
}

// declare has the Sync follow a range of versions.
func (r *playedRelease) declare(message, versions string) {
	r.Helper()
	r.commit(message, map[string]string{
		"fleet.yaml": configMap("beside", "one") + syncOf(r.name, "path: values, to: {kubernetes: {namespace: NS}}, "+
			"imports: [{at: charts/"+r.name+", source: "+r.charts.source(r.name, versions)+"}], "+r.spec),
	})
}

// give sets the values that are in the cluster: a ConfigMap with a file of them, and a Secret with a token.
func (r *playedRelease) give(values, token string) {
	r.Helper()
	r.plant.Apply("somebody", r.config("settings"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: "+r.ns+
		"}\ndata: {values.yaml: '"+values+"'}\n")
	r.plant.Apply("somebody", system.Path("v1", "secrets", r.ns, "settings"),
		"apiVersion: v1\nkind: Secret\nmetadata: {name: settings, namespace: "+r.ns+"}\nstringData: {token: "+token+"}\n")
}

// secret gives the data of the release's Secret.
func (r *playedRelease) secret() map[string]any {
	r.Helper()
	data, _ := r.plant.Get(system.Path("v1", "secrets", r.ns, "shop")).Field("data").(map[string]any)
	return data
}

// sees waits until helm says that another revision of the release is deployed, of a version of the chart, and that its history ends so.
func (r *playedRelease) sees(version string, ends ...string) {
	r.Helper()
	r.agent.WaitInSync("root", r.name)
	r.revision += max(1, len(ends))
	want := listedRelease{
		Name: r.name, Namespace: r.ns, Revision: fmt.Sprint(r.revision), Status: "deployed",
		Chart: r.name + "-" + version, AppVersion: version,
	}
	var got []listedRelease
	system.Wait(r, fmt.Sprintf("helm list to say %+v", want), func() bool {
		got = r.helm.list()
		return slices.Contains(got, want)
	})
	if len(got) != 1 {
		r.Errorf("helm list: %+v", got)
	}
	if len(ends) == 0 {
		ends = []string{fmt.Sprintf("%d deployed %s-%s Upgrade complete", r.revision, r.name, version)}
	}
	system.Wait(r, "helm history to end with\n"+strings.Join(ends, "\n")+"\nand nothing before that to be deployed", func() bool {
		history := r.helm.history(r.name) // the record before is superseded right after the new one was written
		return len(history) >= len(ends) && slices.Equal(history[len(history)-len(ends):], ends) &&
			!slices.ContainsFunc(history[:len(history)-1], func(line string) bool { return strings.Contains(line, " deployed ") })
	})
	r.agrees(version)
}

// stays fails the test if anything is written, or another revision of the release is seen, while an agent is killed and started again.
func (r *playedRelease) stays() {
	r.Helper()
	history := r.helm.history(r.name)
	began := time.Now()
	r.agent.Kill()
	r.agent.Start()
	r.settled(r.name)
	r.commit("Say something", map[string]string{"README.md": "Nothing.\n"})
	r.settled(r.name)
	r.unwritten(began)
	if got := r.helm.history(r.name); !slices.Equal(got, history) {
		r.Errorf("helm history:\n%s\nwas\n%s", strings.Join(got, "\n"), strings.Join(history, "\n"))
	}
}

// remove takes the Sync away.
func (r *playedRelease) remove() {
	r.Helper()
	r.commit("Remove it", map[string]string{"fleet.yaml": configMap("beside", "one")})
}

// removed waits until the Sync has gone, and everything with it: these objects, and the records.
func (r *playedRelease) removed(paths ...string) {
	r.Helper()
	r.agent.WaitGone(r.name)
	r.plant.WaitGone(paths...)
	r.agent.WaitInSync("root")
	if got := r.helm.list(); len(got) > 0 {
		r.Errorf("helm list: %+v", got)
	}
	for _, secret := range r.plant.List(system.Path("v1", "secrets", r.ns, "")) {
		if name := secret.String("metadata", "name"); name != "settings" {
			r.Errorf("the Secret %s is left", name)
		}
	}
}

// shopAgrees fails the test unless the objects, the values and the manifest that helm has on record say the same.
func (r *playedRelease) shopAgrees(version string) {
	r.Helper()
	var values map[string]any
	r.helm.read(&values, "get", "values", "shop")
	manifest := r.helm.run("get", "manifest", "shop")
	for _, key := range []string{"greeting", "colour", "size"} {
		got := r.value("shop", key)
		if got != values[key] || !strings.Contains(manifest, fmt.Sprintf("%s: %q", key, got)) {
			r.Errorf("%s is %q in the cluster, and %v in helm get values; helm get manifest:\n%s", key, got, values[key], manifest)
		}
	}
	if got := r.value("shop", "version"); got != version || !strings.Contains(manifest, "example.com/shop:"+version) {
		r.Errorf("version %s is in the cluster, want %s; helm get manifest:\n%s", got, version, manifest)
	}
	secret := r.secret()
	if token := plainText(secret["token"]); token == "" || token != values["token"] {
		r.Errorf("the token is %q in the cluster, and %v in helm get values", token, values["token"])
	}
	delete(secret, "token")
	if r.made == nil {
		r.made = secret
	}
	for key, value := range r.made {
		if told := strings.Contains(manifest, value.(string)); secret[key] != value || value == "" || !told {
			r.Errorf("%s in the Secret was %v and is %v; helm get manifest has it: %v", key, value, secret[key], told)
		}
	}
	if len(r.made) != 4 {
		r.Errorf("the Secret holds %v", slices.Sorted(maps.Keys(secret)))
	}
}

func plainText(data any) string {
	encoded, _ := data.(string)
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
