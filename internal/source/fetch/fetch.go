// Package fetch is HTTP for sources: bounded in time and length, careful with redirects and credentials, with errors that say what to do.
package fetch

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Options of a client; the zero value is good.
type Options struct {
	CAFile string // PEM, beside the system's certificates
	Proxy  string // http, https or socks5 URL; default the environment's
	// Username and Password, or Token, are shown to the host of the first request alone, never after a redirect to another.
	Username, Password, Token string
	// Insecure allows HTTP without TLS, for the first request and for redirects within the same host.
	Insecure bool
}

// Client makes requests. Safe for concurrent use.
type Client struct {
	opts   Options
	http   *http.Client
	bounds bounds
}

// bounds are what a client waits for and whom it takes for private. Tests have others.
type bounds struct {
	connect, handshake, headers, stall time.Duration

	private func(host string, port uint16) bool
}

var defaultBounds = bounds{
	connect: 15 * time.Second, handshake: 15 * time.Second, headers: 30 * time.Second, stall: 30 * time.Second, private: isPrivate,
}

// New makes a client. Errors are faults of kind Invalid: of a file of certificates that cannot be read, of a proxy that is no URL of a
// known kind.
func New(opts Options) (*Client, error) { return newClient(opts, defaultBounds) }

func newClient(opts Options, b bounds) (*Client, error) {
	guarded, err := newGuard(opts, b)
	if err != nil {
		return nil, err
	}
	return &Client{opts: opts, bounds: b, http: &http.Client{Transport: guarded, CheckRedirect: guardRedirects}}, nil
}

// guardRedirects leaves all of them to the guard, which sees them also where a library follows them by itself.
func guardRedirects(*http.Request, []*http.Request) error { return nil }

// HTTP gives the guarded client for libraries that want one: at most five redirects, none from https to http, and none from a host that is
// not on a private address (RFC 1918, RFC 4193, loopback, link-local, metadata services) to one that is, whatever its name resolves to when
// it is dialled; connecting, TLS and the wait for headers are bounded. Its Transport alone guards all of this too. Behind a proxy, which
// does the resolving, a host counts as private by its literal address or the name localhost. What a guard refuses is a fault inside of the
// *url.Error.
func (c *Client) HTTP() *http.Client { return c.http }

// Get fetches a URL. The body is an error of kind Invalid as soon as it is longer than limit, and Transient when it ends before its
// Content-Length or stalls for longer than 30 s. Status 304 and 2xx are answers; 401 and 403 are Denied, 404 and 410 NotFound, 408, 429 and
// 5xx Transient, others Invalid. Errors name the host and path, without credentials or query.
//
// A body that the server compresses for the way is decompressed, and counts as that; a header Accept-Encoding prevents it.
func (c *Client) Get(ctx context.Context, address string, header http.Header, limit int64) (*http.Response, error) {
	return c.do(ctx, address, limit, func(r *http.Request) { maps.Copy(r.Header, header) })
}

// Follow fetches a URL that a file names which Get has fetched, as Get does. It is guarded as if that answer had redirected to it: no
// credentials go to another host, and a file on a public server leads to no private address. The answer's body may be closed.
func (c *Client) Follow(ctx context.Context, from *http.Response, address string, limit int64) (*http.Response, error) {
	return c.do(ctx, address, limit, func(r *http.Request) { r.Response = from })
}

func (c *Client) do(ctx context.Context, address string, limit int64, prepare func(*http.Request)) (*http.Response, error) {
	item := Redact(address)
	ctx, cancel := context.WithCancelCause(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil || request.URL.Host == "" {
		cancel(nil)
		return nil, fault.New(fault.Invalid, "fetch", item, "it is not a URL").WithHint("write it as https://host/path")
	}
	prepare(request)
	c.sign(request)
	response, err := c.http.Do(request)
	if err != nil {
		cancel(nil)
		return nil, Explain("fetch", item, err)
	}
	response.Body = &body{in: response.Body, item: item, left: limit, limit: limit, stall: c.bounds.stall, ctx: ctx, cancel: cancel}
	if err = c.answer(response, item); err == nil && response.ContentLength > limit {
		err = tooLong(item, limit)
	}
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// sign shows who asks. Credentials in the URL are left to net/http.
func (c *Client) sign(r *http.Request) {
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "setpoint")
	}
	switch {
	case c.opts.Token != "":
		r.Header.Set("Authorization", "Bearer "+c.opts.Token)
	case c.opts.Username != "" || c.opts.Password != "":
		r.SetBasicAuth(c.opts.Username, c.opts.Password)
	}
}

// Redact gives a URL for people: without user, password, query and fragment.
func Redact(address string) string {
	at, err := url.Parse(address)
	if err != nil {
		return "the URL"
	}
	return (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: at.Path}).String()
}

// Bounded gives a reader that is an error of kind Invalid as soon as it is longer than limit; item is named in it.
func Bounded(r io.Reader, limit int64, item string) io.Reader {
	return &bounded{in: r, left: limit, limit: limit, item: item}
}
