package v1alpha1

// App declares a twelve-factor app on a host (https://12factor.net).
type App struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       AppSpec  `json:"spec"`
}

// AppSpec is what an App wants. A build and its configuration make a release; a change of either makes a new one.
type AppSpec struct {
	// Build is the immutable artifact that runs.
	Build Build `json:"build"`
	// Processes are the formation: what runs, by process type. Default: the build's Procfile, each with one replica.
	Processes map[string]Process `json:"processes,omitempty"`
	// Env are environment variables of every process. They win over envFrom.
	Env map[string]string `json:"env,omitempty"`
	// EnvFrom are places that environment variables are read from; later ones win.
	EnvFrom []EnvSource `json:"envFrom,omitempty"`
	// Secrets are environment variables whose values are read on the host at the moment of use. They win over env, and show only as a
	// keyed hash.
	Secrets map[string]ValueFrom `json:"secrets,omitempty"`
	// User that processes run as, a name or number; only an agent that runs as root can choose. Default: for such an agent a user of the
	// app's own, that nothing else uses; else the agent's.
	User string `json:"user,omitempty"`
	// Group that processes run as, a name or number. Default: the user's.
	Group string `json:"group,omitempty"`
	// Expose gives the app one stable address, balanced over its healthy processes.
	Expose *Expose `json:"expose,omitempty"`
	// Release says how a new release takes over.
	Release ReleasePolicy `json:"release,omitzero"`
	// Needs are backing services, which are probed; one that cannot be reached shows as the cause in the app's health.
	Needs []Need `json:"needs,omitempty"`
	// Logs says how much of the processes' output is kept.
	Logs LogPolicy `json:"logs,omitzero"`
}

// Build names an immutable artifact. Exactly one field is set.
type Build struct {
	// Directory of the source's revision, relative to the file that declares it; a path that begins with / begins at the root of the
	// source.
	Directory string `json:"directory,omitempty"`
	// Archive to download.
	Archive *Archive `json:"archive,omitempty"`
	// Digest of the directory's tree, filled in when the declaration is rendered.
	Digest string `json:"digest,omitempty"`
}

// Archive is a tar (plain, gzip) or zip file at a URL.
type Archive struct {
	// URL: https, http, or file.
	URL string `json:"url"`
	// SHA256 of the file, 64 hexadecimal digits.
	SHA256 string `json:"sha256"`
	// Strip leading directories from the names in it.
	Strip int `json:"strip,omitempty"`
}

// Process is one process type of a formation.
type Process struct {
	// Command with its arguments; no shell. $NAME and ${NAME} stand for environment variables, $$ for a dollar sign.
	// Default: the build's Procfile.
	Command []string `json:"command,omitempty"`
	// Replicas that run. Default 1.
	Replicas *int `json:"replicas,omitempty"`
	// Port that the first replica binds, the next ones count up; a release then stops the old process before it starts the new one.
	// Default: a free port for each process, in its variable PORT.
	Port int `json:"port,omitempty"`
	// Directory of the build to run in. Default: its root.
	Directory string `json:"directory,omitempty"`
	// Env are environment variables of this process type; they win over the app's.
	Env map[string]string `json:"env,omitempty"`
	// Check says when a process is healthy. Default: for the exposed process type, and one with a port, tcp; else it runs for a second.
	Check *ProcessCheck `json:"check,omitempty"`
	// Grace between SIGTERM and SIGKILL. Default 10s.
	Grace Duration `json:"grace,omitzero"`
	// Limits of each process.
	Limits Limits `json:"limits,omitzero"`
}

