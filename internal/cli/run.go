package cli

import (
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"

	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func (s *session) runCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run",
		Short: "Run an agent: follow a repository, and keep a cluster, or this host, equal to it",
		Long: `Run an agent. It follows a Git repository or an artifact in a registry, applies what a directory of it
says, and corrects every drift, until it is told to stop: SIGTERM or Ctrl-C finishes the running
step and exits 0; a second one exits at once.

Every flag can be given by the environment variable in brackets; the flag wins. Two are secret and
only variables: SETPOINT_TOKEN, and the credentials of Git: SETPOINT_GIT_TOKEN, or
SETPOINT_GIT_USERNAME and SETPOINT_GIT_PASSWORD, or SETPOINT_GIT_SSH_KEY with
SETPOINT_GIT_SSH_KEY_PASS and SETPOINT_GIT_KNOWN_HOSTS.` + codes(),
		Example: `  setpoint run --source https://git.example.com/fleet.git --path clusters/eu-1
  setpoint run --source git@git.example.com:fleet.git --ref tag:v1.4.2 --path clusters/eu-1
  SETPOINT_SOURCE=https://git.example.com/fleet.git SETPOINT_LISTEN=:7468 SETPOINT_TOKEN=... setpoint run`,
		Args: cobra.NoArgs,
	}
	settings := s.configured(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := s.agentConfig(settings)
		if err != nil {
			return err
		}
		if err = s.Run(cmd.Context(), config); fault.KindOf(err) == fault.Invalid {
			return usage{err} // what an agent refuses before it starts is what it was told
		}
		return err
	}
	return command
}

// agentConfig reads the whole configuration, and checks what can be checked without the network.
func (s *session) agentConfig(c *configuration) (config agent.Config, err error) {
	config = agent.Config{
		Path:        c.get("path"),
		Name:        c.get("name"),
		DatabaseURL: c.get("database-url"),
		Listen:      c.get("listen"),
		Kubeconfig:  c.get("kubeconfig"),
		Context:     c.get("context"),
		Namespace:   c.get("namespace"),
		HostRoot:    c.get("host-root"),
		Version:     s.Version.Version,
	}
	if config.Source, err = c.source(); err != nil {
		return config, err
	}
	cluster, err := c.word("kubernetes", "auto", "off")
	if err != nil {
		return config, err
	}
	logs, err := c.word("app-logs", "off", "stdout")
	if err != nil {
		return config, err
	}
	helpers, err := c.word("credential-helpers", "off", "on")
	if err != nil {
		return config, err
	}
	if _, err := c.word("insecure-registry", "off", "on"); err != nil {
		return config, err
	}
	config.NoCluster, config.CredentialHelpers = cluster == "off", helpers == "on"
	config.Environment, config.SOPS = s.environment(c.get("allow-environment")), s.Getenv
	if logs == "stdout" {
		config.AppLogs = s.Out
	}
	if err := c.checkRoot(config); err != nil {
		return config, err
	}
	if config.Data, err = c.data(); err != nil {
		return config, err
	}
	if config.Token, err = s.readToken(c.get("token-file")); err != nil {
		return config, err
	}
	if config.Log, err = s.logger(c); err != nil {
		return config, err
	}
	return config, nil
}

// environment gives the variables that may be substituted, of those that are set.
func (s *session) environment(names string) map[string]string {
	allowed := map[string]string{}
	for name := range strings.SplitSeq(names, ",") {
		if value := s.Getenv(strings.TrimSpace(name)); value != "" {
			allowed[strings.TrimSpace(name)] = value
		}
	}
	return allowed
}

// logger writes to the standard output: lines of JSON for programs, text on a terminal.
func (s *session) logger(c *configuration) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.get("log-level"))); err != nil {
		return nil, usage{fault.New(fault.Invalid, "read", c.where("log-level"), "this is no level").
			WithHint("write debug, info, warn or error")}
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.get("log-format") {
	case "json":
		return slog.New(slog.NewJSONHandler(s.Out, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(s.Out, options)), nil
	case "auto":
		if isTerminal(s.Out) {
			return slog.New(slog.NewTextHandler(s.Out, options)), nil
		}
		return slog.New(slog.NewJSONHandler(s.Out, options)), nil
	}
	return nil, usage{fault.New(fault.Invalid, "read", c.where("log-format"), "this is no format").
		WithHint("write auto, text or json")}
}

// isTerminal says whether a stream is one that a person sits at.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && xterm.IsTerminal(int(file.Fd()))
}
