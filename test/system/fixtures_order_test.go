package system_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// example is a folder of argoproj/argocd-example-apps whose annotations ask for an order.
type example struct {
	folder string
	beside []string // folders that it refers to
	order  [][]thing
	second [][]thing // of the revision that changes one object
	hooks  []thing
	gone   []thing // hooks whose object is deleted when they have succeeded
	// file is changed by replacing a text; which makes another desired state.
	file, old, new string
	// victim is deleted behind the agent's back.
	victim thing
}

var ordered = []example{
	{
		folder: "sync-waves",
		order: [][]thing{
			{"jobs/upgrade-sql-schema"}, {"replicasets/backend", "services/backend"}, {"jobs/maint-page-up"},
			{"replicasets/frontend", "services/frontend"}, {"jobs/maint-page-down"},
		},
		second: [][]thing{{"jobs/upgrade-sql-schema"}, {"services/backend"}, {"jobs/maint-page-up"}, {"jobs/maint-page-down"}},
		hooks:  []thing{"jobs/upgrade-sql-schema", "jobs/maint-page-up", "jobs/maint-page-down"},
		file:   "manifests.yaml", old: "port: 8080", new: "port: 8081", victim: "services/frontend",
	},
	{
		folder: "pre-post-sync", beside: []string{"kustomize-guestbook"},
		order: [][]thing{
			{"jobs/pre-post-sync-before"},
			{"deployments/pre-post-sync-kustomize-guestbook-ui", "services/pre-post-sync-kustomize-guestbook-ui"},
			{"jobs/pre-post-sync-after"},
		},
		second: [][]thing{
			{"jobs/pre-post-sync-before"}, {"deployments/pre-post-sync-kustomize-guestbook-ui"}, {"jobs/pre-post-sync-after"},
		},
		hooks: []thing{"jobs/pre-post-sync-before", "jobs/pre-post-sync-after"},
		gone:  []thing{"jobs/pre-post-sync-before", "jobs/pre-post-sync-after"},
		file:  "../kustomize-guestbook/guestbook-ui-deployment.yaml", old: "replicas: 1", new: "replicas: 2",
		victim: "services/pre-post-sync-kustomize-guestbook-ui",
	},
	{
		folder: "helm-hooks",
		order: [][]thing{
			{"jobs/upgrade-sql-schema"}, {"jobs/maint-page-up"}, {"replicasets/frontend", "services/frontend"}, {"jobs/maint-page-down"},
		},
		second: [][]thing{{"jobs/upgrade-sql-schema"}, {"jobs/maint-page-up"}, {"services/frontend"}, {"jobs/maint-page-down"}},
		hooks:  []thing{"jobs/upgrade-sql-schema", "jobs/maint-page-up", "jobs/maint-page-down"},
		file:   "manifests.yaml", old: "port: 80\n", new: "port: 8081\n", victim: "services/frontend",
	},
}

// TestFixturesRunInOrder: what Argo CD's and Helm's annotations of public examples ask for is the order of what the API server sees. A
// commit that changes an object runs the hooks once more, and in order; one that changes nothing there, and drift, run none.
func TestFixturesRunInOrder(t *testing.T) {
	fixtures := publicRepositories(t)
	for _, one := range ordered {
		t.Run(one.folder, func(t *testing.T) {
			s := &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("public")}
			s.ns = s.plant.MakeNamespace("order")
			for _, folder := range append([]string{one.folder}, one.beside...) {
				s.repo.CommitFS(os.DirFS(filepath.Join(fixtures, "argocd-example-apps", folder)), "apps/"+folder, "Add "+folder)
			}
			s.commit("Begin", map[string]string{
				"clusters/one/app.yaml": syncOf("app", "path: apps/"+one.folder+", to: {kubernetes: {namespace: NS}}"),
			})
			began := time.Now()
			s.agent = system.StartAgent(t, system.Agent{Repo: s.repo, Path: "clusters/one", Kubeconfig: s.plant.Kubeconfig()})
			s.settled("app")
			s.runInOrder(began, one.order...)
			s.ran(began, 1, one.hooks...)
			s.hooksEnded(one)
			s.again(one)
		})
	}
}

// hooksEnded wants all hooks to have succeeded, and those to be gone that are to go.
func (s *scene) hooksEnded(one example) {
	s.Helper()
	healthy := 0
	for _, item := range s.agent.Sync("app").Items {
		if item.Health.Status != state.Healthy || item.Change != nil {
			s.Errorf("%s is %+v, change %+v", item.ID, item.Health, item.Change)
		}
		if item.Health.Reason == "HookSucceeded" {
			healthy++
		}
	}
	if healthy != len(one.hooks) {
		s.Errorf("%d hooks are said to have succeeded, want %d", healthy, len(one.hooks))
	}
	for _, hook := range one.gone {
		s.plant.WaitGone(s.path(hook))
	}
}

// path gives that of a thing whose name is complete.
func (s *scene) path(of thing) string {
	resource, name, _ := strings.Cut(string(of), "/")
	version := map[string]string{"jobs": "batch/v1", "services": "v1", "replicasets": "apps/v1", "deployments": "apps/v1"}[resource]
	return system.Path(version, resource, s.ns, name)
}

// again has a second revision, one that changes nothing of it, and drift.
func (s *scene) again(one example) {
	s.Helper()
	file := filepath.Join("apps", one.folder, one.file)
	text := s.repo.Git("show", "main:"+file) + "\n"
	began := time.Now()
	s.commit("Change an object", map[string]string{file: strings.Replace(text, one.old, one.new, 1)})
	s.settled("app")
	s.runInOrder(began, one.second...)
	s.ran(began, 1, one.hooks...)
	s.hooksEnded(one)

	began = time.Now()
	s.commit("Change what is read by nobody", map[string]string{"README.md": "Nothing.\n"})
	s.settled("app")
	s.ran(began, 0, one.hooks...)
	for _, e := range s.requests(began) {
		if applied(e) {
			s.Errorf("a commit that changes nothing has written: %s %s", e.Verb, e.RequestURI)
		}
	}

	began = time.Now()
	uid := s.plant.Get(s.path(one.victim)).UID()
	s.plant.Delete(s.path(one.victim))
	s.agent.Wait(string(one.victim)+" to be there again", func() bool {
		object := s.plant.Find(s.path(one.victim))
		return object != nil && object.UID() != uid
	})
	s.settled("app")
	s.ran(began, 0, one.hooks...)
	s.ran(began, 1, one.victim)
}
