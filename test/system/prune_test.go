package system_test

import (
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/system"
)

const ownershipLabel = "applyset.kubernetes.io/part-of"

// TestPrunesExactly: removing a file removes what was declared in it, and touches nothing else: not the objects of other files, of
// other Syncs or of nobody, and not what somebody has labelled by hand to look like ours.
func TestPrunesExactly(t *testing.T) {
	s := play(t, map[string]string{
		"fleet/fleet.yaml": syncOf("one", "path: one, guards: {massDeletion: allow}") + syncOf("two", "path: two"), "kustomization.yaml": "resources: [fleet/fleet.yaml]\n",
		"one/doomed.yaml": configMap("doomed-1", "one") + "---\n" + configMap("doomed-2", "one") + serviceOf("doomed") +
			deploymentOf("doomed", ""),
		"one/kept.yaml": configMap("kept", "one") + serviceOf("kept"),
		"two/kept.yaml": configMap("of-two", "one"),
	})
	s.agent.WaitInSync("root", "one", "two")
	label := s.plant.Get(s.config("kept")).String("metadata", "labels", ownershipLabel)
	for name, labels := range map[string]string{"stranger": ownershipLabel + ": " + label, "bystander": "a: b"} {
		s.plant.Apply("somebody", s.config(name), strings.ReplaceAll(
			strings.Replace(configMap(name, "one"), "namespace: NS", "namespace: NS, labels: {"+labels+"}", 1), "NS", s.ns))
	}
	doomed := []string{
		s.config("doomed-1"), s.config("doomed-2"), s.deployment("doomed"), system.Path("v1", "services", s.ns, "doomed"),
	}
	s.agent.WaitInSync("root", "one", "two")
	before := s.versions()
	s.repo.Delete("Remove a file", "one/doomed.yaml")
	s.agent.WaitInSync("root", "one", "two")
	s.plant.WaitGone(doomed...) // what owns Pods goes in the background
	after := s.versions()
	for _, path := range doomed {
		delete(before, path)
	}
	for path, version := range before {
		if after[path] != version {
			t.Errorf("%s was at version %s before the removal and is at %q after it", path, version, after[path])
		}
	}
}

// versions gives the resource versions of everything in the namespace that is declared in these tests.
func (s *scene) versions() map[string]string {
	s.Helper()
	versions := map[string]string{}
	for _, gvr := range kinds {
		for _, object := range s.plant.List(system.Path(gvr.GroupVersion().String(), gvr.Resource, s.ns, "")) {
			versions[system.Path(gvr.GroupVersion().String(), gvr.Resource, s.ns, object.String("metadata", "name"))] = object.Version()
		}
	}
	return versions
}

// TestRefusesObjectsOfOthers: an object that another Sync owns is refused with the names of both, and left as it is, when it is
// declared and when that declaration goes again.
func TestRefusesObjectsOfOthers(t *testing.T) {
	s := play(t, map[string]string{
		"fleet/fleet.yaml": syncOf("one", "path: one, guards: {massDeletion: allow}") + syncOf("two", "path: two"), "kustomization.yaml": "resources: [fleet/fleet.yaml]\n",
		"one/kept.yaml": configMap("kept", "one"), "two/kept.yaml": configMap("of-two", "one"),
	})
	s.agent.WaitInSync("root", "one", "two")
	before := s.plant.Get(s.config("kept"))
	s.commit("Claim it twice", map[string]string{"two/stolen.yaml": configMap("kept", "two")})
	s.waitProblem("two", "Failed", "Conflict", "/one", "/two", "ConfigMap/"+s.ns+"/kept")
	s.agent.WaitInSync("one")
	s.repo.Delete("Give it up", "two/stolen.yaml")
	s.agent.WaitInSync("root", "one", "two")
	if after := s.plant.Get(s.config("kept")); after.Version() != before.Version() {
		t.Errorf("the object was touched: %s", system.JSON(t, after))
	}
}

func serviceOf(name string) string {
	return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: NS}\nspec: {selector: {app: " + name +
		"}, ports: [{port: 80}]}\n"
}
