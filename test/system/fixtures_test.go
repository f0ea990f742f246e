package system_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// publicRepositories gives the folder of public repositories that nobody here wrote. They are no part of the project: SETPOINT_FIXTURES
// names a folder that holds argoproj/argocd-example-apps as argocd-example-apps, PoshCode/cluster as poshcode-cluster,
// fluxcd/flux2-kustomize-helm-example under its name, and packages of podinfo's chart (6.3.5, 6.6.1, 6.9.4) in charts.
func publicRepositories(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("SETPOINT_FIXTURES")
	if folder == "" {
		t.Skip("public repositories are NOT TESTED: set SETPOINT_FIXTURES to a folder with clones of github.com/argoproj/argocd-example-apps, " +
			"github.com/fluxcd/flux2-kustomize-helm-example and github.com/PoshCode/cluster (as poshcode-cluster), and charts/podinfo-*.tgz")
	}
	return folder
}

// TestFixturesAreKept: public repositories are all present and healthy, and followed through changes. `make acceptance` runs the tests
// of this prefix.
func TestFixturesAreKept(t *testing.T) {
	folder := publicRepositories(t)
	s := &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("public")}
	s.ns = s.plant.MakeNamespace("public")
	objects := map[string]int{"sock-shop": 29, "guestbook": 2, "kustomize-guestbook": 2, "crds": 0}
	paths := map[string]string{
		"sock-shop": "argocd-example-apps/sock-shop", "guestbook": "argocd-example-apps/guestbook",
		"kustomize-guestbook": "argocd-example-apps/kustomize-guestbook", "crds": "poshcode-cluster/system/crds",
	}
	fleet := ""
	for name, path := range paths {
		fleet += syncOf(name, "path: "+path+", to: {kubernetes: {namespace: NS}}")
		s.repo.CommitFS(os.DirFS(filepath.Join(folder, path)), path, "Add "+name)
	}
	s.commit("Begin the fleet", map[string]string{"clusters/one/fleet.yaml": fleet})
	s.agent = system.StartAgent(t, system.Agent{Repo: s.repo, Path: "clusters/one", Kubeconfig: s.plant.Kubeconfig()})
	s.agent.WaitInSync("root", "sock-shop", "guestbook", "kustomize-guestbook", "crds")
	for name, want := range objects {
		items := s.agent.Sync(name).Items
		if len(items) < 2 || (want > 0 && len(items) != want) {
			t.Errorf("%s has %d objects, want %d", name, len(items), want)
		}
		for _, item := range items {
			if item.Health.Status != state.Healthy || item.Change != nil {
				t.Errorf("%s: %s is %+v, change %+v", name, item.ID, item.Health, item.Change)
			}
			if item.ID.Kind == "CustomResourceDefinition" {
				s.plant.CleanUp(system.Path("apiextensions.k8s.io/v1", "customresourcedefinitions", "", item.ID.Name))
			}
		}
	}
	for _, args := range [][]string{{"status"}, {"tree"}} {
		out := s.agent.Setpoint(args...)
		t.Logf("setpoint %s\n%s", strings.Join(args, " "), out)
		if out.Code != 0 || !strings.Contains(out.Stdout, "sock-shop") {
			t.Errorf("setpoint %s: exit code %d", strings.Join(args, " "), out.Code)
		}
	}
	s.realChanges(paths)
}

// realChanges changes, renames and deletes something in Git and looks for it in the cluster.
func (s *scene) realChanges(paths map[string]string) {
	s.Helper()
	file := paths["guestbook"] + "/guestbook-ui-deployment.yaml"
	text := s.repo.Git("show", "main:"+file) + "\n"
	s.commit("Scale the guestbook", map[string]string{file: strings.Replace(text, "replicas: 1", "replicas: 2", 1)})
	s.agent.WaitInSync()
	if got := s.plant.Get(s.deployment("guestbook-ui")).Field("spec", "replicas"); got != float64(2) {
		s.Errorf("the guestbook has %v replicas, want 2", got)
	}
	s.repo.Rename(paths["guestbook"], "moved", "Move the guestbook")
	s.waitProblem("guestbook", "Held", "EmptyRender", "the source has no such path; nothing is deleted")
	if s.plant.Find(s.deployment("guestbook-ui")) == nil {
		s.Error("a path that is gone has deleted objects")
	}
	fleet := s.repo.Git("show", "main:clusters/one/fleet.yaml") + "\n"
	s.commit("Follow it", map[string]string{"clusters/one/fleet.yaml": strings.Replace(fleet, paths["guestbook"]+",", "moved,", 1)})
	s.agent.WaitInSync()
	s.commit("Remove all but the CRDs", map[string]string{"clusters/one/fleet.yaml": syncOf("crds", "path: "+paths["crds"]+", to: {kubernetes: {namespace: NS}}")})
	s.waitProblem("root", "Held", "MassDeletion", "3 of its 4 objects would be deleted")
	s.must("approve", "root", "--yes")
	s.waitProblem("sock-shop", "Held", "MassDeletion", "29 of its 29 objects would be deleted")
	s.must("approve", "sock-shop", "--yes")
	s.agent.WaitGone("sock-shop", "guestbook", "kustomize-guestbook")
	s.agent.WaitInSync("root", "crds")
	for _, object := range s.plant.List(system.Path("apps/v1", "deployments", s.ns, "")) {
		if object.String("metadata", "deletionTimestamp") == "" {
			s.Errorf("Deployment %s is left", object.String("metadata", "name"))
		}
	}
	if left := s.agent.Statuses(); len(left) != 2 {
		s.Errorf("Syncs are left: %v", slices.Sorted(maps.Keys(left)))
	}
}
