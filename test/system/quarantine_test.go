package system_test

import (
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/system"
)

// watched is for how long nothing may be tried; several times the back-off.
const watched = 8 * time.Second

// refusedSpec is that of a Sync whose objects are refused: its revision is given up soon, and it looks again every second or two.
const refusedSpec = "path: web, timeout: 2s, retry: {initial: 1s, max: 2s}"

// TestQuarantine: a revision that the cluster refuses is not tried again by writes until the reason goes; then it is, by itself.
func TestQuarantine(t *testing.T) {
	cases := map[string]func(s *scene) (object string, refuse, allow func()){
		"missing definition": missingDefinition, "quota": exhaustedQuota, "admission policy": refusingPolicy,
	}
	for name, prepared := range cases {
		t.Run(name, func(t *testing.T) {
			files := onlySync("web", refusedSpec)
			files["web/kept.yaml"] = configMap("kept", "one")
			s := play(t, files)
			s.agent.WaitInSync("root", "web")
			object, refuse, allow := prepared(s)
			refuse()
			s.commit("Declare what is refused", map[string]string{
				"web/refused.yaml": object, "web/kept.yaml": configMap("kept", "two"),
			})
			bad := s.repo.Head()
			s.agent.Wait("the revision to be quarantined", func() bool {
				status := s.agent.Statuses()["web"]
				return status.State == "Failed" && status.Quarantine != nil && status.Quarantine.Revision.ID == bad
			})
			s.waitProblem("web", "Failed", "refused")
			if name == "missing definition" && s.value("kept", "key") != "two" {
				t.Error("what is not refused was not applied")
			}
			began := time.Now()
			time.Sleep(watched) // the test is about this span
			s.unwritten(began)
			system.Figure(t, "quarantine.questions", float64(len(s.asked(began))), "requests")

			allow()
			allowed := time.Now()
			s.agent.WaitInSync("root", "web")
			system.Figure(t, "quarantine.applied-after-the-cause-has-gone", time.Since(allowed).Seconds(), "s")
			if status := s.agent.Statuses()["web"]; status.Quarantine != nil || status.Applied.ID != bad {
				t.Errorf("it is applied, and the status says %s, quarantine %s", status.Applied.ID, system.JSON(t, status.Quarantine))
			}
		})
	}
}

func missingDefinition(s *scene) (object string, refuse, allow func()) {
	group := "quarantine." + s.ns + ".example.com"
	definition := system.Path("apiextensions.k8s.io/v1", "customresourcedefinitions", "", "refusals."+group)
	s.plant.CleanUp(definition)
	return "apiVersion: " + group + "/v1\nkind: Refusal\nmetadata: {name: refused, namespace: NS}\nspec: {word: one}\n",
		func() {},
		func() {
			s.plant.Apply("somebody", definition, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: refusals.`+group+`}
spec:
  group: `+group+`
  scope: Namespaced
  names: {plural: refusals, singular: refusal, kind: Refusal, listKind: RefusalList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
		}
}

func exhaustedQuota(s *scene) (object string, refuse, allow func()) {
	quota := system.Path("v1", "resourcequotas", s.ns, "few")
	refuse = func() {
		s.plant.Apply("somebody", quota, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few, namespace: "+s.ns+
			"}\nspec: {hard: {count/services: \"0\"}}\n")
		system.Wait(s, "the quota to count", func() bool {
			return s.plant.Get(quota).Field("status", "hard") != nil
		})
	}
	return strings.TrimPrefix(serviceOf("refused"), "---\n"), refuse, func() { s.plant.Delete(quota) }
}

func refusingPolicy(s *scene) (object string, refuse, allow func()) {
	version, name := "admissionregistration.k8s.io/v1", "none-is-refused-in-"+s.ns
	policy := system.Path(version, "validatingadmissionpolicies", "", name)
	binding := system.Path(version, "validatingadmissionpolicybindings", "", name)
	s.plant.CleanUp(binding, policy)
	refuse = func() {
		s.plant.Apply("somebody", policy, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: `+name+`}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+s.ns+`}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [services], operations: [CREATE, UPDATE]}]
  validations:
  - expression: "!object.metadata.name.startsWith('refused')"
    message: nothing is called refused here
`)
		s.plant.Apply("somebody", binding, "apiVersion: "+version+"\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: "+name+
			"}\nspec: {policyName: "+name+", validationActions: [Deny]}\n")
		s.waitRefusing(true)
	}
	return strings.TrimPrefix(serviceOf("refused"), "---\n"), refuse, func() {
		s.plant.Delete(binding)
		s.waitRefusing(false)
	}
}

