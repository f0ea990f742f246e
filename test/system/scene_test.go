package system_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// scene is one repository, one namespace and one agent that keeps the second equal to the first.
type scene struct {
	*testing.T
	plant *system.Plant
	ns    string
	repo  *gitserver.Repo
	agent *system.Process
}

// play begins a scene with files, in which NS stands for the scene's namespace (which exists), and waits until all is in sync.
func play(t *testing.T, files map[string]string) *scene {
	t.Helper()
	s := prepare(t, files)
	s.start()
	s.agent.WaitInSync()
	return s
}

// prepare begins a scene without an agent.
func prepare(t *testing.T, files map[string]string) *scene {
	t.Helper()
	s := &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")}
	s.ns = s.plant.MakeNamespace("scene")
	s.commit("Begin", files)
	return s
}

func (s *scene) start() {
	s.Helper()
	s.agent = system.StartAgent(s, system.Agent{Repo: s.repo, Kubeconfig: s.plant.Kubeconfig()})
}

// commit writes files with the scene's namespace in place of NS.
func (s *scene) commit(message string, files map[string]string) {
	s.Helper()
	for name, content := range files {
		files[name] = strings.ReplaceAll(content, "NS", s.ns)
	}
	s.repo.Commit(files, message)
}

// config is the path of a ConfigMap in the scene's namespace, and deployment that of a Deployment.
func (s *scene) config(name string) string { return system.Path("v1", "configmaps", s.ns, name) }

func (s *scene) deployment(name string) string {
	return system.Path("apps/v1", "deployments", s.ns, name)
}

// value gives one key of a ConfigMap's data, "" when there is none.
func (s *scene) value(name, key string) string {
	s.Helper()
	return s.plant.Find(s.config(name)).String("data", key)
}

// absent fails the test when an object is there.
func (s *scene) absent(paths ...string) {
	s.Helper()
	for _, path := range paths {
		if s.plant.Find(path) != nil {
			s.Errorf("%s is still there", path)
		}
	}
}

// waitProblem waits until a Sync is in a state with a problem that says all of these words, and gives the status.
func (s *scene) waitProblem(name, state string, words ...string) v1alpha1.SyncStatus {
	s.Helper()
	var status v1alpha1.SyncStatus
	system.Wait(s, name+" to be "+state+" and to say "+strings.Join(words, ", "), func() bool {
		status = s.agent.Statuses()[name]
		text := status.Reason + " " + status.Message + " " + status.Hint
		for _, problem := range status.Problems {
			text += " " + problem.Kind + " " + problem.Message + " " + problem.Hint
		}
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return status.State == state
	})
	s.Logf("%s is %s (%s): %s; hint: %s; problems: %+v", name, status.State, status.Reason, status.Message, status.Hint, status.Problems)
	return status
}

// archive reads testdata/NAME.txtar.
func archive(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, file := range txtar.Parse(data).Files {
		files[file.Name] = string(file.Data)
	}
	return files
}

// configMap is a manifest with one key of data.
func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: NS}\ndata: {key: " + value + "}\n"
}

// syncOf declares a Sync with a spec in flow style: syncOf("web", "path: web, prune: false").
func syncOf(name, spec string) string {
	return "---\napiVersion: setpoint.dev/v1alpha1\nkind: Sync\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n"
}

// deploymentOf declares a Deployment whose Pods have annotations: deploymentOf("web", "").
func deploymentOf(name, annotations string) string {
	return `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ` + name + `, namespace: NS}
spec:
  replicas: 1
  selector: {matchLabels: {app: ` + name + `}}
  template:
    metadata: {labels: {app: ` + name + `}, annotations: {` + annotations + `}}
    spec: {containers: [{name: main, image: example.com/main:1}]}
`
}
