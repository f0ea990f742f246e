package agent

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/archive"
	"github.com/setpoint-dev/setpoint/internal/source/bucket"
	"github.com/setpoint-dev/setpoint/internal/source/git"
	"github.com/setpoint-dev/setpoint/internal/source/helm"
	"github.com/setpoint-dev/setpoint/internal/source/oci"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// upstreams makes the upstreams of sources. Equal sources of which equal signatures are demanded share one. Safe for concurrent use.
type upstreams struct {
	dir     string // for what is kept of them
	root    v1alpha1.SourceSpec
	helpers bool // programs of the Docker configuration may be asked for credentials
	log     *slog.Logger

	mu      sync.Mutex
	known   map[string]source.Upstream
	store   *packed.Store
	indexes *helm.Indexes
}

func newUpstreams(cfg Config, dir string) *upstreams {
	return &upstreams{dir: dir, root: cfg.Source, helpers: cfg.CredentialHelpers, log: cfg.Log, known: map[string]source.Upstream{}}
}

// demand is a source with the signatures that are demanded of it. One that is confined gets none of the agent's own logins.
type demand struct {
	spec     v1alpha1.SourceSpec
	verify   []*v1alpha1.Verification
	confined bool
}

// of gives the upstream of a source.
func (u *upstreams) of(wanted demand) (source.Upstream, error) {
	if own := wanted.spec.Verify; own != nil {
		wanted.verify = append([]*v1alpha1.Verification{own}, wanted.verify...)
	}
	key, err := json.Marshal([]any{wanted.spec, wanted.verify, wanted.confined})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "read", "source", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if known := u.known[string(key)]; known != nil {
		return known, nil
	}
	made, err := u.make(wanted)
	if err != nil {
		return nil, err
	}
	u.known[string(key)] = made
	return made, nil
}

func (u *upstreams) make(wanted demand) (source.Upstream, error) {
	spec, demanded := wanted.spec, wanted.verify
	if spec.Git != nil {
		return git.New(*spec.Git, git.Options{
			Dir: filepath.Join(u.dir, "git"), Log: u.log, Timeout: time.Duration(spec.Timeout),
			EnvironHost: u.rootServer(), Verify: demanded, Getenv: os.Getenv,
		})
	}
	if err := u.openStore(); err != nil {
		return nil, err
	}
	switch {
	case spec.OCI != nil:
		return oci.New(*spec.OCI, u.ociOptions(wanted))
	case spec.Helm != nil && strings.HasPrefix(spec.Helm.URL, "oci://"):
		return oci.NewChart(*spec.Helm, u.ociOptions(wanted))
	case spec.Helm != nil:
		return helm.New(*spec.Helm, helm.Options{Options: u.options(spec), Verify: demanded, Indexes: u.indexes})
	case spec.Bucket != nil:
		return bucket.New(*spec.Bucket, u.options(spec))
	case spec.Archive != nil:
		return archive.New(*spec.Archive, u.options(spec))
	}
	return nil, fault.New(fault.Invalid, "read", "source", "it names no upstream").
		WithHint("give it one of git, oci, helm, bucket, archive")
}

func (u *upstreams) options(spec v1alpha1.SourceSpec) packed.Options {
	return packed.Options{Store: u.store, Getenv: os.Getenv, Log: u.log, Timeout: time.Duration(spec.Timeout)}
}

func (u *upstreams) ociOptions(wanted demand) oci.Options {
	options := oci.Options{
		Options: u.options(wanted.spec), Verify: wanted.verify, CredentialHelpers: u.helpers, EnvironHost: u.rootServer(),
	}
	if wanted.confined {
		options.DockerConfig, options.CredentialHelpers, options.EnvironHost = "-", false, ""
	}
	return options
}

// openStore opens the folder of what does not come from Git, when the first source needs it.
func (u *upstreams) openStore() (err error) {
	if u.store == nil {
		u.indexes = helm.NewIndexes()
		u.store, err = packed.Open(filepath.Join(u.dir, "artifacts"))
	}
	return err
}

// rootServer is the one server that the credentials of the agent's environment are shown to.
func (u *upstreams) rootServer() string {
	switch root := u.root; {
	case root.Git != nil:
		return serverOf(root.Git.URL)
	case root.OCI != nil:
		return serverOf(root.OCI.URL)
	}
	return "none.invalid" // "" would be any
}

// rest has the sources drop what they can have again: mostly parts of what was just read, which is in use as objects now.
func (u *upstreams) rest() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, upstream := range u.known {
		if resting, ok := upstream.(interface{ Rest() }); ok {
			resting.Rest()
		}
	}
}
