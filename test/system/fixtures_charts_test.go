package system_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/system"
)

const podinfoValues = `helm: {chart: charts/podinfo, values: {replicaCount: 2}, valuesFrom: [
  {file: values/podinfo.yaml}, {configMap: {name: settings}}, {secret: {name: settings}, key: token, at: ui.message}]}`

// TestFixturesPodinfoIsKept: three releases of podinfo's chart are installed, upgraded, repaired, downgraded and removed, from a chart
// repository and from a registry, and the helm command says the same at each step.
func TestFixturesPodinfoIsKept(t *testing.T) {
	folder := publicRepositories(t)
	archive := func(version string) string { return filepath.Join(folder, "charts", "podinfo-"+version+".tgz") }
	for name, publishers := range map[string]func(*testing.T) publisher{"http": newWebsite, "oci": newCharts} {
		t.Run(name, func(t *testing.T) {
			r := prepareRelease(t, "podinfo", publishers(t), "ui: {color: '#111111'}\n")
			r.spec, r.agrees = podinfoValues, r.podinfoAgrees
			r.give(`ui: {logo: "one.gif"}`, "hello")
			r.charts.publish(r.helm, archive("6.3.5"))
			r.declare("Begin", "6.x")
			r.start()
			r.sees("6.3.5", "1 deployed podinfo-6.3.5 Install complete")
			r.commit("Paint it", map[string]string{"values/podinfo.yaml": "ui: {color: '#222222'}\n"})
			r.shows("UI_COLOR", "#222222")
			r.sees("6.3.5")
			r.give(`ui: {logo: "two.gif"}`, "hello")
			r.shows("UI_LOGO", "two.gif")
			r.sees("6.3.5")
			r.give(`ui: {logo: "two.gif"}`, "goodbye")
			r.shows("UI_MESSAGE", "goodbye")
			r.sees("6.3.5")
			for _, version := range []string{"6.6.1", "6.9.4"} {
				r.charts.publish(r.helm, archive(version))
				r.runs(version)
				r.sees(version)
			}
			r.declare("Go back", "~6.6")
			r.runs("6.6.1")
			r.sees("6.6.1")
			r.plant.Edit("somebody", r.deployment("podinfo"), func(o system.Object) { o.Field("spec").(map[string]any)["replicas"] = 7 })
			system.Wait(r, "the replicas to be two again", func() bool {
				return r.plant.Get(r.deployment("podinfo")).Field("spec", "replicas") == float64(2)
			})
			r.settled("podinfo")
			r.stays()
			r.remove()
			r.removed(r.deployment("podinfo"), system.Path("v1", "services", r.ns, "podinfo"))
		})
	}
}

// podinfoIn gives what podinfo is run with: the version of its image, and its variables without their common beginning.
func (r *playedRelease) podinfoIn() (version string, variables map[string]string) {
	r.Helper()
	containers, _ := r.plant.Find(r.deployment("podinfo")).Field("spec", "template", "spec", "containers").([]any)
	variables = map[string]string{}
	for _, one := range containers {
		container := system.Object(one.(map[string]any))
		_, version, _ = strings.Cut(container.String("image"), ":")
		env, _ := container["env"].([]any)
		for _, variable := range env {
			v := system.Object(variable.(map[string]any))
			variables[strings.TrimPrefix(v.String("name"), "PODINFO_")] = v.String("value")
		}
	}
	return version, variables
}

func (r *playedRelease) shows(variable, value string) {
	r.Helper()
	system.Wait(r, variable+" to be "+value, func() bool {
		_, variables := r.podinfoIn()
		return variables[variable] == value
	})
}

func (r *playedRelease) runs(version string) {
	r.Helper()
	system.Wait(r, "podinfo "+version+" to run", func() bool {
		found, _ := r.podinfoIn()
		return found == version
	})
}

// podinfoAgrees fails the test unless the Deployment, the values and the manifest that helm has on record say the same.
func (r *playedRelease) podinfoAgrees(version string) {
	r.Helper()
	var values struct {
		ReplicaCount int
		UI           struct{ Color, Logo, Message string }
	}
	r.helm.read(&values, "get", "values", "podinfo")
	running, variables := r.podinfoIn()
	if running != version || values.ReplicaCount != 2 || variables["UI_COLOR"] != values.UI.Color ||
		variables["UI_LOGO"] != values.UI.Logo || variables["UI_MESSAGE"] != values.UI.Message {
		r.Errorf("podinfo %s runs with %v, want %s with %+v", running, variables, version, values)
	}
	manifest := r.helm.run("get", "manifest", "podinfo")
	for _, want := range []string{"podinfo:" + version, values.UI.Color, values.UI.Logo, values.UI.Message} {
		if !strings.Contains(manifest, want) {
			r.Errorf("helm get manifest has no %s:\n%s", want, manifest)
		}
	}
	if out := r.agent.Setpoint("history", "podinfo", "-o", "json"); strings.Contains(out.Stdout, values.UI.Message) {
		r.Error("the history tells what comes from a Secret")
	}
}

// unpack unpacks a chart's package, and gives the chart's directory.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	mustRun(t, "tar", "-xzf", archive, "-C", dir)
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s holds %v, %v", archive, found, err)
	}
	return found[0]
}

// clone makes a folder a Git repository somewhere else, as it was before somebody had copied it.
func clone(t *testing.T, folder string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "git", "init", "-q", dir)
	return dir
}
