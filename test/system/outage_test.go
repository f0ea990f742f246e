package system_test

import (
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// outage is how long servers are away.
func outage() time.Duration {
	if testing.Short() {
		return 5 * time.Second
	}
	return 30 * time.Second
}

// TestClusterAway: the API server and etcd are killed and come back while commits and drifts happen. The agent says what is wrong,
// and then goes on by itself.
func TestClusterAway(t *testing.T) {
	plant := system.On(t, cluster.ForTest(t, cluster.Options{}))
	repo := gitserver.Start(t, gitserver.Options{}).Repo("fleet")
	write := func(value string) {
		repo.Commit(map[string]string{
			"a.yaml": inNamespace("default", "a", value), "b.yaml": inNamespace("default", "b", value), "c.yaml": inNamespace("default", "c", "same"),
		}, "Say "+value)
	}
	write("one")
	agent := system.StartAgent(t, system.Agent{Repo: repo, Kubeconfig: plant.Kubeconfig()})
	agent.WaitInSync("root")
	at := func(name string) string { return system.Path("v1", "configmaps", "default", name) }
	uids := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		uids[name] = plant.Get(at(name)).UID()
	}

	plant.Edit("somebody", at("c"), func(o system.Object) { o["data"] = map[string]any{"key": "drifted"} })
	plant.KillAPIServer()
	plant.KillEtcd()
	write("two")
	agent.Now("root")
	agent.WaitState("Failed", "root")
	if status := agent.Sync("root"); status.Reason != "CompareFailed" && status.Reason != "Transient" || status.Problems[0].Kind != "Transient" {
		t.Errorf("without the cluster the root is %s, %s: %s", status.State, status.Reason, status.Message)
	}
	time.Sleep(outage())
	write("three")
	began := time.Now()
	if err := plant.StartEtcd(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := plant.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready := time.Now()
	plant.Edit("somebody", at("c"), func(o system.Object) { o["data"] = map[string]any{"key": "drifted again"} })
	agent.WaitInSync("root")
	system.Wait(t, "the drift to be repaired", func() bool { return plant.Get(at("c")).String("data", "key") == "same" })
	system.Figure(t, "in-sync-after-the-cluster-is-back", time.Since(ready).Seconds(), "s")
	t.Logf("the control plane took %s to come back", ready.Sub(began).Round(time.Millisecond))
	for name, uid := range uids {
		object := plant.Get(at(name))
		if object.UID() != uid {
			t.Errorf("%s was deleted and made anew", name)
		}
		if name != "c" && object.String("data", "key") != "three" {
			t.Errorf("%s has %v, want three", name, object.Field("data"))
		}
	}
	// The watches work again: drift is found without being looked for.
	plant.Edit("somebody", at("a"), func(o system.Object) { o["data"] = map[string]any{"key": "drifted"} })
	system.Wait(t, "later drift to be repaired", func() bool { return plant.Get(at("a")).String("data", "key") == "three" })
}

// TestGitAway: while Git is away drift is repaired all the same, also by an agent that was killed and started meanwhile.
func TestGitAway(t *testing.T) {
	server := gitserver.Start(t, gitserver.Options{})
	s := &scene{T: t, plant: system.Shared(t), repo: server.Repo("fleet")}
	s.ns = s.plant.MakeNamespace("git-away")
	s.commit("Begin", map[string]string{
		"fleet/root.yaml": configMap("mine", "one"), "fleet/child.yaml": syncOf("child", "path: child"), "child/config.yaml": configMap("below", "one"),
	})
	s.agent = system.StartAgent(t, system.Agent{Repo: s.repo, Path: "fleet", Kubeconfig: s.plant.Kubeconfig()})
	s.agent.WaitInSync("root", "child")
	server.Stop()
	s.repairs("mine", "below")
	s.agent.Kill()
	s.plant.Delete(s.config("below"))
	s.agent.Start()
	s.agent.WaitInSync("root", "child")
	s.repairs("mine", "below")
	s.agent.Wait("the agent to say that Git is away", func() bool { return s.agent.Sync("root").Reason == "SourceFailed" })
	if status := s.agent.Sync("root"); status.State != "InSync" || !strings.Contains(status.Message, "connection refused") {
		t.Errorf("while Git is away the root is %s: %s", status.State, status.Message)
	}
	s.commit("Go on", map[string]string{"fleet/root.yaml": configMap("mine", "two")})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	s.agent.WaitInSync("root", "child")
	if got := s.value("mine", "key"); got != "two" {
		t.Errorf("after Git is back, mine has %q, want two", got)
	}
}

// repairs disturbs ConfigMaps, and waits until each is as it was.
func (s *scene) repairs(names ...string) {
	s.Helper()
	for _, name := range names {
		system.Wait(s, name+" to be there", func() bool { return s.plant.Find(s.config(name)) != nil })
		was := s.value(name, "key")
		s.plant.Edit("somebody", s.config(name), func(o system.Object) { o["data"] = map[string]any{"key": "drifted"} })
		system.Wait(s, "the drift of "+name+" to be repaired", func() bool { return s.value(name, "key") == was })
	}
}

// TestHistoryRewritten: a forced push is followed and told; a branch that is deleted is a failure that deletes nothing, and drift
// is repaired meanwhile.
func TestHistoryRewritten(t *testing.T) {
	s := play(t, map[string]string{"a.yaml": configMap("a", "one"), "b.yaml": configMap("b", "one")})
	s.commit("Change a", map[string]string{"a.yaml": configMap("a", "two")})
	s.agent.WaitInSync()
	uids := []string{s.plant.Get(s.config("a")).UID(), s.plant.Get(s.config("b")).UID()}
	s.repo.Amend(map[string]string{"a.yaml": strings.ReplaceAll(configMap("a", "three"), "NS", s.ns)}, "Change a otherwise")
	s.agent.WaitInSync()
	if got := s.value("a", "key"); got != "three" {
		t.Errorf("after a forced push a has %q, want three", got)
	}
	if !strings.Contains(s.agent.Log(), `"rewritten":true`) {
		t.Error("the agent does not say that the history was rewritten")
	}

	tip := s.repo.Head()
	s.repo.DeleteBranch("main")
	s.agent.Wait("the agent to say that the branch is gone", func() bool { return s.agent.Sync("root").Reason == "SourceFailed" })
	status := s.agent.Sync("root")
	if status.State != "Failed" || !strings.Contains(status.Message, "no branch main") || status.Hint == "" || status.Applied.ID != tip {
		t.Errorf("without its branch the root is %s at %s: %s (%s)", status.State, status.Applied.ID, status.Message, status.Hint)
	}
	s.repairs("a", "b")
	s.agent.Kill()
	s.agent.Start()
	s.repairs("a", "b")
	if s.plant.Get(s.config("a")).UID() != uids[0] || s.plant.Get(s.config("b")).UID() != uids[1] {
		t.Error("objects were deleted and made anew")
	}
	s.repo.ForcePush(tip)
	s.agent.WaitInSync()
}
