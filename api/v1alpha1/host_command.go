package v1alpha1

// KindCommand is the kind of commands that run to their end.
const KindCommand = "Command"

// Command declares a command on a host that runs to its end, once for each content of its declaration.
type Command struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Metadata   Metadata    `json:"metadata"`
	Spec       CommandSpec `json:"spec"`
}

// CommandSpec is what a Command wants.
type CommandSpec struct {
	// Command with its arguments; no shell. $NAME and ${NAME} stand for environment variables, $$ for a dollar sign.
	Command []string `json:"command"`
	// App to run it in: in the directory and environment of its active release, and as its user. Default: none, with an environment of
	// little more than a PATH.
	App string `json:"app,omitempty"`
	// Directory to run in: of the app's release, or an absolute path of the host. Default: the root of either.
	Directory string `json:"directory,omitempty"`
	// Env are environment variables; they win over the app's.
	Env map[string]string `json:"env,omitempty"`
	// User to run as, a name or number; only an agent that runs as root can choose. Default: the app's, or the agent's.
	User string `json:"user,omitempty"`
	// Timeout until it is ended with all that it has started, and has failed. Default 10m.
	Timeout Duration `json:"timeout,omitzero"`
}
