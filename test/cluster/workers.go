package cluster

import (
	"context"
	_ "embed"
	"net/http"
	"path/filepath"
)

const stagesFile = "stages.yaml"

// stages tells kwok how simulated nodes and Pods live; see the file for how a test makes a Pod misbehave.
//
//go:embed stages.yaml
var stages []byte

// startWorkers starts whatever drives objects, together, and waits until the cluster is fit for use.
func (c *Cluster) startWorkers(ctx context.Context, bin map[string]string) error {
	if c.opts.ControllerManager {
		if err := c.startControllerManager(bin[controllerManagerProgram]); err != nil {
			return err
		}
	}
	if c.opts.Nodes > 0 {
		if err := c.startScheduler(bin[schedulerProgram]); err != nil {
			return err
		}
		if err := c.startKwok(bin[kwokProgram]); err != nil {
			return err
		}
		if err := c.createNodes(ctx); err != nil {
			return err
		}
	}
	for _, p := range c.workers {
		if err := c.waitForWorker(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// waitForWorker waits for the effect that tells that a worker works.
func (c *Cluster) waitForWorker(ctx context.Context, p *process) error {
	switch p.name {
	case controllerManagerProgram:
		return p.waitUntil(ctx, "the default service account exists", func(ctx context.Context) error {
			_, err := c.Do(ctx, http.MethodGet, "/api/v1/namespaces/default/serviceaccounts/default", nil)
			return err
		})
	case kwokProgram:
		return p.waitUntil(ctx, "all nodes are ready", c.checkNodes)
	default:
		return nil // the scheduler has no effect before there is a Pod
	}
}

// startWorker starts a program with a kubeconfig of its own identity.
func (c *Cluster) startWorker(p *process, user string, groups ...string) error {
	if err := c.writeKubeconfig(filepath.Join(c.dir, p.name+".kubeconfig"), user, groups); err != nil {
		return err
	}
	p.args = append(p.args, "--kubeconfig="+p.name+".kubeconfig")
	c.workers = append(c.workers, p)
	return p.start()
}

func (c *Cluster) startControllerManager(path string) error {
	return c.startWorker(c.newProcess(controllerManagerProgram, path, []string{
		// Everything that is on by default, but what needs real nodes or real disks.
		"--controllers=*,-node-ipam-controller,-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller",
		"--leader-elect=false",
		"--secure-port=0",
		"--use-service-account-credentials=true", // each controller is its own user, as in a real cluster
		"--service-account-private-key-file=" + serviceAccountFile,
		"--root-ca-file=" + caCertFile,
		"--cluster-signing-cert-file=" + caCertFile,
		"--cluster-signing-key-file=" + caKeyFile,
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	}), "system:kube-controller-manager")
}

func (c *Cluster) startScheduler(path string) error {
	return c.startWorker(c.newProcess(schedulerProgram, path, []string{
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	}), "system:kube-scheduler")
}

// startKwok starts the simulator of kubelets. It plays many nodes at once, so it is trusted like an admin.
func (c *Cluster) startKwok(path string) error {
	if err := writeFiles(c.dir, map[string][]byte{stagesFile: stages}); err != nil {
		return err
	}
	return c.startWorker(c.newProcess(kwokProgram, path, []string{
		"--config=" + stagesFile,
		"--manage-all-nodes=true",
		"--node-lease-duration-seconds=40",
	}), "kwok", adminGroup)
}
