package system_test

import (
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/system"
)

// migrate declares a Job that runs before anything else is changed; annotations are more of its own.
func migrate(annotations string) string {
	return `---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: NS, annotations: {setpoint.dev/hook: pre` + annotations + `}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/migrate:1}]}
`
}

// TestRepairRunsNoHooks: repairing drift, whether an edit or a deletion, and a restart of the agent run no hook again; a new revision
// does.
func TestRepairRunsNoHooks(t *testing.T) {
	files := onlySync("web", "path: web")
	files["web/web.yaml"] = configMap("web", "one") + migrate(", setpoint.dev/hook-delete: never") + deploymentOf("web", "")
	s := play(t, files)
	s.agent.WaitInSync("root", "web")
	job := system.Path("batch/v1", "jobs", s.ns, "migrate")
	first, began := s.plant.Get(job), time.Now()
	if first.Field("status", "succeeded") != float64(1) {
		t.Fatalf("the hook has not run: %s", system.JSON(t, first.Field("status")))
	}
	s.repairs("web")
	s.plant.Delete(s.config("web"))
	s.repairs("web")
	s.plant.Delete(s.deployment("web"))
	s.waitImage("1")
	s.agent.WaitInSync("root", "web")
	s.agent.Kill()
	s.plant.Edit("somebody", s.config("web"), func(o system.Object) { o["data"] = map[string]any{"key": "drifted"} })
	s.agent.Start()
	system.Wait(t, "drift to be repaired after a crash", func() bool { return s.value("web", "key") == "one" })
	s.agent.WaitInSync("root", "web")
	s.unwritten(began, "migrate")
	if now := s.plant.Get(job); now.UID() != first.UID() {
		t.Error("the Job ran a second time")
	}

	s.commit("Change the configuration", map[string]string{
		"web/web.yaml": configMap("web", "two") + migrate(", setpoint.dev/hook-delete: before") + deploymentOf("web", ""),
	})
	s.agent.WaitInSync("root", "web")
	if now := s.plant.Find(job); now.UID() == first.UID() {
		t.Error("a new revision has not run the hook")
	}
}
