// Package archive pulls a tar or zip file from a web server.
package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// upstream is one file on a web server.
type upstream struct {
	spec   v1alpha1.ArchiveSource
	opts   packed.Options
	name   string // the URL for people
	pinned string // the only revision's ID that is taken; "" when the file is followed
	key    string

	mu     sync.Mutex // one pull at a time
	login  fetch.Login
	client *fetch.Client
	seen   seen
}

// New gives the upstream of an archive. Errors are faults of kind Invalid for what is wrong in the source. Nothing is pulled yet.
func New(spec v1alpha1.ArchiveSource, opts packed.Options) (source.Upstream, error) {
	u := &upstream{spec: spec, opts: opts.WithDefaults(), name: fetch.Redact(spec.URL)}
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
	u.key = packed.Key(u.name, spec)
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

// Key tells upstreams apart. Other credentials make another upstream: what one may read is not shown to who may not.
func (u *upstream) Key() string { return u.key }

// String gives the URL without its query.
func (u *upstream) String() string { return u.name }

// Last gives the artifact of the revision that was good last, from disk.
func (u *upstream) Last() source.Artifact { return u.opts.Store.Last(u.key) }

// ref is the file's name.
func (u *upstream) ref() string { return path.Base(strings.TrimSuffix(u.name, "/")) }
