// Package helm pulls charts from chart repositories over HTTP: a folder of a web server with an index.yaml. Nothing of a chart is run or
// rendered here. The index is asked for once for all charts of a repository, and an archive only when its digest is new.
package helm

import (
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// Options say where and within which bounds an upstream works.
type Options struct {
	packed.Options
	// Verify demands signatures: all of them have to hold.
	Verify []*v1alpha1.Verification
	// Indexes are shared by all upstreams. Default: its own.
	Indexes *Indexes
}

// upstream is one chart of a repository, and which of its versions to follow.
type upstream struct {
	spec   v1alpha1.HelmSource
	opts   Options
	at     location
	choice choice
	key    string
	// repository tells apart those whose indexes are shared.
	repository string

	mu      sync.Mutex // one pull at a time
	login   fetch.Login
	client  *fetch.Client
	refused struct { // an archive that is refused is not downloaded again
		version version
		err     error
	}
}

var _ source.Upstream = (*upstream)(nil)

// New gives the upstream of a chart. Errors are faults of kind Invalid for what is wrong in the source. Nothing is pulled yet.
func New(spec v1alpha1.HelmSource, opts Options) (source.Upstream, error) {
	at, err := parseLocation(spec)
	if err != nil {
		return nil, err
	}
	choice, err := parseChoice(spec.Version)
	if err != nil {
		return nil, err
	}
	opts.Options = opts.WithDefaults()
	if opts.Indexes == nil {
		opts.Indexes = NewIndexes()
	}
	u := &upstream{spec: spec, opts: opts, at: at, choice: choice}
	u.repository = packed.Key(at.index(), spec.Credentials, spec.CAFile, spec.Proxy)
	u.key = packed.Key(at.chart(spec.Chart), u.repository, spec.Version, opts.Verify)
	return u, nil
}

// Key tells upstreams apart. Other credentials make another upstream, and so does another verification.
func (u *upstream) Key() string { return u.key }

// String gives the repository's URL with the chart and the version that is followed.
func (u *upstream) String() string {
	if text := u.choice.String(); text != "" {
		return u.at.chart(u.spec.Chart) + "@" + text
	}
	return u.at.chart(u.spec.Chart)
}

// Last gives the chart that was good last, from disk; nil when it was signed by keys that count no more.
func (u *upstream) Last() source.Artifact {
	demanded, err := u.demanded()
	if err != nil {
		return nil
	}
	return u.opts.Store.Last(demanded.place)
}
