package system_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// refused runs the command line until it ends by itself, and gives what it said with its exit code.
func refused(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), system.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, system.Binary(t), args...)
	var said bytes.Buffer
	command.Stdout, command.Stderr, command.Dir = &said, &said, t.TempDir()
	command.Env = append([]string{"HOME=" + command.Dir, "PATH=" + os.Getenv("PATH")}, env...)
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return said.String(), command.ProcessState.ExitCode()
}

// TestWrongStarts: an agent that cannot start says in a line why and in another what to do, and exits with 2 when it was called
// wrongly.
func TestWrongStarts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	busy := gitserver.Start(t, gitserver.Options{}).Repo("busy")
	busy.Commit(map[string]string{"README": "nothing\n"}, "Begin")
	other := system.StartAgent(t, system.Agent{Repo: busy})
	words := strings.NewReplacer("$DIR", dir, "$TAKEN", taken.Addr().String(), "$FILE", write("file", ""),
		"$BROKEN", write("broken.kubeconfig", "clusters: ["), "$LOCKED", other.Data())

	const run = "run --source file:///nowhere --data $DIR/data --listen 127.0.0.1:0 "
	var told strings.Builder
	for _, start := range []struct {
		args string
		env  []string
		code int
	}{
		{"run", nil, 2},
		{"run --sorce https://git.example.com/fleet.git", nil, 2},
		{"run https://git.example.com/fleet.git", nil, 2},
		{"ran", nil, 2},
		{"run --source git.example.com --data $DIR/data", nil, 2},
		{run + "--ref tga:v1", nil, 2},
		{run + "--interval 5", nil, 2},
		{run + "--path ../fleet", nil, 2},
		{run, []string{"SETPOINT_PATH=/fleet"}, 2},
		{run + "--name Fleet --namespace My_Shop", nil, 2},
		{run + "--log-level loud", nil, 2},
		{run + "--token-file $DIR/nothing", nil, 2},
		{run + "--listen 7468", nil, 2},
		{run + "--listen 0.0.0.0:0", nil, 1},
		{run + "--listen $TAKEN", nil, 1},
		{run + "--data $FILE", nil, 1},
		{run + "--data $LOCKED", nil, 1},
		{run + "--database-url postgres://me:hunter2@db/setpoint", nil, 2},
		{run + "--kubeconfig $DIR/nothing", nil, 2},
		{run + "--kubeconfig $BROKEN", nil, 2},
		{run, []string{"KUBECONFIG=$BROKEN"}, 2},
		{run + "--context eu-1", nil, 2},
		{"status --url http://127.0.0.1:1", nil, 1},
	} {
		var env []string
		for _, variable := range start.env {
			env = append(env, words.Replace(variable))
		}
		said, code := refused(t, env, strings.Fields(words.Replace(start.args))...)
		if code != start.code {
			t.Errorf("setpoint %s: exit code %d, want %d:\n%s", start.args, code, start.code, said)
		}
		if !strings.Contains(said, "hint: ") || strings.Contains(said, "hunter2") {
			t.Errorf("setpoint %s does not say what to do, or says too much:\n%s", start.args, said)
		}
		for from, to := range map[string]string{dir: "$DIR", taken.Addr().String(): "$TAKEN", other.Data(): "$LOCKED"} {
			said = strings.ReplaceAll(said, from, to)
		}
		fmt.Fprintf(&told, "$ %s\n%s(exit code %d)\n\n", strings.Join(append(start.env, "setpoint "+start.args), " "), said, code)
	}
	system.Golden(t, "wrong-starts", told.String())
}

// TestStartsWithoutGit: an agent whose repository cannot be reached starts, says so, and goes on by itself when it can.
func TestStartsWithoutGit(t *testing.T) {
	server := gitserver.Start(t, gitserver.Options{})
	plant := system.Shared(t)
	ns := plant.MakeNamespace("no-git")
	repo := server.Repo("fleet")
	repo.Commit(map[string]string{"config.yaml": inNamespace(ns, "web", "one")}, "Begin")
	server.Stop()
	agent := system.StartAgent(t, system.Agent{Repo: repo, Kubeconfig: plant.Kubeconfig()})
	agent.Wait("the agent to say that Git is away", func() bool { return agent.Sync("root").State == "Failed" })
	status := agent.Sync("root")
	if status.Reason != "SourceFailed" || !strings.Contains(status.Message, "connection refused") || status.Hint == "" {
		t.Errorf("without Git the root is %s, %s: %s (%s)", status.State, status.Reason, status.Message, status.Hint)
	}
	if out := agent.Setpoint("status"); out.Code != 0 || !strings.Contains(out.Stdout, "needs attention") {
		t.Errorf("setpoint status: %s", out)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	agent.WaitInSync("root")
	plant.Get(system.Path("v1", "configmaps", ns, "web"))
}

// TestStartsWithoutCluster: an agent whose API server cannot be reached starts, says so, and goes on by itself when it can; one
// that has no cluster at all says how to name one.
func TestStartsWithoutCluster(t *testing.T) {
	plant := system.On(t, cluster.ForTest(t, cluster.Options{}))
	repo := gitserver.Start(t, gitserver.Options{}).Repo("fleet")
	repo.Commit(map[string]string{"config.yaml": inNamespace("default", "web", "one")}, "Begin")

	nowhere := system.StartAgent(t, system.Agent{Repo: repo})
	nowhere.WaitState("Failed", "root")
	if status := nowhere.Sync("root"); !strings.Contains(status.Hint, "KUBECONFIG") {
		t.Errorf("without a cluster the root is %s, %s: %s (%s)", status.State, status.Reason, status.Message, status.Hint)
	}
	nowhere.Stop()

	plant.KillAPIServer()
	agent := system.StartAgent(t, system.Agent{Repo: repo, Kubeconfig: plant.Kubeconfig()})
	agent.WaitState("Failed", "root")
	if status := agent.Sync("root"); status.Reason != "CompareFailed" || status.Hint == "" || len(status.Problems) == 0 || status.Problems[0].Kind != "Transient" {
		t.Errorf("without the API server the root is %s, %s: %s (%s)", status.State, status.Reason, status.Message, status.Hint)
	}
	if err := plant.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent.WaitInSync("root")
	plant.Get(system.Path("v1", "configmaps", "default", "web"))
}

// inNamespace is a ConfigMap with one key.
func inNamespace(namespace, name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {key: %q}\n", name, namespace, value)
}
