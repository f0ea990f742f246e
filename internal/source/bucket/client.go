package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

const (
	pageSize   = 1000    // objects that are asked for at once
	maxListing = 8 << 20 // bytes of one page of a listing, and of a refusal
)

// login is what the credentials of a source say, read.
type login struct{ access, secret, session string }

// client is the library's, with the source that it is for.
type client struct {
	*minio.Client

	name string
}

// object is one file of a bucket.
type object struct {
	key, etag string
	size      int64
}

// connect gives the client, which is another when the credentials are.
func (u *upstream) connect() (*client, error) {
	now, err := u.readLogin()
	if err != nil || u.client != nil && now == u.login {
		return u.client, err
	}
	guarded, err := fetch.New(fetch.Options{CAFile: u.spec.CAFile, Proxy: u.spec.Proxy, Insecure: u.at.Scheme == "http"})
	if err != nil {
		return nil, err
	}
	library, err := minio.New(u.at.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(now.access, now.secret, now.session), // without any, nothing is signed
		Secure:     u.at.Scheme == "https",
		Region:     u.spec.Region,
		Transport:  &bounding{next: guarded.HTTP().Transport, object: u.opts.Limits.FileSize, name: u.name},
		MaxRetries: 1, // whoever pulls tries again
	})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", u.name, err)
	}
	u.client, u.login = &client{library, u.name}, now
	return u.client, nil
}

func (u *upstream) readLogin() (l login, err error) {
	c := u.spec.Credentials
	if c == nil {
		return login{}, nil
	}
	if l.access, err = fetch.Read(&c.AccessKey, u.opts.Getenv); err != nil {
		return login{}, err
	}
	if l.secret, err = fetch.Read(&c.SecretKey, u.opts.Getenv); err != nil {
		return login{}, err
	}
	l.session, err = fetch.Read(c.SessionToken, u.opts.Getenv)
	return l, err
}

// list gives the objects below a prefix by their paths, and when the newest of them was changed. It reads one page after the other, and no
// more objects than there may be files.
func (c *client) list(ctx context.Context, bucket, prefix string, limit int) (map[string]object, time.Time, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the library's goroutine
	defer cancel()
	found, newest := map[string]object{}, time.Time{}
	for o := range c.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, MaxKeys: pageSize}) {
		if o.Err != nil {
			return nil, newest, c.explain(o.Err)
		}
		path, below := strings.CutPrefix(o.Key, prefix)
		if !below {
			return nil, newest, c.refuse("the server lists objects that it was not asked for")
		}
		if strings.HasSuffix(path, "/") && o.Size == 0 || path == "" { // a folder, as some programs draw it
			continue
		}
		found[path] = object{key: o.Key, etag: strings.Trim(o.ETag, `"`), size: o.Size}
		if len(found) > limit {
			return nil, newest, c.refuse(fmt.Sprintf("it holds %d objects or more, and %d is the limit", len(found), limit))
		}
		if o.LastModified.After(newest) {
			newest = o.LastModified
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, newest, c.explain(err)
	}
	return found, newest, nil
}

// read opens an object as it was listed; it is an error when it has become another since.
func (c *client) read(ctx context.Context, bucket string, o object) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	if o.etag != "" {
		if err := opts.SetMatchETag(o.etag); err != nil {
			return nil, c.explain(err)
		}
	}
	content, err := c.GetObject(ctx, bucket, o.key, opts)
	if err != nil {
		return nil, c.explain(err)
	}
	return &explained{content, c}, nil
}

// explained is an object whose errors are faults.
type explained struct {
	*minio.Object

	client *client
}

func (e *explained) Read(p []byte) (int, error) {
	n, err := e.Object.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // as readers give it
		err = e.client.explain(err)
	}
	return n, err
}

func (c *client) refuse(cause string) error {
	return fault.New(fault.Invalid, "pull", c.name, cause).
		WithHint("keep what is not configuration elsewhere; the revision before stays in force")
}

// explain makes a fault of whatever went wrong. Its message holds no request's ID, so that the same problem always reads the same.
func (c *client) explain(err error) error {
	var said minio.ErrorResponse
	if !errors.As(err, &said) {
		if strings.Contains(err.Error(), "Connection closed by foreign host") { // what the library makes of an EOF
			err = io.ErrUnexpectedEOF
		}
		return fetch.Explain("pull", c.name, err)
	}
	e := &fault.Error{
		Op: "pull", Item: c.name, Kind: fault.Invalid, Err: errors.New("the server answers: " + said.Code),
		Hint: "check bucket.endpoint and bucket.bucket of the source",
	}
	switch code := said.StatusCode; {
	case said.Code == minio.NoSuchBucket:
		e.Kind, e.Err = fault.NotFound, errors.New("there is no such bucket")
		e.Hint = "check bucket.bucket and bucket.endpoint of the source"
	case code == http.StatusPreconditionFailed || code == http.StatusNotFound:
		e.Kind, e.Err, e.Hint = fault.Transient, errors.New("an object was changed while the bucket was read"), ""
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		e.Kind, e.Hint = fault.Denied, "check that bucket.credentials of the source are right, and may list the bucket and read its objects"
	case code >= http.StatusInternalServerError || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		e.Kind, e.Hint = fault.Transient, "check that the server runs and can be reached from here; it is tried again by itself"
	}
	return e
}

// bounding is a transport that bounds what the library reads into memory.
type bounding struct {
	next   http.RoundTripper
	object int64
	name   string
}

func (b *bounding) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	limit := int64(maxListing)
	if r.URL.RawQuery == "" && response.StatusCode == http.StatusOK {
		limit = b.object
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{fetch.Bounded(response.Body, limit, b.name), response.Body}
	return response, nil
}
