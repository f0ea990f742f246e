package system_test

import (
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/system"
)

// jobOf declares a Job that runs as a hook: jobOf("migrate", "setpoint.dev/hook: pre", ""). Its Pods have annotations, see
// deploymentOf.
func jobOf(name, annotations, pod string) string {
	return `---
apiVersion: batch/v1
kind: Job
metadata: {name: ` + name + `, annotations: {` + annotations + `}}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {` + pod + `}}
    spec: {restartPolicy: Never, containers: [{name: main, image: "example.com/main:1"}]}
`
}

// waved puts a manifest's object into a wave.
func waved(manifest, wave string) string {
	return strings.Replace(manifest, ", namespace: NS", `, namespace: NS, annotations: {setpoint.dev/wave: "`+wave+`"}`, 1)
}

// hooked is a Sync whose hooks surround a ConfigMap and a Deployment; more is declared beside them.
func hooked(value, more string) map[string]string {
	migrate := strings.Replace(jobOf("migrate-", `setpoint.dev/hook: pre, setpoint.dev/hook-delete: "before,succeeded"`, ""),
		"{name: migrate-", "{generateName: migrate-", 1)
	return map[string]string{
		"fleet/app.yaml": syncOf("app", "path: app, rollback: lastHealthy, timeout: 30s, to: {kubernetes: {namespace: NS}}"),
		"app/app.yaml": migrate + jobOf("always", `setpoint.dev/hook: pre, setpoint.dev/wave: "1", setpoint.dev/hook-runs: always`, "") +
			"---\n" + waved(configMap("config", value), "1") +
			waved(deploymentOf("web", "value: "+value), "2") +
			jobOf("between", `setpoint.dev/hook: main, setpoint.dev/wave: "3"`, "") +
			"---\n" + waved(configMap("last", value), "4") +
			jobOf("notify", "setpoint.dev/hook: post", "") + jobOf("alarm", "setpoint.dev/hook: fail", "") + more,
		"kustomization.yaml": "resources: [fleet/app.yaml]\n",
	}
}

var hookedOrder = [][]thing{
	{"jobs/migrate-"}, {"jobs/always"}, {"configmaps/config"}, {"deployments/web"}, {"jobs/between"}, {"configmaps/last"}, {"jobs/notify"},
}

// TestHooks: on a cluster hooks run by phase and wave, once for each revision; drift runs those alone that say so. One that fails
// stops what follows it, has the fail hooks run, and the Sync goes back.
func TestHooks(t *testing.T) {
	began := time.Now()
	s := play(t, hooked("one", ""))
	s.agent.WaitInSync("root", "app")
	s.runInOrder(began, hookedOrder...)
	s.ran(began, 1, "jobs/migrate-", "jobs/always", "jobs/between", "jobs/notify")
	s.ran(began, 0, "jobs/alarm")
	for _, job := range s.plant.List(system.Path("batch/v1", "jobs", s.ns, "")) {
		if strings.HasPrefix(job.String("metadata", "name"), "migrate-") {
			t.Error("a hook is left that was to be deleted when it has succeeded")
		}
	}

	began = time.Now()
	s.commit("Two", hooked("two", ""))
	s.agent.WaitInSync("root", "app")
	s.runInOrder(began, hookedOrder...)
	s.ran(began, 1, "jobs/migrate-", "jobs/always", "jobs/between", "jobs/notify")

	began = time.Now()
	s.plant.Delete(s.config("config"))
	s.agent.Wait("the ConfigMap to be there again", func() bool { return s.value("config", "key") == "two" })
	s.agent.WaitInSync("root", "app")
	s.runInOrder(began, []thing{"jobs/always"}, []thing{"configmaps/config"})
	s.ran(began, 1, "jobs/always")
	s.ran(began, 0, "jobs/migrate-", "jobs/between", "jobs/notify")

	began = time.Now()
	s.commit("Three", hooked("three", jobOf("broken", `setpoint.dev/hook: pre, setpoint.dev/wave: "2"`, "cluster.test/pod: fail")))
	status := s.leftFor("Two", "HookFailed", "Job")
	s.ran(began, 1, "jobs/migrate-", "jobs/broken", "jobs/alarm")
	s.ran(began, 0, "jobs/between", "jobs/notify")
	for _, name := range []string{"config", "last"} {
		if got := s.value(name, "key"); got != "two" {
			t.Errorf("what follows a hook that failed has changed: %s is %q", name, got)
		}
	}
	t.Logf("%+v", status.Quarantine)

	began = time.Now()
	s.commit("Four", hooked("four", jobOf("stuck", "setpoint.dev/hook: post, setpoint.dev/hook-timeout: 3s", "cluster.test/pod: stuck")))
	s.leftFor("Two", "HookFailed", "did not end within 3s")
	s.agent.Wait("what was healthy to be there again", func() bool {
		return s.value("config", "key") == "two" && s.value("last", "key") == "two"
	})
	s.ran(began, 1, "jobs/migrate-", "jobs/between", "jobs/notify", "jobs/stuck", "jobs/alarm")

	began = time.Now()
	s.commit("Five", hooked("five", ""))
	s.agent.WaitInSync("root", "app")
	s.runInOrder(began, hookedOrder...)
	s.ran(began, 0, "jobs/alarm")
}

// leftFor waits until the newest revision was left for another, for a reason that says all of these words.
func (s *scene) leftFor(message string, words ...string) v1alpha1.SyncStatus {
	s.Helper()
	var status v1alpha1.SyncStatus
	s.agent.Wait("app to go back to "+message, func() bool {
		status = s.agent.Statuses()["app"]
		return status.State == "RolledBack" && status.Revision.ID == s.repo.Head() && status.Applied.Message == message &&
			status.Quarantine != nil && status.Quarantine.Revision.ID == s.repo.Head()
	})
	text := status.Quarantine.Reason + " " + status.Quarantine.Message
	for _, word := range words {
		if !strings.Contains(text, word) {
			s.Errorf("the reason does not say %q: %s", word, text)
		}
	}
	return status
}