// ProcessCheck says when a process is healthy. At most one of http, tcp and command is set.
type ProcessCheck struct {
	// HTTP path on the process's port that must answer with a status from 200 to 399.
	HTTP string `json:"http,omitempty"`
	// TCP: the process's port must accept connections.
	TCP bool `json:"tcp,omitempty"`
	// Command that must exit 0, run like the process.
	Command []string `json:"command,omitempty"`
	// Interval between two checks. Default 1s; a process that is not yet healthy is checked more often.
	Interval Duration `json:"interval,omitzero"`
	// Timeout of one check. Default 1s.
	Timeout Duration `json:"timeout,omitzero"`
	// Healthy after so many checks in a row that succeed. Default 1.
	Healthy int `json:"healthy,omitempty"`
	// Unhealthy after so many in a row that fail; such a process gets no traffic, and is replaced. Default 3.
	Unhealthy int `json:"unhealthy,omitempty"`
}

// Limits of one process.
type Limits struct {
	// Memory in bytes, with a suffix as Kubernetes has them: "256Mi".
	Memory string `json:"memory,omitempty"`
	// CPU in processors: "0.5". It needs control groups (version 2) that the agent may use.
	CPU string `json:"cpu,omitempty"`
	// Files that may be open at once.
	Files int `json:"files,omitempty"`
}

// Expose gives an app one stable address.
type Expose struct {
	// Port to listen on.
	Port int `json:"port"`
	// Address to listen on. Default 127.0.0.1.
	Address string `json:"address,omitempty"`
	// Process type that gets the traffic. Default web, or the only one.
	Process string `json:"process,omitempty"`
	// Protocol: "http" (default) balances requests, "tcp" connections.
	Protocol string `json:"protocol,omitempty"`
}

// ReleasePolicy says how a new release takes over.
type ReleasePolicy struct {
	// Pre is a command with its arguments that runs once before the switch to a new release, with its environment; its failure stops the
	// release.
	Pre []string `json:"pre,omitempty"`
	// PreTimeout of that command. Default 5m.
	PreTimeout Duration `json:"preTimeout,omitzero"`
	// Timeout for the new processes to become healthy; else the old ones keep serving, and the release has failed. Default 1m.
	Timeout Duration `json:"timeout,omitzero"`
	// Drain is how long requests under way may take before an old process is stopped. Default 30s.
	Drain Duration `json:"drain,omitzero"`
	// Keep so many releases to go back to. Default 5.
	Keep int `json:"keep,omitempty"`
}

// Need is a backing service.
type Need struct {
	// URL of the service; $NAME stands for an environment variable of the app.
	URL string `json:"url"`
	// Check: "tcp" (default) connects to it, "http" wants an answer below 500.
	Check string `json:"check,omitempty"`
	// Interval between two checks. Default 10s.
	Interval Duration `json:"interval,omitzero"`
	// Timeout of one check. Default 2s.
	Timeout Duration `json:"timeout,omitzero"`
}

// LogPolicy bounds what is kept of the output of each process type.
type LogPolicy struct {
	// Size of one file, with a suffix as Kubernetes has them. Default "10Mi".
	Size string `json:"size,omitempty"`
	// Files that are kept beside the one being written. Default 3.
	Files int `json:"files,omitempty"`
}

// EnvSource is a place that environment variables are read from. Exactly one field is set.
type EnvSource struct {
	// File of the source's revision with lines NAME=value, relative to the file that declares it.
	File string `json:"file,omitempty"`
	// HostFile is such a file on the host; its values are secret.
	HostFile string `json:"hostFile,omitempty"`
	// ConfigMap of the Sync's cluster.
	ConfigMap *ObjectName `json:"configMap,omitempty"`
	// Secret of the Sync's cluster.
	Secret *ObjectName `json:"secret,omitempty"`
	// Values that were read from File, filled in when the declaration is rendered.
	Values map[string]string `json:"values,omitempty"`
}

// ObjectName names an object of a known kind.
type ObjectName struct {
	// Namespace of the object. Default: that of spec.to in a Sync, elsewhere "default".
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// The words of Expose.Protocol and Need.Check.
const (
	ProtocolHTTP = "http"
	ProtocolTCP  = "tcp"
)
