package system_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/cluster"
)

// TestFollowsGit: what is changed, moved, renamed or deleted in Git is so in the cluster.
func TestFollowsGit(t *testing.T) {
	s := play(t, map[string]string{
		"a.yaml": configMap("a", "one"), "b.yaml": configMap("b", "one"), "c.yaml": configMap("c", "one"),
	})
	s.commit("Change a", map[string]string{"a.yaml": configMap("a", "two")})
	s.agent.WaitInSync()
	if got := s.value("a", "key"); got != "two" {
		t.Errorf("a has %q, want two", got)
	}

	before := s.plant.Get(s.config("b"))
	s.repo.Rename("b.yaml", "elsewhere/moved.yaml", "Move b to another file")
	s.agent.WaitInSync()
	if after := s.plant.Get(s.config("b")); after.Version() != before.Version() {
		t.Error("moving a file has written the object in it")
	}
	items := s.agent.Sync("root").Items
	if !slices.ContainsFunc(items, func(item v1alpha1.ObjectStatus) bool { return item.Origin == "elsewhere/moved.yaml:1" }) {
		t.Errorf("nothing is said to come from the moved file: %+v", items)
	}

	s.commit("Rename c", map[string]string{"c.yaml": configMap("d", "one")})
	s.agent.WaitInSync()
	s.absent(s.config("c"))
	if s.value("d", "key") != "one" {
		t.Error("d is missing")
	}

	s.repo.Delete("Delete a", "a.yaml")
	s.agent.WaitInSync()
	s.absent(s.config("a"))
	if last := s.agent.History("root")[0]; last.Revision.Message != "Delete a" || last.Revision.Author != "Ann <ann@example.com>" ||
		last.Outcome != "Succeeded" || last.Trigger != "revision" {
		t.Errorf("the history ends with %+v", last)
	}
}

// TestRemovedSyncs: the objects of a removed Sync go, those of its children first; with deletion: orphan they stay.
func TestRemovedSyncs(t *testing.T) {
	s := play(t, map[string]string{
		"fleet/keep.yaml":     configMap("keep", "one"),
		"fleet/parent.yaml":   syncOf("parent", "path: parent"),
		"fleet/left.yaml":     syncOf("left", "path: left, deletion: orphan"),
		"parent/child.yaml":   syncOf("child", "path: child"),
		"parent/config.yaml":  configMap("of-parent", "one"),
		"child/config.yaml":   configMap("of-child", "one"),
		"left/config.yaml":    configMap("left", "one"),
		"kustomization.yaml":  "resources: [fleet/keep.yaml, fleet/parent.yaml, fleet/left.yaml]\n",
		"other/not-used.yaml": configMap("not-used", "one"),
	})
	s.agent.WaitInSync("parent", "child", "left")
	began := time.Now()
	s.commit("Remove two Syncs", map[string]string{"kustomization.yaml": "resources: [fleet/keep.yaml]\n"})
	s.agent.WaitGone("parent", "child", "left")
	s.agent.WaitInSync("root")
	s.absent(s.config("of-parent"), s.config("of-child"), s.config("not-used"))
	if s.value("left", "key") != "one" {
		t.Error("what the orphaning Sync owned is gone")
	}
	if s.value("keep", "key") != "one" {
		t.Error("the root's own object is gone")
	}
	var deleted []string
	s.audit(began, func(event cluster.AuditEvent) {
		if event.Verb == "delete" && event.Namespace == s.ns && event.Code == 200 {
			deleted = append(deleted, event.Name)
		}
	})
	if !slices.Equal(deleted, []string{"of-child", "of-parent"}) {
		t.Errorf("deleted were %v, want of-child before of-parent", deleted)
	}
	if list := s.agent.History("child"); len(list) == 0 || list[0].Trigger != "deletion" || list[0].Outcome != "Succeeded" {
		t.Errorf("the history of the child does not end with its deletion: %+v", list)
	}
}

// audit shows a test all requests of agents since an instant. The log is written a moment after the answer.
func (s *scene) audit(since time.Time, visit func(cluster.AuditEvent)) {
	s.Helper()
	time.Sleep(time.Second) // what has been answered is in the log then; nothing can say so
	events, err := s.plant.AuditEvents(since)
	if err != nil {
		s.Fatal(err)
	}
	for _, event := range events {
		if strings.HasPrefix(event.UserAgent, "setpoint/") {
			visit(event)
		}
	}
}

