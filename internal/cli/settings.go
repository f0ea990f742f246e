package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// setting is one value of the agent's configuration: a flag, and an environment variable that it mirrors. The flag wins.
type setting struct {
	flag, env string
	standard  string // the default, where it is a constant
	about     string
}

// variable gives the name of the environment variable.
func (d setting) variable() string {
	if d.env != "" {
		return d.env
	}
	return "SETPOINT_" + strings.ToUpper(strings.ReplaceAll(d.flag, "-", "_"))
}

// settings is the whole configuration of the agent, but for SETPOINT_TOKEN and the credentials of Git, which are secret and
// therefore never flags: other users of the machine can read the command line of a process.
var settings = []setting{
	{flag: "source", about: "what the root Sync follows: the URL of a Git repository, or oci://… for configuration in a registry"},
	{flag: "ref",
		about: "what to follow there: a branch, or branch:X, tag:X, semver:RANGE, commit:HASH, pr:N (default: the repository's HEAD); " +
			"in a registry a tag, or semver:RANGE, or a digest (default: latest)"},
	{flag: "path", standard: ".", about: "the root Sync's directory in the repository"},
	{flag: "interval", standard: "1m", about: "between two looks for a new revision"},
	{flag: "data",
		about: "directory for database, artifacts and journals (default: /var/lib/setpoint for root, else setpoint in $XDG_STATE_HOME)"},
	{flag: "database-url", about: "where history and status are kept (default: an SQLite file in the data directory)"},
	{flag: "listen", standard: "127.0.0.1:7468",
		about: "address of the HTTP API; on any other than a loopback address a token is needed"},
	{flag: "token-file", about: "file with the token that clients of the API must show (or SETPOINT_TOKEN, the token itself)"},
	{flag: "name",
		about: "keeps apart agents that drive the same target; it marks every object, so choose it once " +
			"(default: made of source and path)"},
	{flag: "kubeconfig",
		about: "file that says how to reach the cluster (default: the cluster it runs in, else $KUBECONFIG or ~/.kube/config)"},
	{flag: "context", about: "context in the kubeconfig (default: its current one)"},
	{flag: "namespace", standard: "default", about: "for objects that name none"},
	{flag: "kubernetes", standard: "auto", about: "auto, or off: drive no cluster, even where a kubeconfig is found"},
	{flag: "host-root", standard: "/", about: "directory that stands for / in the paths of what is declared for this host"},
	{flag: "app-logs", standard: "off", about: "off, or stdout: also write what apps write to the agent's output, a line of JSON each"},
	{flag: "allow-environment",
		about: "environment variables that Syncs may substitute, by their names with commas between them; they count as secret"},
	{flag: "insecure-registry", standard: "off", about: "off, or on: speak HTTP without TLS with the registry of --source"},
	{flag: "credential-helpers", standard: "off",
		about: "off, or on: ask the programs that the Docker configuration names for credentials of registries"},
	{flag: "log-format", standard: "auto", about: "auto (text on a terminal, else JSON), text or json"},
	{flag: "log-level", standard: "info", about: "debug, info, warn or error"},
}

// targetSettings are those that choose what is driven, and the agent's name there.
var targetSettings = []string{"data", "host-root", "name", "kubernetes", "kubeconfig", "context", "namespace"}

// configuration reads settings from the flags and the environment.
type configuration struct {
	session *session
	values  map[string]*string // by flag
	command *cobra.Command
}

// configured gives a command the flags of settings; without names, of all of them.
func (s *session) configured(command *cobra.Command, names ...string) *configuration {
	c := &configuration{session: s, values: map[string]*string{}, command: command}
	for _, d := range settings {
		if len(names) > 0 && !slices.Contains(names, d.flag) {
			continue
		}
		c.values[d.flag] = command.Flags().String(d.flag, d.standard, fmt.Sprintf("%s [%s]", d.about, d.variable()))
	}
	return c
}

// get gives a setting: the flag, else the environment, else the default.
func (c *configuration) get(name string) string {
	for _, d := range settings {
		if d.flag != name || c.values[name] == nil {
			continue
		}
		if value := c.session.Getenv(d.variable()); value != "" && !c.command.Flags().Changed(name) {
			return value
		}
		return *c.values[name]
	}
	return ""
}

