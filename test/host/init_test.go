package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestInitialRepository: what `setpoint init` writes for a host is accepted by render, diff and run as it is, but for the port, which may
// be in use where tests run.
func TestInitialRepository(t *testing.T) {
	port := host.FreePort(t)
	repo := gitserver.Start(t, gitserver.Options{}).Repo("fleet")
	repo.Commit(map[string]string{"readme": "empty\n"}, "Begin")
	s := &host.Scene{TB: t, Repo: repo, Root: host.OpenDir(t)}
	data := filepath.Join(host.OpenDir(t), "data")
	s.EndApps(data)
	s.Agent = system.StartAgent(t, system.Agent{
		Repo: repo, Path: "hosts/web1", Data: data, Args: []string{"--host-root", s.Root, "--kubernetes", "off"},
	})
	dir := filepath.Join(t.TempDir(), "fleet")
	if out := s.Agent.Setpoint("init", dir, "--for", "host", "--name", "web1"); out.Code != 0 {
		t.Fatalf("init: %s", out)
	}
	app := filepath.Join(dir, "apps/hello/base/app.yaml")
	content, err := os.ReadFile(app)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(app, []byte(strings.Replace(string(content), "port: 8080", fmt.Sprintf("port: %d", port), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil { // a checkout is told by it
		t.Fatal(err)
	}
	if out := s.Agent.Setpoint("render", filepath.Join(dir, "apps/hello/overlays/production")); out.Code != 0 {
		t.Errorf("render: %s", out)
	}
	diff := []string{"diff", "--path", filepath.Join(dir, "hosts/web1"), "--kubernetes", "off"}
	if out := s.Agent.Setpoint(diff...); out.Code != 3 || !strings.Contains(out.Stdout, "App/hello  create") {
		t.Errorf("diff before: %s", out)
	}
	if err := os.Remove(filepath.Join(dir, ".git")); err != nil {
		t.Fatal(err)
	}
	repo.CommitFS(os.DirFS(dir), "", "What init wrote")
	s.Agent.WaitInSync("root", "hello")
	s.Says(fmt.Sprintf("http://127.0.0.1:%d/", port), "Hello from production, from release 1")
	if !strings.Contains(s.Read("/etc/hello/hello.conf"), "environment = production") {
		t.Errorf("the file says %q", s.Read("/etc/hello/hello.conf"))
	}
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out := s.Agent.Setpoint(diff...); out.Code != 0 {
		t.Errorf("diff of what is in sync: %s", out)
	}
}
