// Package v1alpha1 holds the kinds that users write (Source, Sync, Policy, and those of a host) and the wire types of the HTTP API, version
// v1alpha1. It is the only package of the module that other modules may import.
package v1alpha1

// The API group and version of the kinds, and the words that Setpoint reads from objects of any kind.
const (
	Group      = "setpoint.dev"
	Version    = "v1alpha1"
	APIVersion = Group + "/" + Version

	KindSync   = "Sync"
	KindSource = "Source"
	KindPolicy = "Policy"

	// AnnotationWave orders objects of one Sync: a whole number, default 0; wave n+1 starts when wave n is healthy.
	AnnotationWave = Group + "/wave"
	// AnnotationPrune: "disabled" keeps the object when its declaration goes.
	AnnotationPrune = Group + "/prune"
	// AnnotationDrift: "correct", "report" or "ignore", for this object alone.
	AnnotationDrift = Group + "/drift"
	// AnnotationForce: "true" allows the object to be deleted and created anew where a field is immutable.
	AnnotationForce = Group + "/force"
)

// Metadata is the part of an object's metadata that Setpoint's own kinds use. They live in one flat space of names per
// agent, so there is no namespace.
type Metadata struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Source declares where desired state comes from, for several Syncs to share by name.
type Source struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   Metadata   `json:"metadata"`
	Spec       SourceSpec `json:"spec"`
}

// SourceSpec says what to pull, how often to look, and with which credentials. Exactly one upstream is set.
type SourceSpec struct {
	Git     *GitSource     `json:"git,omitempty"`
	OCI     *OCISource     `json:"oci,omitempty"`
	Helm    *HelmSource    `json:"helm,omitempty"`
	Bucket  *BucketSource  `json:"bucket,omitempty"`
	Archive *ArchiveSource `json:"archive,omitempty"`
	// Verify demands a signature: what is not signed is not applied.
	Verify *Verification `json:"verify,omitempty"`
	// Interval between two looks for a new revision, jittered by a tenth. Default 1m, at least 1s.
	Interval Duration `json:"interval,omitzero"`
	// Timeout of one look or fetch. Default 1m.
	Timeout Duration `json:"timeout,omitzero"`
	// Suspend stops looking; the last revision stays in force.
	Suspend bool `json:"suspend,omitempty"`
}

// GitSource is a Git repository and the reference to follow.
type GitSource struct {
	// URL: https://, http://, ssh://, git@host:path, or file:// (a repository on this machine).
	URL string `json:"url"`
	// Ref is what to follow. Default: the repository's HEAD branch.
	Ref GitRef `json:"ref,omitzero"`
	// Credentials; default: the environment's (SETPOINT_GIT_TOKEN, SETPOINT_GIT_USERNAME and _PASSWORD, SETPOINT_GIT_SSH_KEY …).
	Credentials *Credentials `json:"credentials,omitempty"`
	// CAFile is a PEM file of certificates that are trusted for this server beside the system's.
	CAFile string `json:"caFile,omitempty"`
	// Proxy is an http, https or socks5 URL; default: the environment's HTTPS_PROXY and NO_PROXY.
	Proxy string `json:"proxy,omitempty"`
	// Submodules are fetched and mounted at their paths. Default false.
	Submodules bool `json:"submodules,omitempty"`
}