// given says whether a setting was given at all.
func (c *configuration) given(name string) bool {
	return c.command.Flags().Changed(name) || strings.HasPrefix(c.where(name), "SETPOINT_")
}

// word gives a setting that is one of some words.
func (c *configuration) word(name string, words ...string) (string, error) {
	value := c.get(name)
	if slices.Contains(words, value) {
		return value, nil
	}
	return "", usage{fault.New(fault.Invalid, "read", c.where(name), fmt.Sprintf("%q is not known", value)).
		WithHint("write " + strings.Join(words, " or "))}
}

// where names a setting in an error as the user gave it.
func (c *configuration) where(name string) string {
	for _, d := range settings {
		if d.flag == name && !c.command.Flags().Changed(name) && c.session.Getenv(d.variable()) != "" {
			return d.variable()
		}
	}
	return "--" + name
}

// source gives the root's source.
func (c *configuration) source() (v1alpha1.SourceSpec, error) {
	url := c.get("source")
	if url == "" {
		return v1alpha1.SourceSpec{}, misused("no source is given: there is nothing to follow",
			"setpoint run --source https://git.example.com/fleet.git --path clusters/eu-1, or set SETPOINT_SOURCE")
	}
	if holdsCredentials(url) {
		return v1alpha1.SourceSpec{}, usage{fault.New(fault.Invalid, "read", c.where("source"), "it holds credentials").
			WithHint("take them out of the URL, and give them by variables: " + credentialsOf(url))}
	}
	spec, err := c.follows(url)
	if err != nil {
		return spec, err
	}
	if text := c.get("interval"); text != "" {
		interval, err := time.ParseDuration(text)
		if err != nil || interval < time.Second {
			cause := fmt.Sprintf("%q is not a duration of at least 1s", text)
			return spec, usage{fault.New(fault.Invalid, "read", c.where("interval"), cause).WithHint("write it like 30s or 5m")}
		}
		spec.Interval = v1alpha1.Duration(interval)
	}
	return spec, nil
}

// holdsCredentials says whether a URL has in it what declared sources may not have either. The name of a user of SSH is none.
func holdsCredentials(url string) bool {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		scheme, rest = "ssh", url
	}
	server, _, _ := strings.Cut(rest, "/")
	user, _, given := strings.Cut(server, "@")
	return given && (scheme != "ssh" || strings.Contains(user, ":"))
}

// credentialsOf names the variables that credentials for a source are read from.
func credentialsOf(url string) string {
	if strings.HasPrefix(url, "oci://") {
		return "SETPOINT_OCI_USERNAME and SETPOINT_OCI_PASSWORD, or SETPOINT_OCI_TOKEN"
	}
	return "SETPOINT_GIT_USERNAME and SETPOINT_GIT_PASSWORD, or SETPOINT_GIT_TOKEN (`setpoint run --help` names all)"
}

// follows gives what is followed at a URL.
func (c *configuration) follows(url string) (v1alpha1.SourceSpec, error) {
	if strings.HasPrefix(url, "oci://") {
		ref := ociRef(c.get("ref"))
		return v1alpha1.SourceSpec{OCI: &v1alpha1.OCISource{URL: url, Ref: ref, Insecure: c.get("insecure-registry") == "on"}}, nil
	}
	ref, err := parseRef(c.get("ref"))
	if err != nil {
		return v1alpha1.SourceSpec{}, usage{fault.New(fault.Invalid, "read", c.where("ref"), err.Error()).
			WithHint("write a branch, or branch:X, tag:X, semver:RANGE, commit:HASH, pr:N")}
	}
	return v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: url, Ref: ref}}, nil
}

// ociRef reads what to follow in a registry. A bare word is a tag.
func ociRef(text string) v1alpha1.OCIRef {
	if rest, ok := strings.CutPrefix(text, "semver:"); ok {
		return v1alpha1.OCIRef{Semver: rest}
	}
	if strings.HasPrefix(text, "sha256:") {
		return v1alpha1.OCIRef{Digest: text}
	}
	return v1alpha1.OCIRef{Tag: strings.TrimPrefix(text, "tag:")}
}

