package cluster

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// ForTest starts a cluster for one test and stops it when the test ends. A cluster that cannot start fails the test: a test
// that silently skips proves nothing.
func ForTest(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the API server's log:\n%s", c.apiserver.logTail())
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// shared is the one cluster of a test binary; Main owns it.
var shared struct {
	sync.Mutex
	opts    *Options // set by Main
	cluster *Cluster
	err     error
}

// Main runs a package's tests around one cluster that they share. Use it as
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m, cluster.Options{ControllerManager: true, Nodes: 2})) }
//
// The cluster is started by the first test that asks for it with Shared, and stopped when all tests have run.
func Main(m *testing.M, opts Options) int {
	shared.Lock()
	shared.opts = &opts
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil {
		return code
	}
	if err := shared.cluster.Stop(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Shared returns the cluster of this test binary, see Main. Tests that share it use namespaces of their own, and do not kill
// its processes.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.opts == nil {
		t.Fatal("cluster.Shared needs a TestMain that calls cluster.Main, which stops the cluster; add one to the package")
	}
	if shared.cluster == nil && shared.err == nil {
		// Not the test's own context: the cluster outlives the test that happens to be first.
		shared.cluster, shared.err = Start(context.Background(), *shared.opts)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}
