package system_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestHostAndCluster: one Sync holds a file and an app of this host and a ConfigMap that the app takes its configuration from: they come
// in order, are healthy, follow each other's changes, and go together.
func TestHostAndCluster(t *testing.T) {
	s := &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")}
	s.ns = s.plant.MakeNamespace("mixed")
	dir, port := host.OpenDir(t), host.FreePort(t)
	app := strings.Replace(host.App(host.Sample(t), "unused", port), "  env: {VERSION: unused}\n",
		"  envFrom: [{configMap: {namespace: NS, name: settings}}]\n", 1)
	app = strings.Replace(app, "metadata: {name: web}", `metadata: {name: web, annotations: {setpoint.dev/wave: "1"}}`, 1)
	settings := func(version string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: NS}\ndata: {VERSION: " + version + "}\n"
	}
	mixed := func(version string) map[string]string {
		return map[string]string{
			"fleet/fleet.yaml": syncOf("mixed", "path: mixed") + syncOf("other", "path: other"),
			"mixed/mixed.yaml": settings(version) + host.File("note", "/note", "for the app\n") + app, "mixed/build/readme": "nothing to build\n",
			"other/other.yaml": configMap("other", "one"),
		}
	}
	s.commit("Begin", mixed("one"))
	data := filepath.Join(dir, "data")
	(&host.Scene{TB: t}).EndApps(data)
	s.agent = system.StartAgent(t, system.Agent{
		Repo: s.repo, Path: "fleet", Kubeconfig: s.plant.Kubeconfig(), Data: data, Args: []string{"--host-root", dir},
	})
	s.agent.WaitInSync("root", "mixed")
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	says := func(text string) func() bool {
		return func() bool {
			body, status, err := host.Get(t.Context(), http.MethodGet, url)
			return err == nil && status == http.StatusOK && strings.HasPrefix(body, text)
		}
	}
	s.agent.Wait("the app to serve what the ConfigMap says", says("one "))
	s.madeInOrder("ConfigMap", "App")

	s.commit("Change the ConfigMap alone", map[string]string{"mixed/mixed.yaml": mixed("two")["mixed/mixed.yaml"]})
	s.agent.Wait("the app to follow the ConfigMap", says("two "))
	s.agent.WaitInSync("root", "mixed")

	s.commit("Remove them together", map[string]string{"fleet/fleet.yaml": syncOf("other", "path: other")})
	s.agent.WaitGone("mixed")
	s.absent(s.config("settings"))
	if _, status, err := host.Get(t.Context(), http.MethodGet, url); err == nil && status == http.StatusOK {
		t.Error("the app still serves")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "note")); err != nil || len(left) > 0 {
		t.Errorf("left of the file: %v, %v", left, err)
	}
}

// madeInOrder looks in the history for the order in which kinds were made.
func (s *scene) madeInOrder(kinds ...string) {
	s.Helper()
	var made []string
	attempts := s.agent.History("mixed")
	slices.Reverse(attempts)
	for _, attempt := range attempts {
		for _, change := range attempt.Changes {
			if slices.Contains(kinds, change.ID.Kind) && change.Op == "create" {
				made = append(made, change.ID.Kind)
			}
		}
	}
	if !slices.Equal(made, kinds) {
		s.Errorf("made in the order %v, want %v", made, kinds)
	}
}
