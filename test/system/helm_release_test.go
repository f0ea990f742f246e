package system_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// playedRelease is a scene with a Sync "shop" that keeps a release of the chart of this name.
type playedRelease struct {
	*scene

	helm     *helmCommand
	charts   publisher
	spec     string         // what else the Sync's spec says
	revision int            // of the release
	made     map[string]any // what the chart has made at random
}

// prepareRelease makes a scene in which nothing is declared yet.
func prepareRelease(t *testing.T, charts publisher, spec string) *playedRelease {
	t.Helper()
	r := &playedRelease{
		scene:  &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")},
		charts: charts, spec: spec,
	}
	r.ns = r.plant.MakeNamespace("release")
	r.commit("Give values", map[string]string{
		"kustomization.yaml": "resources: [fleet.yaml]\n", "values/shop.yaml": "colour: red\ngreeting: from a file\n",
	})
	r.helm = newHelm(t, r.plant.Kubeconfig(), r.ns)
	r.plant.CleanUp(r.gadgets())
	return r
}

func (r *playedRelease) publish(version string) {
	r.Helper()
	r.charts.publish(r.helm, r.helm.pack(r.shop(version)))
}

// declare has the Sync follow a range of versions.
func (r *playedRelease) declare(message, versions string) {
	r.Helper()
	r.commit(message, map[string]string{
		"fleet.yaml": configMap("beside", "one") + syncOf("shop", "path: values, to: {kubernetes: {namespace: NS}}, "+
			"imports: [{at: charts/shop, source: "+r.charts.source("shop", versions)+"}], "+r.spec),
	})
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
	r.agent.WaitInSync("root", "shop")
	r.revision += max(1, len(ends))
	want := listedRelease{
		Name: "shop", Namespace: r.ns, Revision: fmt.Sprint(r.revision), Status: "deployed", Chart: "shop-" + version, AppVersion: version,
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
		ends = []string{fmt.Sprintf("%d deployed shop-%s Upgrade complete", r.revision, version)}
	}
	history := r.helm.history("shop")
	if len(history) < len(ends) || !slices.Equal(history[len(history)-len(ends):], ends) {
		r.Errorf("helm history:\n%s\nwant at its end\n%s", strings.Join(history, "\n"), strings.Join(ends, "\n"))
	}
	for _, line := range history[:len(history)-1] {
		if strings.Contains(line, " deployed ") {
			r.Errorf("helm history has more than one that is deployed:\n%s", strings.Join(history, "\n"))
		}
	}
	r.agrees(version)
}

// agrees fails the test unless the objects, the values and the manifest that helm has on record say the same.
func (r *playedRelease) agrees(version string) {
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
		if secret[key] != value || value == "" || !strings.Contains(manifest, value.(string)) {
			r.Errorf("%s in the Secret was %v and is %v, and helm get manifest has it: %v", key, value, secret[key], strings.Contains(manifest, value.(string)))
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