// checkRoot checks what would make up the root Sync's declaration, by the rules for any Sync.
func (c *configuration) checkRoot(config agent.Config) error {
	root := v1alpha1.Sync{
		Metadata: v1alpha1.Metadata{Name: config.Name},
		Spec:     v1alpha1.SyncSpec{Path: config.Path, To: &v1alpha1.To{Kubernetes: &v1alpha1.ToKubernetes{Namespace: config.Namespace}}},
	}
	if root.Metadata.Name == "" {
		root.Metadata.Name = "root"
	}
	var errs []error
	for _, err := range fault.Flatten(root.Validate()) {
		field, cause, _ := strings.Cut(errors.Unwrap(err).Error(), ": ")
		flag := field[strings.LastIndexByte(field, '.')+1:] // the last word of metadata.name, spec.path, spec.to.kubernetes.namespace
		hint := fault.HintOf(err)
		if hint == "" {
			hint = "`setpoint run --help` says what --" + flag + " is for"
		}
		errs = append(errs, usage{fault.New(fault.Invalid, "read", c.where(flag), cause).WithHint(hint)})
	}
	return errors.Join(errs...)
}

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// parseRef reads what to follow. A bare word is a branch, and forty hexadecimal digits are a commit; nothing else is guessed.
func parseRef(text string) (ref v1alpha1.GitRef, err error) {
	kind, value, prefixed := strings.Cut(text, ":")
	switch {
	case text == "":
		return ref, nil
	case fullHash.MatchString(text):
		return v1alpha1.GitRef{Commit: text}, nil
	case strings.HasPrefix(text, "refs/heads/"):
		return v1alpha1.GitRef{Branch: strings.TrimPrefix(text, "refs/heads/")}, nil
	case strings.HasPrefix(text, "refs/tags/"):
		return v1alpha1.GitRef{Tag: strings.TrimPrefix(text, "refs/tags/")}, nil
	case !prefixed:
		return v1alpha1.GitRef{Branch: text}, nil
	case value == "":
		return ref, fmt.Errorf("%q names nothing", text)
	}
	switch kind {
	case "branch":
		ref.Branch = value
	case "tag":
		ref.Tag = value
	case "semver":
		ref.Semver = value
	case "commit":
		ref.Commit = value
	case "pr":
		if ref.PR, err = strconv.Atoi(value); err != nil || ref.PR < 1 {
			return v1alpha1.GitRef{}, fmt.Errorf("%q is not the number of a pull request", value)
		}
	default:
		return ref, fmt.Errorf("%q is no kind of reference", kind)
	}
	return ref, nil
}

// data gives the data directory.
func (c *configuration) data() (string, error) {
	if given := c.get("data"); given != "" {
		return filepath.Abs(given)
	}
	if os.Geteuid() == 0 {
		return "/var/lib/setpoint", nil
	}
	if state := c.session.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "setpoint"), nil
	}
	home := c.session.Getenv("HOME")
	if home == "" {
		return "", misused("there is no place for the agent's data: HOME is not set", "set SETPOINT_DATA to a directory")
	}
	return filepath.Join(home, ".local", "state", "setpoint"), nil
}

// readToken gives the token: of a file named by a flag or SETPOINT_TOKEN_FILE, else of SETPOINT_TOKEN.
func (s *session) readToken(file string) (string, error) {
	token := s.Getenv("SETPOINT_TOKEN")
	if file == "" && token == "" {
		file = s.Getenv("SETPOINT_TOKEN_FILE")
	}
	if file == "" {
		return strings.TrimSpace(token), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", usage{&fault.Error{Op: "read", Item: "the token", Kind: fault.Invalid, Err: err,
			Hint: "--token-file names a file that holds nothing else"}}
	}
	if token = strings.TrimSpace(string(data)); token == "" {
		return "", misused("the file with the token is empty", "write a long random word into it")
	}
	return token, nil
}
