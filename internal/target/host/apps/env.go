package apps

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of what is read on the host: a file of variables or a secret, and one value, which the kernel bounds too.
const (
	maxEnvFile = 1 << 20
	maxValue   = 128 << 10
)

// agentPrefix begins the names of the agent's own configuration, which holds its credentials: no app may read it.
const agentPrefix = "SETPOINT_"

var formName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment is what the variables of an app are made of. Its values are secret: it is made at the moment of use, and not kept.
type environment struct {
	plain   map[string]string // of the revision and of ConfigMaps, and env
	hidden  map[string]string // of files of the host and of Secrets: those among plain whose values are secret
	secrets map[string]string // win over everything
}

// resolve reads the variables of a configuration. The error joins everything that is wrong, and shows no value.
func (d *Driver) resolve(ctx context.Context, owner state.Owner, b *blueprint) (environment, error) {
	env := environment{plain: map[string]string{}, hidden: map[string]string{}, secrets: map[string]string{}}
	var errs []error
	for _, source := range b.Sources {
		values, err := d.variables(ctx, owner, source)
		errs = append(errs, err)
		for name, value := range values {
			env.plain[name] = value
			delete(env.hidden, name)
			if source.HostFile != "" || source.Secret != nil {
				env.hidden[name] = value
			}
		}
	}
	for name, value := range b.Env {
		env.plain[name] = value
		delete(env.hidden, name)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Secrets)) {
		value, err := d.secret(b.Secrets[name])
		if err != nil {
			errs = append(errs, fault.Wrap(fault.KindOf(err), "read the secret", name, err))
			continue
		}
		env.secrets[name] = value
	}
	for _, layer := range []map[string]string{env.plain, env.secrets} {
		for _, name := range slices.Sorted(maps.Keys(layer)) {
			errs = append(errs, checkVariable(name, layer[name]))
		}
	}
	return env, errors.Join(errs...)
}

// variables reads one source.
func (d *Driver) variables(ctx context.Context, owner state.Owner, source v1alpha1.EnvSource) (map[string]string, error) {
	switch {
	case source.HostFile != "":
		content, err := d.cfg.Files.ReadFollowing(source.HostFile, maxEnvFile)
		if err != nil {
			return nil, err
		}
		values, err := godotenv.UnmarshalBytes(content)
		if err != nil { // its text would show the line
			return nil, fault.New(fault.Invalid, "read", source.HostFile, "it is not made of lines NAME=value")
		}
		return values, nil
	case source.Secret != nil:
		return d.object(ctx, owner, "Secret", source.Secret)
	case source.ConfigMap != nil:
		return d.object(ctx, owner, "ConfigMap", source.ConfigMap)
	}
	return source.Values, nil
}

func (d *Driver) object(ctx context.Context, owner state.Owner, kind string, name *v1alpha1.ObjectName) (map[string]string, error) {
	if d.cfg.Objects == nil {
		return nil, fault.New(fault.Invalid, "read", kind+"/"+name.Namespace+"/"+name.Name, "this agent has no cluster").
			WithHint("read the variables from a file of the host (hostFile), or connect the agent to a cluster")
	}
	return d.cfg.Objects.Lookup(ctx, owner, state.ID{Kind: kind, Namespace: name.Namespace, Name: name.Name})
}

// secret reads one value on the host. A file's last line ending does not belong to it.
func (d *Driver) secret(from v1alpha1.ValueFrom) (string, error) {
	if from.File != "" {
		content, err := d.cfg.Files.ReadFollowing(from.File, maxEnvFile)
		return strings.TrimRight(string(content), "\r\n"), err
	}
	if strings.HasPrefix(strings.ToUpper(from.Env), agentPrefix) {
		return "", fault.New(fault.Denied, "read the variable", from.Env, "it is the agent's own configuration").
			WithHint("give the app's secret a variable or a file of its own")
	}
	value, set := d.cfg.Getenv(from.Env)
	if !set {
		return "", fault.New(fault.NotFound, "read the variable", from.Env, "the agent's environment does not have it").
			WithHint("set it for the agent, and start the agent again")
	}
	return value, nil
}

func checkVariable(name, value string) error {
	switch {
	case !formName.MatchString(name):
		return fault.New(fault.Invalid, "use the variable", printable(name), "its name is not made of letters, digits and _")
	case len(value) > maxValue:
		return fault.New(fault.Invalid, "use the variable", name, "its value is longer than 128 KiB")
	case strings.ContainsRune(value, 0):
		return fault.New(fault.Invalid, "use the variable", name, "its value holds a NUL character")
	}
	return nil
}

// of gives the variables of a process: base < sources < env < the process type's own < secrets.
func (e environment) of(base, own map[string]string) map[string]string {
	all := map[string]string{}
	for _, layer := range []map[string]string{base, e.plain, own, e.secrets} {
		maps.Copy(all, layer)
	}
	delete(all, "PORT") // each process has its own
	return all
}

// lines gives variables in the form of environ(7), sorted.
func lines(env map[string]string) []string {
	all := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}
