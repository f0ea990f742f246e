package system_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestExampleFleet: what examples/fleet says works as it stands, and a preview of it finds nothing to change.
func TestExampleFleet(t *testing.T) {
	plant := system.Shared(t)
	plant.CleanUp(
		system.Path("v1", "namespaces", "", "shop"), system.Path("v1", "namespaces", "", "database"),
		system.Path("apiextensions.k8s.io/v1", "customresourcedefinitions", "", "backups.example.com"),
	)
	folder, err := filepath.Abs("../../examples/fleet")
	if err != nil {
		t.Fatal(err)
	}
	repo := gitserver.Start(t, gitserver.Options{}).Repo("fleet")
	repo.CommitFS(os.DirFS(folder), "", "The fleet")
	agent := system.StartAgent(t, system.Agent{Repo: repo, Path: "clusters/dev", Kubeconfig: plant.Kubeconfig()})
	agent.WaitInSync("root", "infrastructure", "database", "shop")
	if out := agent.Setpoint("diff"); out.Code != 0 {
		t.Errorf("diff of what is in sync: %s", out)
	}
	for _, path := range []string{"clusters/dev", "infrastructure", "apps/database", "apps/shop/overlays/dev", "apps/shop/overlays/prod"} {
		if out := agent.Setpoint("render", filepath.Join(folder, path)); out.Code != 0 {
			t.Errorf("render %s: %s", path, out)
		}
	}
}
