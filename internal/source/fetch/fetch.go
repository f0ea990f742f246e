// Package fetch is HTTP for sources: bounded in time and length, careful with redirects and credentials, with errors that say what to do.
package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
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
type Client struct{}

// New makes a client.
func New(opts Options) (*Client, error) { return nil, errors.ErrUnsupported }

// HTTP gives the guarded client for libraries that want one: at most five redirects, none from https to http, and none from a host that is not
// on a private address (RFC 1918, RFC 4193, loopback, link-local, metadata services) to one that is, whatever its name resolves to when it
// is dialled; connecting, TLS and the wait for headers are bounded.
func (c *Client) HTTP() *http.Client { return nil }

// Get fetches a URL. The body is an error of kind Invalid as soon as it is longer than limit, and Transient when it ends before its
// Content-Length or stalls for longer than 30 s. Status 304 and 2xx are answers; 401 and 403 are Denied, 404 and 410 NotFound, 408, 429 and 5xx
// Transient, others Invalid. Errors name the host and path, without credentials or query.
func (c *Client) Get(ctx context.Context, url string, header http.Header, limit int64) (*http.Response, error) {
	return nil, errors.ErrUnsupported
}

// Bounded gives a reader that is an error of kind Invalid as soon as it is longer than limit; item is named in it.
func Bounded(r io.Reader, limit int64, item string) io.Reader { return r }