// GitRef names a revision: exactly one field is set, or none for the HEAD branch.
type GitRef struct {
	Branch string `json:"branch,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Semver string `json:"semver,omitempty"` // a range over the tags: ">=1.2 <2"
	Commit string `json:"commit,omitempty"` // 40 hexadecimal digits
	PR     int    `json:"pr,omitempty"`     // a pull or merge request by its number
}

// Credentials for a Git server: where to read them, never the values themselves.
type Credentials struct {
	Token      *ValueFrom `json:"token,omitempty"`    // bearer or personal access token, over https
	Username   *ValueFrom `json:"username,omitempty"` // basic, over https
	Password   *ValueFrom `json:"password,omitempty"`
	SSHKey     *ValueFrom `json:"sshKey,omitempty"`     // a private key in PEM
	SSHKeyPass *ValueFrom `json:"sshKeyPass,omitempty"` // its passphrase
	KnownHosts *ValueFrom `json:"knownHosts,omitempty"` // default ~/.ssh/known_hosts
}

// ValueFrom says where a value is read from at the moment of use: an environment variable of the agent or a file.
type ValueFrom struct {
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
}

// Sync declares that what a path of a source says should be so on a target.
type Sync struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       SyncSpec `json:"spec"`
}

// SyncSpec is what a Sync wants.
type SyncSpec struct {
	// Source of the desired state; default: the parent's.
	Source *SyncSource `json:"source,omitempty"`
	// Path inside the source. Default ".".
	Path string `json:"path,omitempty"`
	// Imports are other sources that are mounted into the source's tree.
	Imports []Import `json:"imports,omitempty"`
	// To says which target objects go to; default: the parent's, and for the root the agent's own cluster and this host.
	To *To `json:"to,omitempty"`
	// Prune deletes what is no longer declared. Default true.
	Prune *bool `json:"prune,omitempty"`
	// Drift: "correct" (default) or "report".
	Drift string `json:"drift,omitempty"`
	// Ignore lists fields that others may set: they are neither corrected nor reported.
	Ignore []Ignore `json:"ignore,omitempty"`
	// DependsOn lists objects, of any target, that must be healthy first.
	DependsOn []Reference `json:"dependsOn,omitempty"`
	// Timeout to become healthy after a change. Default 5m.
	Timeout Duration `json:"timeout,omitzero"`
	// Retry shapes the back-off after failures.
	Retry Retry `json:"retry,omitzero"`
	// Suspend stops the loop: nothing is changed until it is false again.
	Suspend bool `json:"suspend,omitempty"`
	// Deletion of this Sync: "prune" (default) removes what it owns, "orphan" leaves it.
	Deletion string `json:"deletion,omitempty"`
	// AllowEmpty says that rendering no object at all is meant.
	AllowEmpty bool `json:"allowEmpty,omitempty"`
	// Rollback when a revision does not become healthy within the timeout: "never" (default) or "lastHealthy".
	Rollback string `json:"rollback,omitempty"`
	// Health says what healthy means, beyond what is known of the kinds.
	Health []HealthCheck `json:"health,omitempty"`
	// Guards shape the checks that are on by default.
	Guards Guards `json:"guards,omitzero"`
	// Policies by name that this Sync, and all below it, keep to beside the constraints given here.
	Policies    []string `json:"policies,omitempty"`
	Constraints `json:",inline"`
	Rendering   `json:",inline"`
}

// SyncSource names a Source, or declares one in place with the fields of SourceSpec. Exactly one of both.
type SyncSource struct {
	Name       string `json:"name,omitempty"`
	SourceSpec `json:",inline"`
}

// To chooses the target for objects of ordinary API groups.
type To struct {
	Kubernetes *ToKubernetes `json:"kubernetes,omitempty"`
}

// ToKubernetes chooses a cluster and an identity. A child cannot leave a service account that its parent is confined to.
type ToKubernetes struct {
	Context        string `json:"context,omitempty"`        // of the kubeconfig
	Kubeconfig     string `json:"kubeconfig,omitempty"`     // a file on the agent's machine
	ServiceAccount string `json:"serviceAccount,omitempty"` // "namespace/name" to act as
	Namespace      string `json:"namespace,omitempty"`      // for objects that name none; default "default"
}

// Ignore names fields of objects that are left to others. Empty selectors match everything.
type Ignore struct {
	Group     string   `json:"group,omitempty"`
	Kind      string   `json:"kind,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name,omitempty"`
	Fields    []string `json:"fields"` // JSON pointers (RFC 6901): "/spec/replicas"
}

// Reference names an object of any target.
type Reference struct {
	Group     string `json:"group,omitempty"` // default for kinds Sync, Source and Policy: setpoint.dev
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// Retry shapes the exponential back-off after failures: Initial, doubled each time, at most Max.
type Retry struct {
	Initial Duration `json:"initial,omitzero"` // default 5s
	Max     Duration `json:"max,omitzero"`     // default 10m
}

// The words of SyncSpec.Drift and SyncSpec.Deletion.
const (
	DriftCorrect   = "correct"
	DriftReport    = "report"
	DriftIgnore    = "ignore"
	DeletionPrune  = "prune"
	DeletionOrphan = "orphan"
)
