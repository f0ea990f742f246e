// Package oci pulls configuration artifacts and charts from registries, and releases them: it packs, signs, lists and tags.
package oci

import (
	"path"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// Options say where and within which bounds an upstream works.
type Options struct {
	packed.Options
	// Verify are the signatures that are demanded: all of them must hold.
	Verify []*v1alpha1.Verification
	// DockerConfig is a file of credentials as `docker login` writes it. Default: config.json in the folder DOCKER_CONFIG, or ~/.docker.
	// "-" reads none.
	DockerConfig string
	// CredentialHelpers allows the programs that the Docker configuration names to be executed. Off, nothing is executed.
	CredentialHelpers bool
	// EnvironHost is the only registry ("registry.example.com", with its port if it has one) that is shown the credentials of the
	// environment (SETPOINT_OCI_USERNAME and _PASSWORD, or _TOKEN); "" is none.
	EnvironHost string
}

// upstream is one repository and reference to pull from.
type upstream struct {
	opts   Options
	repo   *Repository
	follow follow
	chart  string // the chart's name, when it is one
	key    string

	mu      sync.Mutex // one pull at a time
	refused struct {   // what is wrong in itself is not downloaded again
		digest digest.Digest
		err    error
	}
	verified string // of which artifact, and by which keys: see verify
}

// New gives the upstream of an OCI source. Errors are faults of kind Invalid for what is wrong in the source. Nothing is pulled yet.
func New(spec v1alpha1.OCISource, opts Options) (source.Upstream, error) {
	opts.Options = opts.WithDefaults()
	followed, err := parseRef(spec.Ref)
	if err != nil {
		return nil, err
	}
	at := Access{CAFile: spec.CAFile, Proxy: spec.Proxy, PlainHTTP: spec.Insecure, Credentials: spec.Credentials, field: "oci"}
	repo, err := openFor(spec.URL, at.with(opts))
	if err != nil {
		return nil, err
	}
	return &upstream{opts: opts, repo: repo, follow: followed, key: packed.Key(repo.Name(), spec, opts.Verify)}, nil
}

// NewChart gives the upstream of a chart in a registry: spec.URL begins with oci://. The artifact is the content of the chart's directory.
// Errors are as those of New.
func NewChart(spec v1alpha1.HelmSource, opts Options) (source.Upstream, error) {
	opts.Options = opts.WithDefaults()
	if spec.Chart == "" || path.Clean(spec.Chart) != spec.Chart || path.IsAbs(spec.Chart) || spec.Chart[0] == '.' {
		return nil, fault.New(fault.Invalid, "read", "helm.chart", "it is not the name of a chart")
	}
	followed, err := parseChartVersion(spec.Version)
	if err != nil {
		return nil, err
	}
	at := Access{CAFile: spec.CAFile, Proxy: spec.Proxy, PlainHTTP: spec.Insecure, Credentials: spec.Credentials, field: "helm"}
	repo, err := openFor(spec.URL+"/"+spec.Chart, at.with(opts))
	if err != nil {
		return nil, err
	}
	key := packed.Key(repo.Name(), spec, opts.Verify)
	return &upstream{opts: opts, repo: repo, follow: followed, chart: path.Base(spec.Chart), key: key}, nil
}

// openFor opens a repository whose URL names no tag: what is followed is said elsewhere.
func openFor(url string, access Access) (*Repository, error) {
	repo, err := Open(url, access)
	if err == nil && repo.Reference() != "" {
		return nil, fault.New(fault.Invalid, "read", access.field+".url", "it names a tag or digest").
			WithHint("write that in " + access.field + map[string]string{"oci": ".ref", "helm": ".version"}[access.field])
	}
	return repo, err
}

// Key tells upstreams apart. Other credentials make another one: what one may read is not shown to who may not. So do other verifications:
// what satisfies one is not taken for another.
func (u *upstream) Key() string { return u.key }

// String gives the URL and reference, without credentials.
func (u *upstream) String() string { return u.repo.Name() + u.follow.String() }

// Last gives the artifact of the revision that was good last, from disk.
func (u *upstream) Last() source.Artifact { return u.opts.Store.Last(u.key) }
