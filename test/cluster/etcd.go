package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Sockets in the cluster's folder: no ports to collide on, and only its owner can reach them. They are named relative to
// that folder, every program's working folder, because the path of a socket may not be longer than 100 characters or so.
const (
	etcdSocket     = "etcd.sock"
	etcdPeerSocket = "etcd-peer.sock"
)

func (c *Cluster) newEtcd(path string) *process {
	client, peer := "unix://"+etcdSocket, "unix://"+etcdPeerSocket
	return c.newProcess(etcdProgram, path, []string{
		"--name=test",
		"--data-dir=etcd",
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=test=" + peer,
		"--unsafe-no-fsync", // survives a kill of etcd, which tests do; not a power cut, which they do not
		"--log-level=warn",
	})
}

func (c *Cluster) newProcess(name, path string, args []string) *process {
	return &process{name: name, dir: c.dir, path: path, args: args, spawner: c.spawner}
}

// KillEtcd kills etcd as a crash would. The API server goes on, unready, and answers reads from its cache at best.
func (c *Cluster) KillEtcd() { c.etcd.kill() }

// StartEtcd starts etcd again with the same data. It returns when etcd listens; if the API server runs, when that is ready.
func (c *Cluster) StartEtcd(ctx context.Context) error {
	socket := filepath.Join(c.dir, etcdSocket)
	if !c.etcd.isRunning() {
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) { // left over by a kill
			return fmt.Errorf("remove etcd's old socket: %w", err)
		}
	}
	if err := c.etcd.start(); err != nil {
		return err
	}
	err := c.etcd.waitUntil(ctx, "etcd listens", func(context.Context) error {
		_, err := os.Stat(socket)
		return err
	})
	if err != nil || c.apiserver == nil || !c.apiserver.isRunning() {
		return err
	}
	return c.waitReady(ctx)
}
