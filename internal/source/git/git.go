// Package git pulls from Git repositories. Nothing is checked out, and no git command is needed: the package speaks Git's
// protocol over HTTP and SSH, keeps packs on disk, and gives each commit's tree as a file system that reads straight out of them.
package git

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Options say where and within which bounds an upstream works.
type Options struct {
	// Dir holds one folder for each distinct URL. One process uses it at a time.
	Dir string
	// Limits of an artifact, and of what is downloaded for it. Default source.DefaultLimits. The upstreams of one URL share
	// the download limits of the first.
	Limits source.Limits
	// Environ looks up environment variables. Default os.Getenv.
	Environ func(string) string
	// Getenv looks up those that public keys are in. Default Environ.
	Getenv func(string) string
	// Verify are the signatures that are demanded of every revision: all of them. One that says nothing of Git refuses everything.
	Verify []*v1alpha1.Verification
	// EnvironHost is the only host ("git.example.com", with its port if it has one) that is shown the credentials of the
	// environment; "" is every host.
	EnvironHost string
	// Log hears of what is put right by itself. Default: nobody.
	Log *slog.Logger
	// Timeout of one pull, beside its context's deadline. Default 1m.
	Timeout time.Duration
}

// upstream is one repository and reference to pull from.
type upstream struct {
	spec  v1alpha1.GitSource
	opts  Options
	at    location
	ref   reference
	store *store
	key   string
	plain string // the key of the same upstream without signatures; "" where none are demanded

	mu      sync.Mutex // one pull at a time
	client  *http.Client
	talk    *conversation // HTTP: what the server can do is remembered from pull to pull
	shown   bool          // credentials were sent
	refused struct {      // a commit that is beyond the limits is not downloaded again
		commit plumbing.Hash
		err    error
	}

	lastMu sync.Mutex
	last   *artifact
	proven string // what was verified last, and by which keys
}

// New gives the upstream of a Git source. Errors are faults of kind Invalid for what is wrong in the source, and Internal
// for a folder that cannot be made. Nothing is pulled yet.
func New(spec v1alpha1.GitSource, opts Options) (source.Upstream, error) {
	return newUpstream(spec, opts)
}

func newUpstream(spec v1alpha1.GitSource, opts Options) (*upstream, error) {
	opts = opts.withDefaults()
	at, err := parseLocation(spec.URL)
	if err != nil {
		return nil, err
	}
	ref, err := parseReference(spec.Ref)
	if err != nil {
		return nil, err
	}
	u := &upstream{spec: spec, opts: opts, at: at, ref: ref}
	if u.store, err = openStore(filepath.Join(opts.Dir, digest(at.String())[:32]), opts.Limits); err != nil {
		return nil, fault.Wrap(fault.Internal, "open the folder of", at.String(), err)
	}
	if err = u.makeKeys(); err != nil {
		return nil, fault.Wrap(fault.Internal, "open the folder of", at.String(), err)
	}
	return u, nil
}

func (u *upstream) makeKeys() (err error) {
	u.key, err = u.makeKey(nil)
	if err != nil || len(u.opts.Verify) == 0 {
		return err
	}
	u.plain = u.key
	u.key, err = u.makeKey(u.opts.Verify)
	return err
}

func (o Options) withDefaults() Options {
	if o.Limits == (source.Limits{}) {
		o.Limits = source.DefaultLimits
	}
	if o.Environ == nil {
		o.Environ = os.Getenv
	}
	if o.Getenv == nil {
		o.Getenv = o.Environ
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

// String gives the URL and reference, without credentials.
func (u *upstream) String() string {
	if ref := u.ref.String(); ref != "" {
		return u.at.String() + "@" + ref
	}
	return u.at.String()
}

// Rest drops what only makes reading quicker, for when nothing is read for a while.
func (u *upstream) Rest() { u.store.bases.clear() }

// makeKey digests whatever decides about the content, and which signatures are demanded: what meets one demand is not taken for another.
// A password in the URL goes in keyed, so that it cannot be guessed from the key.
func (u *upstream) makeKey(verify []*v1alpha1.Verification) (string, error) {
	inline := ""
	if u.at.user != nil {
		secret, err := folderKey(u.opts.Dir)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(u.at.user.String()))
		inline = hex.EncodeToString(mac.Sum(nil))
	}
	parts := []any{u.at.String(), u.ref.key(), u.spec.Credentials, u.spec.CAFile, u.spec.Proxy, u.spec.Submodules, inline}
	if len(verify) > 0 {
		parts = append(parts, verify)
	}
	content, err := json.Marshal(parts)
	return u.at.String() + "#" + digest(string(content))[:32], err
}

// folderKey gives the folder's own random key.
func folderKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "key")
	if key, err := os.ReadFile(path); err == nil && len(key) == 32 {
		return key, nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, writeFile(path, key)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
