// Package kube drives a Kubernetes cluster: it compares objects from shared watches, changes them by server-side apply, and
// keeps the inventory in the cluster itself, by the ApplySet convention (KEP-3659) that kubectl reads too.
//
// The files tell the story in order: connect, request, lanes (how to talk), kinds (what the server knows), live, wire, watch,
// store, events (what is), applyset, owner (what belongs to whom), compare, judge, validate, access, admission, holds (what
// differs, may be done, and would be lost), ailment, pods (how it is doing), claims, apply, handover, release, patch, remove (doing
// it), owned (the inventory), lookup, follow (what others ask), record (what the helm command sees).
package kube

import (
	"context"
	"log/slog"

	"k8s.io/client-go/rest"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// DefaultFieldManager is the name under which fields are owned when Config names none.
const DefaultFieldManager = "setpoint"

// Config says which cluster to drive and as whom. The zero value is the cluster that the environment names.
type Config struct {
	// Kubeconfig is a file; "" means KUBECONFIG, then ~/.kube/config, then the Pod's own service account.
	Kubeconfig string
	// Context of the kubeconfig; "" is its current one.
	Context string
	// ServiceAccount "namespace/name" to act as; "" acts as the kubeconfig's user.
	ServiceAccount string
	// Namespace for namespaced objects that name none; "" is "default".
	Namespace string
	// AgentName is told to the server in the user agent.
	AgentName string
	// FieldManager owns the applied fields; "" is DefaultFieldManager.
	FieldManager string
	// Version of the program, for the user agent and the inventory.
	Version string
	// SecretKey keys the hashes that secret values are shown as.
	SecretKey []byte
	// Log receives what is worth knowing but no error of a caller; nil discards it.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.FieldManager == "" {
		c.FieldManager = DefaultFieldManager
	}
	if c.Version == "" {
		c.Version = "devel"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Cluster is a connection to one cluster with everything that can be shared by those who drive it: what kinds it knows, one
// watch per kind in use, the inventories. Safe for concurrent use.
type Cluster struct {
	cfg    Config
	rest   *rest.Config
	client *client // the agent's own identity: discovery, watches, inventories
	lanes  *lanes

	kinds     *kinds
	version   *serverVersions
	schemas   *schemas
	admission *admission
	parents   *parents
	watches   *watches
	owners    *owners
	claims    *claims
	holdings  *holdings
	follows   *follows
	redact    diff.Redactor

	stop context.CancelFunc // ends every watch
}

// Open connects to a cluster and reads which kinds it knows. Errors: NotFound when nothing says which cluster, Transient when
// it cannot be reached, Denied when it refuses the credentials, Invalid when the configuration is wrong.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg = cfg.withDefaults()
	restConfig, err := loadConfig(cfg)
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, restConfig)
}

// open builds the parts around a connection and asks the server for its kinds, which also shows that it answers.
func open(ctx context.Context, cfg Config, restConfig *rest.Config) (*Cluster, error) {
	silenceLibraries()
	lanes := newLanes(maxInFlight)
	own, err := newClient(restConfig, lanes)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, rest: restConfig, client: own, lanes: lanes, redact: diff.Redactor{Key: cfg.SecretKey}}
	c.kinds = newKinds(own)
	if err := c.kinds.refresh(ctx); err != nil {
		return nil, unreachable(restConfig.Host, err)
	}
	c.version = &serverVersions{client: own}
	c.schemas = newSchemas(own.openAPI)
	c.admission = newAdmission(own, c.kinds)
	background, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.owners = newOwners()
	c.claims = newClaims(c.owners)
	c.holdings = newHoldings(c)
	c.watches = newWatches(background, c)
	c.parents = newParents(background, c)
	c.follows = newFollows(background, c)
	return c, nil
}

// Close ends every watch; Targets of the cluster must not be used afterwards.
func (c *Cluster) Close() {
	c.stop()
	c.watches.wait()
	c.client.closeIdle()
}

// As gives the cluster as a target: acting as a service account ("namespace/name", "" for the agent itself), with a namespace
// for objects that name none. Errors: Invalid.
func (c *Cluster) As(serviceAccount, namespace string) (*Target, error) {
	if namespace == "" {
		namespace = defaultNamespace
	}
	t := &Target{cluster: c, client: c.client, namespace: namespace, identity: "the agent itself"}
	if serviceAccount != "" {
		impersonating, user, err := impersonate(c.rest, serviceAccount)
		if err != nil {
			return nil, err
		}
		if t.client, err = newClient(impersonating, c.lanes); err != nil {
			return nil, err
		}
		t.identity = user
	}
	t.access = newAccess(t.client, t.identity)
	return t, nil
}

const defaultNamespace = "default"

// Target is a cluster with the identity that acts on it. It implements target.Target.
//
// IDs in queries, entries, results and events are those of the declaration: an object that names no namespace keeps an
// empty one there, although it lives in the target's namespace. Owned gives the declared ID too once the owner has been compared
// in this process, and the real one before.
type Target struct {
	cluster   *Cluster
	client    *client
	access    *access
	namespace string
	identity  string
	closes    bool // Close ends the cluster too
}

var (
	_ target.Target = (*Target)(nil)
	_ target.Reader = (*Target)(nil)
)

// Connect opens a cluster for a single target, which Close ends again. Errors as those of Open.
func Connect(ctx context.Context, cfg Config) (*Target, error) {
	cluster, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t, err := cluster.As(cfg.ServiceAccount, cfg.Namespace)
	if err != nil {
		cluster.Close()
		return nil, err
	}
	t.closes = true
	return t, nil
}

// Close ends what Connect began; for a Target made by Cluster.As it does nothing.
func (t *Target) Close() {
	if t.closes {
		t.cluster.Close()
	}
}
