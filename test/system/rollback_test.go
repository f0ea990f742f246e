package system_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// patience is the time that revisions have in these tests to become healthy, and goesBack the spec that gives it to them.
const (
	patience = "8s"
	goesBack = "path: web, rollback: lastHealthy, timeout: " + patience
)

// image declares the Deployment web with a version of its image, whose Pods have annotations.
func image(version, annotations string) string {
	return strings.Replace(deploymentOf("web", annotations), "main:1", "main:"+version, 1)
}

// onlySync is a repository whose root declares one Sync and a ConfigMap that has nothing to do with it.
func onlySync(name, spec string) map[string]string {
	return map[string]string{
		"fleet.yaml": configMap("beside", "one") + syncOf(name, spec), "kustomization.yaml": "resources: [fleet.yaml]\n",
	}
}

// playRollback begins a scene with a healthy Deployment in a Sync that goes back from what does not become so.
func playRollback(t *testing.T) (s *scene, server *gitserver.Server, good string) {
	t.Helper()
	server = gitserver.Start(t, gitserver.Options{})
	s = &scene{T: t, plant: system.Shared(t), repo: server.Repo("fleet")}
	s.ns = s.plant.MakeNamespace("rollback")
	files := onlySync("web", goesBack)
	files["web/web.yaml"] = image("1", "")
	s.commit("Begin", files)
	s.start()
	s.agent.WaitInSync("root", "web")
	return s, server, s.repo.Head()
}

// TestRollback: a revision that does not become healthy is left for the last that was, and not tried again; the next good one is.
func TestRollback(t *testing.T) {
	s, _, good := playRollback(t)
	s.commit("Break it", map[string]string{"web/web.yaml": image("2", "cluster.test/pod: stuck")})
	bad := s.repo.Head()
	s.waitImage("2")
	applied := time.Now()
	s.waitImage("1")
	s.waitHealthy()
	system.Figure(t, "rollback.from-applied-to-healthy-again", time.Since(applied).Seconds(), "s")
	t.Logf("the timeout is %s", patience)
	s.waitRolledBack(good, bad)

	began := time.Now()
	s.commit("Change something else", map[string]string{
		"fleet.yaml": strings.Replace(onlySync("web", goesBack)["fleet.yaml"], "one", "two", 1),
	})
	s.agent.Wait("the Sync and its parent to see the commit", func() bool {
		now := s.agent.Statuses()
		return now["web"].Revision.ID == s.repo.Head() && now["root"].Applied.ID == s.repo.Head()
	})
	s.waitRolledBack(good, bad)
	s.agent.Kill()
	s.agent.Start()
	s.waitRolledBack(good, bad)
	s.unwritten(began, "web")

	s.plant.Edit("somebody", s.deployment("web"), func(o system.Object) { o["spec"].(map[string]any)["replicas"] = 3 })
	system.Wait(t, "the drift to be repaired while rolled back", func() bool {
		return s.plant.Get(s.deployment("web")).Field("spec", "replicas") == float64(1)
	})

	s.commit("Mend it", map[string]string{"web/web.yaml": image("3", "")})
	s.agent.WaitInSync("root", "web")
	if got := s.image(); got != "example.com/main:3" {
		t.Errorf("after the next good commit the image is %s", got)
	}
	s.story(good, bad, s.repo.Head())
}

// TestRollbackWithoutGit: going back needs no Git server, and neither does an agent that is killed and started after it.
func TestRollbackWithoutGit(t *testing.T) {
	s, server, good := playRollback(t)
	s.commit("Break it", map[string]string{"web/web.yaml": image("2", "cluster.test/pod: crash")})
	bad := s.repo.Head()
	s.agent.Wait("the bad revision to be pulled", func() bool { return s.agent.Statuses()["web"].Revision.ID == bad })
	server.Stop()
	s.waitImage("1")
	s.waitRolledBack(good, bad)

	s.agent.Kill()
	s.plant.Delete(s.deployment("web"))
	s.agent.Start()
	s.waitImage("1")
	s.waitHealthy()
	s.waitRolledBack(good, bad)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	s.commit("Mend it", map[string]string{"web/web.yaml": image("3", "")})
	s.agent.WaitInSync("root", "web")
}

