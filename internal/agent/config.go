package agent

import (
	"io"
	"log/slog"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// Config is what an agent is started with. The command line and the environment are read elsewhere: every value here is
// final, and empty means the default that its comment names.
type Config struct {
	// Source is what the root Sync follows.
	Source v1alpha1.SourceSpec
	// Path is the root Sync's directory inside the source. Default ".".
	Path string
	// Name keeps apart agents that drive the same target: it is part of the ownership mark of every object, so changing it
	// hands over what the agent owns to nobody. Default: DefaultName.
	Name string
	// Data is the directory for the embedded database, kept artifacts and journals. It is created with mode 0700.
	Data string
	// DatabaseURL names the store. Default: an SQLite file in Data.
	DatabaseURL string
	// Listen is the address of the HTTP API. Default "127.0.0.1:7468".
	Listen string
	// Token is asked of every client of the API; empty is only possible on a loopback address. It must never be logged.
	Token string
	// Kubeconfig, Context and Namespace choose the agent's own cluster. Defaults: in-cluster configuration where there is one,
	// else the usual kubeconfig, its current context, and namespace "default".
	Kubeconfig string
	Context    string
	Namespace  string
	// NoCluster drives no cluster, even where a kubeconfig is found.
	NoCluster bool
	// CredentialHelpers lets the programs that the Docker configuration names be asked for credentials of registries.
	CredentialHelpers bool
	// Environment are the variables that Syncs may substitute, by name. They count as secret.
	Environment map[string]string
	// SOPS gives what SOPS documents are decrypted with: the variables of the environment that sops(1) reads. Nil: none.
	SOPS func(name string) string
	// HostRoot is put before the path of everything that is declared for this host. Default "/".
	HostRoot string
	// Program is the path of this binary, which supervises apps as a process of its own. Default: the one that runs.
	Program string
	// AppLogs also gets what apps write, a JSON line each; nil for nothing.
	AppLogs io.Writer
	// Version of this binary, for the record.
	Version string
	// Log takes what the agent has to say. Default: discarded.
	Log *slog.Logger
	// Started is called once, when the API answers, with the address it listens on (the port may have been chosen by the
	// system). May be nil.
	Started func(addr string)
}

// PreviewConfig asks what a local folder would change before it is committed.
type PreviewConfig struct {
	// Dir is the root of the local checkout: nothing outside it is read.
	Dir string
	// Path is the folder inside Dir that is rendered.
	Path string
	// Sync is the name of the Sync whose path the folder stands for, so that ownership, deletions and policy are those of that
	// Sync; empty means the root Sync.
	Sync string
	// Known is what the agent that drives the cluster has now; nil when none answers.
	Known *Known
	// Name, Data, HostRoot, NoCluster, Kubeconfig, Context and Namespace are those of Config.
	Name       string
	NoCluster  bool
	Data       string
	HostRoot   string
	Kubeconfig string
	Context    string
	Namespace  string
	// StandIns stand in for sources that would be pulled.
	StandIns StandIns
	// Environment gives the variables that may be substituted, and SOPS those that documents are decrypted with; nil for none.
	Environment func(name string) (string, bool)
	SOPS        func(name string) string
	Log         *slog.Logger
}

// Previewed is what one Sync would change: the one asked for, and each child Sync that is found in the same checkout.
type Previewed struct {
	Sync    string            `json:"sync"`
	Path    string            `json:"path"`
	Changes []v1alpha1.Change `json:"changes"`
	// Problems are errors that concern no single object, such as a file that cannot be rendered.
	Problems []v1alpha1.Problem `json:"problems,omitempty"`
}
