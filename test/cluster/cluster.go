// Package cluster starts a real Kubernetes control plane on loopback for tests, benchmarks and the documentation's
// examples: etcd, kube-apiserver, and on request kube-controller-manager, kube-scheduler and simulated nodes.
//
// The programs are built once from the Go modules pinned in test/controlplane and cached outside the tree, so tests need
// neither Docker nor a download of binaries. Everything a cluster writes is inside one folder, and every process dies with
// the process that started it. Linux is the platform it is made for; other Unix systems work, without that last guarantee.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// startTimeout bounds everything after the binaries are there. A quiet machine needs a few seconds; a machine whose cores
// are shared by several test binaries needs many more.
const startTimeout = 3 * time.Minute

// Options says what to start. The zero value is etcd and kube-apiserver alone.
type Options struct {
	Dir                string    // holds data, certificates and logs; "" is a new temporary folder, removed by Stop
	ControllerManager  bool      // run kube-controller-manager, so that Deployments, namespaces and owners work
	Nodes              int       // simulated nodes; more than 0 also runs kube-scheduler and kwok, so that Pods become Ready
	Audit              bool      // record every request for AuditEvents
	ExtraAPIServerArgs []string  // appended to kube-apiserver's flags, the later wins; paths are relative to Dir
	Log                io.Writer // progress for people, one line each; nil is silence, except for builds
}

// A Cluster is a running control plane. Its methods may be used from several goroutines.
type Cluster struct {
	opts    Options
	dir     string
	ownDir  bool
	url     string
	ca      *authority
	client  *http.Client
	spawner *spawner

	etcd      *process
	apiserver *process
	workers   []*process // controller manager, scheduler, kwok: whatever the options ask for
}

// Start builds or finds the programs, starts the control plane, and returns once it serves: the API server is ready, the
// default namespace and its service account exist, and all nodes are Ready. ctx bounds the start only; the cluster lives
// until Stop, or until this process ends.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	bin, err := locate(ctx, opts.programs(), opts.buildLog())
	if err != nil {
		return nil, err
	}
	c, err := prepare(opts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.run(ctx, bin); err != nil {
		return nil, errors.Join(fmt.Errorf("start the test cluster in %s: %w", c.dir, err), c.Stop())
	}
	return c, nil
}

// programs lists what the options need, in the order of starting.
func (o Options) programs() []string {
	need := []string{etcdProgram, apiserverProgram}
	if o.ControllerManager {
		need = append(need, controllerManagerProgram)
	}
	if o.Nodes > 0 {
		need = append(need, schedulerProgram, kwokProgram)
	}
	return need
}

// buildLog is where progress of a build goes. A build takes minutes, so it is never silent.
func (o Options) buildLog() io.Writer {
	if o.Log == io.Discard {
		return os.Stderr
	}
	return o.Log
}

// prepare makes the folder, the certificates and the admin's kubeconfig, and starts nothing but the spawner.
func prepare(opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts, dir: opts.Dir}
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "setpoint-cluster-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for the test cluster: %w; set TMPDIR to a folder that can be written", err)
		}
		c.dir, c.ownDir = dir, true
	}
	if err := c.prepareFiles(); err != nil {
		if c.ownDir {
			err = errors.Join(err, os.RemoveAll(c.dir))
		}
		return nil, err
	}
	c.spawner = newSpawner()
	return c, nil
}

func (c *Cluster) prepareFiles() error {
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return fmt.Errorf("resolve the test cluster's folder %s: %w", c.dir, err)
	}
	c.dir = dir
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the test cluster's folder: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c.url = fmt.Sprintf("https://127.0.0.1:%d", port)
	if c.ca, err = newAuthority(); err != nil {
		return err
	}
	if err := c.ca.writeServing(c.dir); err != nil {
		return err
	}
	if c.client, err = c.ca.httpClient(adminUser, adminGroup); err != nil {
		return err
	}
	return c.writeKubeconfig(c.Kubeconfig(), adminUser, []string{adminGroup})
}

// run starts the processes in order and waits for each.
func (c *Cluster) run(ctx context.Context, bin map[string]string) error {
	began := time.Now()
	c.etcd = c.newEtcd(bin[etcdProgram])
	if err := c.StartEtcd(ctx); err != nil {
		return err
	}
	apiserver, err := c.newAPIServer(bin[apiserverProgram], c.url)
	if err != nil {
		return err
	}
	c.apiserver = apiserver
	if err := c.StartAPIServer(ctx); err != nil {
		return err
	}
	c.progress("kube-apiserver ready", began)
	if err := c.startWorkers(ctx, bin); err != nil {
		return err
	}
	c.progress("cluster ready", began)
	return nil
}

func (c *Cluster) progress(what string, since time.Time) {
	_, _ = fmt.Fprintf(c.opts.Log, "%s after %.1fs (%s)\n", what, time.Since(since).Seconds(), c.url)
}

// Stop ends all processes at once, without a graceful shutdown that no test needs, and removes the folder if Start made it.
// Stopping twice does no harm.
func (c *Cluster) Stop() error {
	for _, p := range c.processes() {
		p.kill()
	}
	c.spawner.close()
	c.client.CloseIdleConnections()
	if !c.ownDir {
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove the test cluster's folder: %w; remove it by hand", err)
	}
	return nil
}

// processes lists what runs, clients before the servers that they use.
func (c *Cluster) processes() []*process {
	all := append([]*process{}, c.workers...)
	for _, p := range []*process{c.apiserver, c.etcd} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// URL is the API server's address, https on loopback. It stays the same when the API server is killed and started again.
func (c *Cluster) URL() string { return c.url }

// Dir is the folder that holds the cluster's data, certificates and logs.
func (c *Cluster) Dir() string { return c.dir }
