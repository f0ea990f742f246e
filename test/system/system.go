// Package system holds the tests of the whole product: the real binary as a process, a real Git server, a real control plane.
//
// A test starts agents with StartAgent, changes what they follow with a gitserver.Repo and what they drive with a Plant, and
// waits for what must come true. Nothing here asserts on time: waits are bounded by a patience that no working machine needs,
// and how long things took is logged (see Figure). Tests share one cluster; each uses namespaces of its own (Plant.Namespace),
// a repository and therefore an agent's name of its own.
package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// Patience bounds every wait. It says that something never happens, not how fast it has to be.
var Patience = patience()

func patience() time.Duration {
	// Whoever mends a test does not want to wait that long.
	if given, err := time.ParseDuration(os.Getenv("SETPOINT_TEST_PATIENCE")); err == nil {
		return given
	}
	return 4 * time.Minute
}

// Main runs a package's tests around a cluster that they share (see cluster.Main), and removes the binary that they have built.
func Main(m *testing.M, opts cluster.Options) int {
	code := cluster.Main(m, opts)
	Clean()
	return code
}

// Clean removes the binary that tests have built.
func Clean() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}

// Agent says how to run one agent. Only Repo (or Source) is needed; no Kubeconfig means one that leads nowhere.
type Agent struct {
	Repo       *gitserver.Repo // what the root follows
	Source     string          // its URL; default: that of Repo over HTTP
	Ref        string          // default: main
	Path       string          // default: the whole repository
	Kubeconfig string
	Data       string   // the data directory; default: a folder of the test
	Interval   string   // between two looks at the source; default 1s
	Args       []string // further flags of `setpoint run`
	Env        []string // further variables, NAME=value
}

// Process is an agent that runs as a process, or did until it was stopped. Its methods fail the test when they cannot do what
// they say; they belong to the test's goroutine.
type Process struct {
	t    testing.TB
	spec Agent
	dir  string // logs, and the data unless it is elsewhere

	runs    int // how often it was started
	running *run
}

// StartAgent starts an agent and returns when its API answers. The agent is killed when the test ends; of a failed test, its
// state and the end of its log are shown.
func StartAgent(t testing.TB, spec Agent) *Process {
	t.Helper()
	p := &Process{t: t, spec: spec.withDefaults(t), dir: t.TempDir()}
	if p.spec.Data == "" {
		p.spec.Data = filepath.Join(p.dir, "data")
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.describe()
		}
		if p.running != nil {
			p.Kill()
		}
	})
	p.Start()
	return p
}

func (a Agent) withDefaults(t testing.TB) Agent {
	t.Helper()
	if a.Source == "" {
		if a.Repo == nil {
			t.Fatal("an agent needs a Repo or a Source")
		}
		a.Source = a.Repo.URL()
	}
	if a.Ref == "" {
		a.Ref = "main"
	}
	if a.Path == "" {
		a.Path = "."
	}
	if a.Interval == "" {
		a.Interval = "1s"
	}
	return a
}

// arguments gives the command line.
func (a Agent) arguments() []string {
	args := []string{
		"run", "--source", a.Source, "--ref", a.Ref, "--path", a.Path, "--interval", a.Interval,
		"--data", a.Data, "--listen", "127.0.0.1:0", "--log-format", "json",
	}
	return append(args, a.Args...)
}

// environment gives the variables of a process: nothing of the tester's own settings, so that no test reaches a real cluster.
func (a Agent) environment(home string) []string {
	kubeconfig := a.Kubeconfig
	if kubeconfig == "" {
		kubeconfig = filepath.Join(home, "no-kubeconfig")
	}
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TZ=UTC", "KUBECONFIG=" + kubeconfig}
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "GORACE=") || strings.HasPrefix(variable, "GOCOVERDIR=") {
			env = append(env, variable)
		}
	}
	return append(env, a.Env...)
}
