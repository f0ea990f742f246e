package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

const authenticationFile = "authentication.json"

// authentication lets nobody in without a certificate or token, except to ask whether the server is well.
const authentication = `{
  "apiVersion": "apiserver.config.k8s.io/v1",
  "kind": "AuthenticationConfiguration",
  "anonymous": {"enabled": true, "conditions": [{"path": "/readyz"}, {"path": "/livez"}, {"path": "/healthz"}]}
}
`

func (c *Cluster) newAPIServer(path, serverURL string) (*process, error) {
	at, err := url.Parse(serverURL)
	if err != nil {
		return nil, fmt.Errorf("parse the API server's address: %w", err)
	}
	args := []string{
		"--etcd-servers=unix://" + etcdSocket,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + at.Port(),
		"--endpoint-reconciler-type=none", // it would refuse a loopback address again and again
		"--tls-cert-file=" + servingCertFile,
		"--tls-private-key-file=" + servingKeyFile,
		"--client-ca-file=" + caCertFile,
		"--authentication-config=" + authenticationFile,
		"--authorization-mode=RBAC",
		"--enable-priority-and-fairness=true",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + serviceAccountFile,
		"--service-account-signing-key-file=" + serviceAccountFile,
		"--service-cluster-ip-range=172.30.0.0/16",
		"--allow-privileged=true",
		"--profiling=false",
	}
	if !c.opts.ControllerManager {
		// Nobody makes service accounts or takes taints off nodes, so these would refuse or strand every Pod.
		args = append(args, "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition")
	}
	files := map[string][]byte{authenticationFile: []byte(authentication)}
	if c.opts.Audit {
		files[auditPolicyFile] = []byte(auditPolicy)
		args = append(args, "--audit-policy-file="+auditPolicyFile, "--audit-log-path="+auditLogFile,
			"--audit-log-mode=blocking", "--audit-log-maxsize=100000") // megabytes: never rotated, so nothing is missed
	}
	if err := writeFiles(c.dir, files); err != nil {
		return nil, err
	}
	return c.newProcess(apiserverProgram, path, append(args, c.opts.ExtraAPIServerArgs...)), nil
}

// KillAPIServer kills the API server as a crash would: connections break, the address refuses new ones.
func (c *Cluster) KillAPIServer() { c.apiserver.kill() }

// StartAPIServer starts the API server again at the same address with the same data, and returns when it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if err := c.apiserver.start(); err != nil {
		return err
	}
	return c.waitReady(ctx)
}

// APIServerLog is all that the API server has written, across restarts; for a failed test's output.
func (c *Cluster) APIServerLog() string {
	text, err := os.ReadFile(c.apiserver.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (c *Cluster) waitReady(ctx context.Context) error {
	return c.apiserver.waitUntil(ctx, "kube-apiserver is ready", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // one hanging answer must not use up the whole deadline
		defer cancel()
		if _, err := c.Do(ctx, http.MethodGet, "/readyz", nil); err != nil {
			return err
		}
		_, err := c.Do(ctx, http.MethodGet, "/api/v1/namespaces/default", nil)
		return err
	})
}

// freePort finds a port for the API server below the range that outgoing connections take theirs from, so that it is still
// free when the API server is started again after an outage.
func freePort() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port on 127.0.0.1 between 20000 and 32000: %w", last)
}