// waitRefusing waits until the API server has taken note of a policy, or of its end, as a dry run shows.
func (s *scene) waitRefusing(want bool) {
	s.Helper()
	manifest := strings.ReplaceAll(strings.TrimPrefix(serviceOf("refused-too"), "---\n"), "NS", s.ns)
	path := system.Path("v1", "services", s.ns, "refused-too") + "?dryRun=All&fieldManager=test"
	system.Wait(s, "the policy to be in force, or not", func() bool {
		_, err := s.plant.Do(s.Context(), "PATCH", path, []byte(manifest))
		return (err != nil) == want
	})
}

// TestDependencyRecovers: a revision that failed while something that it depends on was ill is tried again, with all of its time, when
// that is healthy again.
func TestDependencyRecovers(t *testing.T) {
	files := onlySync("web", "path: web, timeout: 4s, rollback: lastHealthy, dependsOn: [{kind: Sync, name: database}]")
	files["fleet.yaml"] += syncOf("database", "path: database, timeout: 4s")
	files["database/database.yaml"] = deploymentOf("database", "")
	files["web/web.yaml"] = image("1", "")
	s := play(t, files)
	s.agent.WaitInSync("root", "database", "web")
	s.commit("Change both", map[string]string{"web/web.yaml": image("2", "cluster.test/pod: stuck")})
	s.waitImage("2")
	s.commit("Break the database", map[string]string{
		"database/database.yaml": deploymentOf("database", "cluster.test/pod: stuck"),
	})
	s.agent.Wait("the revision to be given up because of the database", func() bool {
		q := s.agent.Statuses()["web"].Quarantine
		return q != nil && len(q.Until) == 1 && q.Until[0].Name == "database"
	})
	status := s.agent.Statuses()["web"]
	t.Logf("web is %s (%s): %s; quarantine %s", status.State, status.Reason, status.Message, system.JSON(t, status.Quarantine))
	if got := s.image(); got != "example.com/main:2" {
		t.Errorf("it went back to %s although the database is to blame", got)
	}
	s.commit("Mend the database", map[string]string{"database/database.yaml": deploymentOf("database", "")})
	s.agent.WaitInSync("database")
	time.Sleep(time.Second) // web is healthy a little later than what it depends on, as such things are
	s.mendPods("web")
	s.agent.WaitInSync("root", "web")
	if got := s.image(); got != "example.com/main:2" {
		t.Errorf("in the end the image is %s", got)
	}
	for _, attempt := range s.agent.History("web") {
		t.Logf("%s %s %s: %s", attempt.Trigger, attempt.Outcome, attempt.Revision.Short(), attempt.Message)
		if attempt.RolledBackFrom != nil {
			t.Errorf("it went back once: %s", system.JSON(t, attempt))
		}
	}
}

// mendPods lets Pods of an app that are stuck become ready, without a change of what is declared.
func (s *scene) mendPods(app string) {
	s.Helper()
	for _, pod := range s.plant.List(system.Path("v1", "pods", s.ns, "")) {
		if pod.String("metadata", "labels", "app") != app || pod.String("metadata", "annotations", "cluster.test/pod") == "" {
			continue
		}
		s.plant.Edit("somebody", system.Path("v1", "pods", s.ns, pod.String("metadata", "name")), func(o system.Object) {
			delete(o.Field("metadata", "annotations").(map[string]any), "cluster.test/pod")
		})
	}
}
