package apps

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net"
	"strconv"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// blueprint is everything that the processes of a release run with. Secrets are in it as references, and as keyed hashes that change
// when their values do. Its digest is the configuration's.
type blueprint struct {
	Processes map[string]v1alpha1.Process   `json:"processes,omitempty"` // as declared, without replicas
	Sources   []v1alpha1.EnvSource          `json:"sources,omitempty"`   // those that are not secret with their values only
	Env       map[string]string             `json:"env,omitempty"`
	Secrets   map[string]v1alpha1.ValueFrom `json:"secrets,omitempty"`
	Hashes    map[string]string             `json:"hashes,omitempty"` // of the secret variables, by name
	User      string                        `json:"user,omitempty"`
	Group     string                        `json:"group,omitempty"`
	Strip     int                           `json:"strip,omitempty"`
	// Archive that the files come from; where it is downloaded makes no difference to what runs, so it is in no digest.
	Archive *v1alpha1.Archive `json:"archive,omitempty"`
}

// draft is what a declaration asks for at this moment.
type draft struct {
	build  string // digest
	config string // digest
	print  blueprint
	policy policy
	secret []string // values in the declaration itself that are
}

// draft reads what a declaration needs from the host and makes of it what a release is made of.
func (d *Driver) draft(ctx context.Context, owner state.Owner, app *v1alpha1.App) (draft, error) {
	spec := &app.Spec
	b := blueprint{
		Processes: map[string]v1alpha1.Process{}, Env: spec.Env, Secrets: spec.Secrets, User: spec.User, Group: spec.Group,
		Archive: spec.Build.Archive,
	}
	for kind, process := range spec.Processes {
		b.Processes[kind] = runsWith(process)
	}
	build := spec.Build.Digest
	if b.Archive != nil {
		build, b.Strip = "sha256:"+b.Archive.SHA256, b.Archive.Strip
	}
	if build == "" {
		return draft{}, fault.New(fault.Invalid, "read", "spec.build", "the digest of the directory is missing").
			WithHint("the declaration has to be rendered from a source")
	}
	for _, source := range spec.EnvFrom {
		if source.ConfigMap != nil {
			values, err := d.variables(ctx, owner, source)
			if err != nil {
				return draft{}, err
			}
			source = v1alpha1.EnvSource{Values: values}
		}
		source.File = ""
		b.Sources = append(b.Sources, source)
	}
	env, err := d.resolve(ctx, owner, &b)
	if err != nil {
		return draft{}, err
	}
	b.Hashes = d.hashes(env)
	return draft{build: build, config: b.digest(), print: b, policy: policyOf(spec)}, d.checkUser(spec)
}

// runsWith gives the part of a process type that belongs to a release. The check that only being exposed brings with it is left out:
// exposing an app restarts nothing.
func runsWith(p v1alpha1.Process) v1alpha1.Process {
	p.Replicas = nil
	bare := v1alpha1.Process{}
	bare.Default(true)
	if p.Port == 0 && p.Check != nil && sameJSON(p.Check, bare.Check) {
		p.Check = nil
	}
	return p
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (b blueprint) digest() string {
	b.Archive = nil
	data, err := json.Marshal(b)
	if err != nil {
		panic(err) // cannot be: it holds nothing but plain data
	}
	return string(state.DigestBytes(data))
}

// hashes gives keyed hashes of the secret variables: whoever reads the journal without the key learns only that they changed.
func (d *Driver) hashes(env environment) map[string]string {
	all := maps.Clone(env.hidden)
	maps.Copy(all, env.secrets)
	for name, value := range all {
		mac := hmac.New(sha256.New, d.cfg.Redact.Key)
		mac.Write([]byte(name + "=" + value))
		all[name] = hex.EncodeToString(mac.Sum(nil))
	}
	return all
}

// policyOf gives the part of a declaration that holds at once.
func policyOf(spec *v1alpha1.AppSpec) policy {
	p := policy{Replicas: map[string]int{}, Release: spec.Release, Needs: spec.Needs, LogFiles: spec.Logs.Files}
	for kind, process := range spec.Processes {
		p.Replicas[kind] = v1alpha1.DefaultReplicas
		if process.Replicas != nil {
			p.Replicas[kind] = *process.Replicas
		}
	}
	if e := spec.Expose; e != nil {
		p.Listen = net.JoinHostPort(e.Address, strconv.Itoa(e.Port))
		p.Exposed, p.Protocol = e.Process, e.Protocol
	}
	p.LogSize, _ = v1alpha1.ParseBytes(spec.Logs.Size) // decoding has checked it
	return p
}

// paths gives the files of the host that a configuration is read from.
func (b *blueprint) paths() []string {
	var all []string
	for _, source := range b.Sources {
		if source.HostFile != "" {
			all = append(all, source.HostFile)
		}
	}
	for _, from := range b.Secrets {
		if from.File != "" {
			all = append(all, from.File)
		}
	}
	return all
}
