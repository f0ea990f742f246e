// Package bucket pulls what a bucket of an S3-compatible store holds under a prefix.
package bucket

import (
	"net/url"
	"strings"
	"sync"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
)

// upstream is one bucket and prefix.
type upstream struct {
	spec   v1alpha1.BucketSource
	opts   packed.Options
	at     *url.URL // of the endpoint
	prefix string   // "" or with a slash at its end
	name   string   // for people
	key    string

	mu     sync.Mutex // one pull at a time
	login  login
	client *client
	seen   seen
}

// New gives the upstream of a bucket. The prefix is a folder: "env/prod" does not mean env/production. Errors are faults of kind Invalid
// for what is wrong in the source. Nothing is pulled yet.
func New(spec v1alpha1.BucketSource, opts packed.Options) (source.Upstream, error) {
	refuse := func(field, cause, hint string) (source.Upstream, error) {
		return nil, fault.New(fault.Invalid, "read", "bucket."+field, cause).WithHint(hint)
	}
	at, err := url.Parse(spec.Endpoint)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http":
		return refuse("endpoint", "it is not a URL of the web", "write it as https://host")
	case at.User != nil:
		return refuse("endpoint", "it holds credentials", "name them in bucket.credentials, never in a URL")
	case strings.Trim(at.Path, "/") != "" || at.RawQuery != "":
		return refuse("endpoint", "it has a path", "name the bucket in bucket.bucket, and a folder in it in bucket.prefix")
	case spec.Bucket == "" || strings.ContainsAny(spec.Bucket, "/?#"):
		return refuse("bucket", "it is not the name of a bucket", "")
	}
	u := &upstream{spec: spec, opts: opts.WithDefaults(), at: at, prefix: strings.Trim(spec.Prefix, "/")}
	if u.prefix != "" {
		u.prefix += "/"
	}
	u.name = at.Scheme + "://" + at.Host + "/" + spec.Bucket + "/" + u.prefix
	u.key = packed.Key(u.name, spec)
	return u, nil
}

// Key tells upstreams apart. Other credentials make another upstream: what one may read is not shown to who may not.
func (u *upstream) Key() string { return u.key }

// String gives the endpoint, bucket and prefix.
func (u *upstream) String() string { return u.name }

// Last gives the artifact of the revision that was good last, from disk.
func (u *upstream) Last() source.Artifact { return u.opts.Store.Last(u.key) }
