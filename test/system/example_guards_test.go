package system_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestExampleGuards: what the README of examples/guards says will happen does.
func TestExampleGuards(t *testing.T) {
	s := &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("guards"), ns: "guarded"}
	s.plant.CleanUp(system.Path("v1", "namespaces", "", s.ns))
	folder := os.DirFS("../../examples/guards")
	s.repo.CommitFS(folder, "", "The shop")
	began := time.Now()
	s.agent = system.StartAgent(t, system.Agent{Repo: s.repo, Path: "clusters/dev", Kubeconfig: s.plant.Kubeconfig()})
	s.agent.Wait("Sync shop to be there", func() bool { return s.agent.Exists("shop") })
	s.says([]string{"override", "shop", "--for", "2h"}, "may act outside its windows") // whatever the time is
	s.agent.WaitInSync("root", "shop")
	s.runInOrder(began, []thing{"jobs/migrate"}, []thing{"deployments/web", "services/web"}, []thing{"jobs/announce"})
	s.ran(began, 0, "jobs/alarm")
	s.plant.WaitGone(system.Path("batch/v1", "jobs", s.ns, "announce"))

	const web, policy = "apps/shop/web.yaml", "clusters/dev/policy.yaml"
	s.edit("Use the latest image", web, "shop:1.4", "shop:latest")
	s.waitProblem("shop", "Failed", "RuleDenies", "an image has no fixed version", "name its version or its digest")

	s.edit("Scale down", web, "shop:latest", "shop:1.4", "replicas: 4", "replicas: 1")
	s.waitProblem("shop", "Held", "RuleHolds", "more than half of the replicas would go at once")
	if got := s.plant.Get(s.deployment("web")).Field("spec", "replicas"); got != float64(4) {
		t.Errorf("there are %v replicas, want 4", got)
	}
	s.says([]string{"approve", "shop", "--yes", "--comment", "few customers"}, "is approved")
	s.agent.WaitInSync("root", "shop")
	if got := s.plant.Get(s.deployment("web")).Field("spec", "replicas"); got != float64(1) {
		t.Errorf("there are %v replicas, want 1", got)
	}
	s.says([]string{"history", "shop", "-n", "1"}, "few customers")

	text := s.repo.Git("show", "main:"+web)
	s.commit("Remove the Service", map[string]string{web: text[:strings.Index(text, "---")]})
	s.waitProblem("shop", "Held", "ApprovalRequired", "Service/guarded/web")
	s.says([]string{"approve", "shop", "--yes"}, "is approved")
	s.agent.WaitInSync("root", "shop")
	s.absent(system.Path("v1", "services", s.ns, "web"))

	s.commit("Declare something elsewhere", map[string]string{
		"apps/shop/other.yaml": strings.ReplaceAll(configMap("other", "one"), "NS", "default"),
		"apps/shop/more.yaml":  configMap("more", "one"),
	})
	s.waitProblem("shop", "Failed", "allowed.namespaces of Policy production does not list \"default\"")
	s.agent.Wait("its neighbour to be applied", func() bool { return s.value("more", "key") == "one" })
	s.absent(system.Path("v1", "configmaps", "default", "other"))
	s.edit("Allow it", policy, "namespaces: [guarded]", "namespaces: [guarded, default]")
	s.plant.CleanUp(system.Path("v1", "configmaps", "default", "other"))
	s.agent.WaitInSync("root", "shop")
}

// edit commits a file with texts replaced: old, new, old, new.
func (s *scene) edit(message, file string, replacements ...string) {
	s.Helper()
	text := s.repo.Git("show", "main:"+file) + "\n"
	s.commit(message, map[string]string{file: strings.NewReplacer(replacements...).Replace(text)})
}

// says wants a command to succeed and to say something.
func (s *scene) says(args []string, want string) {
	s.Helper()
	if out := s.agent.Setpoint(args...); out.Code != 0 || !strings.Contains(out.Stdout, want) {
		s.Errorf("setpoint %s does not say %q:\n%s", strings.Join(args, " "), want, out)
	}
}
