package cluster

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childEnv makes this test binary start a cluster, print its processes and hang, so that a test can kill it.
const childEnv = "SETPOINT_TEST_CLUSTER_CHILD"

func runChild() int {
	c, err := Start(context.Background(), Options{Dir: os.Getenv(childEnv)})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, p := range c.processes() {
		fmt.Println(p.cmd.Process.Pid)
	}
	fmt.Println("ready")
	select {}
}

func TestNoProcessOutlivesItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux promises this")
	}
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+t.TempDir())
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(output); lines.Scan() && lines.Text() != "ready"; {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) != 2 {
		t.Fatalf("the child started the processes %v, want etcd and the API server", pids)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as intended
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d gone", pid), func() error {
			if alive(pid) {
				return fmt.Errorf("process %d is alive", pid)
			}
			return nil
		})
	}
}

// alive reports whether a process runs. A dead one that nobody waits for, as in a container without an init, does not.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(afterName, "Z")
}

func TestStoppedClusterStartsNothing(t *testing.T) {
	s := newSpawner()
	s.close()
	if err := s.start(exec.Command("true")); err == nil {
		t.Error("a closed spawner started a process")
	}
}
