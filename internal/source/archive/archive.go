// Package archive pulls a tar or zip file from a web server.
package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// Options say where and within which bounds an upstream works.
type Options struct {
	// Store keeps the artifacts. It may be shared with other upstreams.
	Store *packed.Store
	// Limits of an artifact. Default source.DefaultLimits.
	Limits source.Limits
	// Getenv looks up environment variables. Default os.Getenv.
	Getenv func(string) string
	// Log hears of what is put right by itself. Default: nobody.
	Log *slog.Logger
	// Timeout of one pull, beside its context's deadline. Default 1m.
	Timeout time.Duration
}

// upstream is one file on a web server.
type upstream struct {
	spec   v1alpha1.ArchiveSource
	opts   Options
	name   string // the URL for people
	pinned string // the only revision's ID that is taken; "" when the file is followed
	key    string

	mu     sync.Mutex // one pull at a time
	login  fetch.Login
	client *fetch.Client
	seen   seen
}

// New gives the upstream of an archive. Errors are faults of kind Invalid for what is wrong in the source. Nothing is pulled yet.
func New(spec v1alpha1.ArchiveSource, opts Options) (source.Upstream, error) {
	u := &upstream{spec: spec, opts: opts.withDefaults(), name: fetch.Redact(spec.URL)}
	if err := u.checkURL(); err != nil {
		return nil, err
	}
	if spec.SHA256 != "" {
		digest, err := hex.DecodeString(spec.SHA256)
		if err != nil || len(digest) != sha256.Size {
			return nil, fault.New(fault.Invalid, "read", "archive.sha256", "it is not 64 hexadecimal digits")
		}
		u.pinned = "sha256:" + hex.EncodeToString(digest)
	}
	content, err := json.Marshal(spec)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "read", u.name, err)
	}
	sum := sha256.Sum256(content)
	u.key = u.name + "#" + hex.EncodeToString(sum[:16])
	return u, nil
}

func (u *upstream) checkURL() error {
	refuse := func(cause, hint string) error {
		return fault.New(fault.Invalid, "read", "archive.url", cause).WithHint(hint)
	}
	at, err := url.Parse(u.spec.URL)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http":
		return refuse("it is not a URL of the web", "write it as https://host/path")
	case at.User != nil:
		return refuse("it holds credentials", "name them in archive.credentials, never in a URL")
	case at.Scheme == "http" && u.spec.SHA256 == "":
		return refuse("it is not https, and the file's sha256 is not given", "use https, or set archive.sha256")
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Limits == (source.Limits{}) {
		o.Limits = source.DefaultLimits
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	return o
}

// Key tells upstreams apart. Other credentials make another upstream: what one may read is not shown to who may not.
func (u *upstream) Key() string { return u.key }

// String gives the URL without its query.
func (u *upstream) String() string { return u.name }

// Last gives the artifact of the revision that was good last, from disk.
func (u *upstream) Last() source.Artifact { return u.opts.Store.Last(u.key) }

// ref is the file's name.
func (u *upstream) ref() string { return path.Base(strings.TrimSuffix(u.name, "/")) }