// TestSuspended: a suspended Sync changes nothing, whoever suspended it, and catches up when it is resumed.
func TestSuspended(t *testing.T) {
	s := play(t, map[string]string{"a.yaml": configMap("a", "one")})
	if out := s.agent.Setpoint("suspend", "root"); out.Code != 0 {
		t.Fatalf("suspend: %s", out)
	}
	s.agent.WaitState("Suspended", "root")
	s.commit("Change a", map[string]string{"a.yaml": configMap("a", "two")})
	s.agent.Restart() // it is remembered
	s.agent.WaitState("Suspended", "root")
	if got := s.value("a", "key"); got != "one" {
		t.Errorf("a suspended Sync has written %q", got)
	}
	if out := s.agent.Setpoint("resume", "root"); out.Code != 0 {
		t.Fatalf("resume: %s", out)
	}
	s.agent.WaitInSync("root")
	if got := s.value("a", "key"); got != "two" {
		t.Errorf("after resuming, a has %q, want two", got)
	}
	s.commit("Add a suspended Sync", map[string]string{
		"a.yaml": configMap("a", "two") + syncOf("below", "path: below, suspend: true"), "below/b.yaml": configMap("b", "one"),
		"kustomization.yaml": "resources: [a.yaml]\n",
	})
	s.agent.WaitState("Suspended", "below")
	s.absent(s.config("b"))
	s.commit("Resume it", map[string]string{"a.yaml": configMap("a", "two") + syncOf("below", "path: below, suspend: false")})
	s.agent.WaitInSync("root", "below")
	if s.value("b", "key") != "one" {
		t.Error("b is missing")
	}
}

// TestPruneDisabled: an object that says so, and every object of a Sync that says so, stays when its declaration goes.
func TestPruneDisabled(t *testing.T) {
	annotated := strings.Replace(configMap("a", "one"), "namespace: NS", `namespace: NS, annotations: {setpoint.dev/prune: disabled}`, 1)
	s := play(t, map[string]string{
		"fleet.yaml":  configMap("keep", "one") + "---\n" + annotated + syncOf("kept", "path: kept, prune: false"),
		"kept/b.yaml": configMap("b", "one"), "kept/c.yaml": configMap("c", "one"),
		"kustomization.yaml": "resources: [fleet.yaml]\n",
	})
	s.agent.WaitInSync("root", "kept")
	s.commit("Remove a", map[string]string{"fleet.yaml": configMap("keep", "one") + syncOf("kept", "path: kept, prune: false")})
	s.repo.Delete("Remove b", "kept/b.yaml")
	s.agent.WaitInSync("root", "kept")
	for _, name := range []string{"a", "b", "c"} {
		if s.value(name, "key") != "one" {
			t.Errorf("%s has been pruned", name)
		}
	}
}

// TestDependencies: a Sync waits for another Sync, and for a Deployment that belongs to no Sync, and says so.
func TestDependencies(t *testing.T) {
	s := prepare(t, map[string]string{
		"fleet.yaml": syncOf("database", "path: database") + syncOf("api", "path: api, dependsOn: [{kind: Sync, name: database}]") +
			syncOf("web", "path: web, dependsOn: [{group: apps, kind: Deployment, namespace: NS, name: foreign}]"),
		"database/database.yaml": deploymentOf("database", "cluster.test/pod: stuck"),
		"api/api.yaml":           configMap("api", "one"),
		"web/web.yaml":           configMap("web", "one"),
		"kustomization.yaml":     "resources: [fleet.yaml]\n",
	})
	s.start()
	s.waitProblem("api", "Pending", "database")
	s.waitProblem("web", "Pending", "foreign")
	s.absent(s.config("api"), s.config("web"))
	s.commit("Repair the database", map[string]string{"database/database.yaml": deploymentOf("database", "")})
	s.agent.WaitInSync("database", "api")
	s.plant.Apply("somebody", s.deployment("foreign"), strings.ReplaceAll(deploymentOf("foreign", ""), "NS", s.ns))
	s.agent.WaitInSync()
	if s.value("api", "key") != "one" || s.value("web", "key") != "one" {
		t.Error("what has waited is missing")
	}
	if ready := s.plant.Get(s.deployment("foreign")).Field("status", "readyReplicas"); ready != float64(1) {
		t.Errorf("the dependant did not wait: %v replicas are ready", ready)
	}
}

// TestUnhealthy: what does not become healthy in time is a failure that says which Pod, and why.
func TestUnhealthy(t *testing.T) {
	s := prepare(t, map[string]string{
		"fleet.yaml": configMap("keep", "one") + syncOf("web", "path: web, timeout: 3s"), "kustomization.yaml": "resources: [fleet.yaml]\n",
		"web/web.yaml": deploymentOf("web", "cluster.test/pod: crash"),
	})
	s.start()
	status := s.waitProblem("web", "Failed", "keeps crashing", "exit code 1", "apps/Deployment/"+s.ns+"/web")
	if status.Reason != "Unhealthy" || status.Objects.Failed != 1 {
		t.Errorf("the status is %+v, want Unhealthy with one failed object", status)
	}
	if health := s.agent.Sync("web").Items[0].Health; health.Reason != "CrashLoopBackOff" {
		t.Errorf("the Deployment's health is %+v, want the reason of its Pods", health)
	}
	if last := s.agent.History("web")[0]; last.Outcome != "Unhealthy" {
		t.Errorf("the history ends with %+v, want Unhealthy", last)
	}
	if out := s.agent.Setpoint("status", "--exit-code"); out.Code != 4 || !strings.Contains(out.Stdout, "keeps crashing") {
		t.Errorf("setpoint status shows no failure: %s", out)
	}
	s.commit("Repair it", map[string]string{"web/web.yaml": deploymentOf("web", "")})
	s.agent.WaitInSync("root", "web")
}