func (s *scene) image() string {
	s.Helper()
	containers, _ := s.plant.Find(s.deployment("web")).Field("spec", "template", "spec", "containers").([]any)
	if len(containers) == 0 {
		return ""
	}
	return system.Object(containers[0].(map[string]any)).String("image")
}

func (s *scene) waitImage(version string) {
	s.Helper()
	system.Wait(s, "the Deployment to have image "+version, func() bool { return s.image() == "example.com/main:"+version })
}

// waitHealthy waits until the cluster itself says that the Deployment has rolled out.
func (s *scene) waitHealthy() {
	s.Helper()
	system.Wait(s, "the Deployment to be healthy", func() bool {
		web := s.plant.Find(s.deployment("web"))
		for _, count := range []string{"replicas", "updatedReplicas", "readyReplicas"} {
			if web.Field("status", count) != float64(1) {
				return false
			}
		}
		return web.Field("status", "observedGeneration") == web.Field("metadata", "generation")
	})
}

// waitRolledBack waits until the Sync says that it went back from one revision to another, and why.
func (s *scene) waitRolledBack(good, bad string) {
	s.Helper()
	s.waitProblem("web", "RolledBack", bad[:7], "apps/Deployment/"+s.ns+"/web")
	var status v1alpha1.SyncDetail
	out := s.agent.Setpoint("status", "web", "-o", "json")
	if err := json.Unmarshal([]byte(out.Stdout), &status); err != nil {
		s.Fatalf("status -o json: %v: %s", err, out)
	}
	q := status.Quarantine
	if q == nil || q.Revision.ID != bad || q.Reason != "Unhealthy" || !strings.Contains(q.Message, "/web") || q.Since.IsZero() {
		s.Errorf("the quarantine is %s, want that of %s", system.JSON(s, q), bad)
	}
	if status.Applied.ID != good {
		s.Errorf("%s is in force, want %s", status.Applied.ID, good)
	}
	if out := s.agent.Setpoint("status", "web"); !strings.Contains(out.Stdout, good[:7]) || !strings.Contains(out.Stdout, bad[:7]) {
		s.Errorf("the status does not show both revisions, %s and %s: %s", good[:7], bad[:7], out)
	}
}

// unwritten fails the test when the agent has written to objects of these names in the scene's namespace since an instant.
func (s *scene) unwritten(since time.Time, names ...string) {
	s.Helper()
	for _, event := range s.writes(since, names...) {
		s.Errorf("a write that nobody asked for: %s %s (%d)", event.Verb, event.RequestURI, event.Code)
	}
}

// writes gives the writes of the agent to objects of these names (any, when none is given) in the scene's namespace since an instant.
func (s *scene) writes(since time.Time, names ...string) (written []cluster.AuditEvent) {
	s.Helper()
	s.audit(since, func(event cluster.AuditEvent) {
		if event.Write() && !event.DryRun && event.Namespace == s.ns && (len(names) == 0 || slices.Contains(names, event.Name)) {
			written = append(written, event)
		}
	})
	return written
}

// story checks what the history tells, as a program reads it, from the revision that was healthy to that which is again.
func (s *scene) story(good, bad, mended string) {
	s.Helper()
	var history v1alpha1.History
	out := s.agent.Setpoint("history", "web", "-o", "json")
	if err := json.Unmarshal([]byte(out.Stdout), &history); err != nil {
		s.Fatalf("history -o json: %v: %s", err, out)
	}
	var told []string
	for _, attempt := range slices.Backward(history.Attempts) {
		line := attempt.Outcome + " " + attempt.Revision.ID
		if attempt.RolledBackFrom != nil {
			line += " rolled back from " + attempt.RolledBackFrom.ID
		}
		if attempt.Trigger != "drift" {
			told = append(told, line)
		}
		s.Logf("%s %s: %s", attempt.Trigger, line, attempt.Message)
	}
	want := []string{
		"Succeeded " + good, "Unhealthy " + bad, "Succeeded " + good + " rolled back from " + bad, "Succeeded " + mended,
	}
	if !slices.Equal(told, want) {
		s.Errorf("the history tells\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}
