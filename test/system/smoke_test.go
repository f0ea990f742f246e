package system_test

import (
	"fmt"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

func TestTheAgentLivesAndDies(t *testing.T) {
	plant := system.Shared(t)
	ns := plant.Namespace("life")
	repo := gitserver.Start(t, gitserver.Options{}).Repo("fleet")
	repo.Commit(map[string]string{
		"namespace.yaml": fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", ns),
		"config.yaml":    fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: %s}\ndata: {colour: blue}\n", ns),
	}, "Add a namespace with its configuration")
	agent := system.StartAgent(t, system.Agent{Repo: repo, Kubeconfig: plant.Kubeconfig()})
	agent.WaitInSync("root")
	config := system.Path("v1", "configmaps", ns, "web")
	if got := plant.Get(config).String("data", "colour"); got != "blue" {
		t.Errorf("colour is %q, want blue", got)
	}
	uid := plant.Get(config).UID()
	attempts := len(agent.History(""))
	agent.Kill()
	agent.Start()
	agent.WaitInSync("root")
	agent.Stop()
	agent.Start()
	agent.WaitInSync("root")
	if plant.Get(config).UID() != uid {
		t.Error("a restart has replaced the object")
	}
	if got := len(agent.History("")); got < attempts {
		t.Errorf("%d attempts are kept, and there were %d", got, attempts)
	}
	if agent.CPU() == 0 || agent.RSS() == 0 || len(agent.Metrics()) == 0 {
		t.Error("no usage is known")
	}
	if out := agent.Setpoint("status"); out.Code != 0 {
		t.Errorf("status: %s", out)
	}
}
