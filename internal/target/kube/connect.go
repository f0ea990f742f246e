package kube

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// loadConfig finds the cluster by the usual rules: the named file, KUBECONFIG, ~/.kube/config, the Pod's service account.
func loadConfig(cfg Config) (*rest.Config, error) {
	const op = "find the Kubernetes cluster"
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = cfg.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: cfg.Context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	switch {
	case err == nil:
	case clientcmd.IsEmptyConfig(err), cfg.Kubeconfig != "" && errors.Is(err, os.ErrNotExist):
		return nil, (&fault.Error{Op: op, Item: cfg.Kubeconfig, Kind: fault.NotFound, Err: errNoConfig}).
			WithHint("set KUBECONFIG or --kubeconfig to a file that names a cluster, or run inside one")
	default:
		return nil, (&fault.Error{Op: op, Item: cfg.Context, Kind: fault.Invalid, Err: err}).
			WithHint("check with: kubectl config get-contexts")
	}
	config.UserAgent = userAgent(cfg)
	config.QPS = -1 // the server's priority and fairness throttles, not the client
	return config, nil
}

// CheckConfig says, without the network, why the configuration that was named cannot be used: a fault of kind Invalid. That none is
// named and none found is no error.
func CheckConfig(cfg Config) error {
	_, err := loadConfig(cfg)
	if fault.KindOf(err) == fault.NotFound {
		if cfg.Kubeconfig == "" && cfg.Context == "" {
			return nil
		}
		return fault.New(fault.Invalid, "read the kubeconfig", cfg.Kubeconfig, "it is not there, or names no cluster").
			WithHint("set KUBECONFIG or --kubeconfig to a file that names a cluster: kubectl config view")
	}
	return err
}

var errNoConfig = errors.New("no kubeconfig, and not running inside a cluster")

func userAgent(cfg Config) string {
	agent := "setpoint/" + cfg.Version
	if cfg.AgentName != "" {
		agent += " (" + cfg.AgentName + ")"
	}
	return agent
}

// impersonate gives a configuration that acts as a service account, and the user's full name. The server adds the groups that
// every service account has, so the agent needs no right to impersonate groups.
func impersonate(config *rest.Config, serviceAccount string) (*rest.Config, string, error) {
	namespace, name, ok := strings.Cut(serviceAccount, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, "", fault.New(fault.Invalid, "act as service account", serviceAccount, "not of the form namespace/name").
			WithHint("write for example: serviceAccount: team-a/deployer")
	}
	acting := rest.CopyConfig(config)
	user := "system:serviceaccount:" + namespace + ":" + name
	acting.Impersonate = rest.ImpersonationConfig{UserName: user}
	return acting, user, nil
}

// unreachable explains why the first request failed.
func unreachable(host string, err error) error {
	kind := fault.KindOf(err)
	hint := "check that the API server runs and can be reached from here: kubectl version"
	if kind == fault.Denied {
		hint = "check the credentials: kubectl auth whoami"
	}
	if kind == fault.Internal || kind == fault.NotFound {
		kind = fault.Transient
	}
	return (&fault.Error{Op: "reach the Kubernetes cluster", Item: host, Kind: kind, Err: err}).WithHint(hint)
}

var silenced sync.Once

// silenceLibraries keeps client-go from writing to stderr: what matters reaches callers as errors.
func silenceLibraries() {
	silenced.Do(func() { klog.SetLogger(logr.Discard()) })
}

// newHTTPClient gives an HTTP/2 client with the configuration's credentials. Configurations that differ only in whom they
// impersonate share their connections.
func newHTTPClient(config *rest.Config) (*http.Client, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, (&fault.Error{Op: "use the credentials of", Item: filepath.Base(config.Host), Kind: fault.Invalid, Err: err}).
			WithHint("check the cluster's and user's entries in the kubeconfig")
	}
	return client, nil
}
