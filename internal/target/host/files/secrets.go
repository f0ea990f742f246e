package files

import (
	"maps"
	"path"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// maxSecret bounds one secret, in bytes.
const maxSecret = 1 << 20

// secret reads a secret at the moment of use. It stands in no error.
func (d *Driver) secret(from v1alpha1.ValueFrom) ([]byte, error) {
	if from.File != "" {
		return d.cfg.Root.ReadFollowing(path.Clean(from.File), maxSecret)
	}
	value, set := d.cfg.Getenv(from.Env)
	if !set {
		return nil, fault.New(fault.NotFound, "read the variable", from.Env, "it is not set in the agent's environment").
			WithHint("set it where the agent is started (with systemd: in its environment file), and restart the agent")
	}
	if len(value) > maxSecret {
		return nil, fault.New(fault.Invalid, "read the variable", from.Env, "it is longer than a secret may be")
	}
	return []byte(value), nil
}

// sourcesOf gives the files of the host that a file's secrets are in, for watching.
func sourcesOf(s *v1alpha1.FileSpec) []string {
	var sources []string
	add := func(from v1alpha1.ValueFrom) {
		if from.File != "" {
			sources = append(sources, path.Clean(from.File))
		}
	}
	if s.ContentFrom != nil && s.ContentFrom.Secret != nil {
		add(*s.ContentFrom.Secret)
	}
	if s.Template != nil {
		for _, name := range slices.Sorted(maps.Keys(s.Template.Secrets)) {
			add(s.Template.Secrets[name])
		}
	}
	return sources
}
