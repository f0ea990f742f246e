package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	maxRedirects = 5
	maxHeaders   = 256 << 10 // bytes
)

// guard is a transport that knows which request a redirect comes from, and refuses those that lead where they must not. It has two pools of
// connections, so that one to a private address cannot be used by a request that may not make it.
type guard struct {
	opts   Options
	bounds bounds
	proxy  func(*http.Request) (*url.URL, error)

	anywhere *http.Transport
	public   *http.Transport // refuses to dial private addresses
}

// origin is what a chain of redirects began with.
type origin struct {
	scheme, host string
	private      atomic.Bool // it was on a private address
	redirects    int
}

type originKey struct{}

func newGuard(opts Options, b bounds) (*guard, error) {
	roots, err := rootsWith(opts.CAFile)
	if err != nil {
		return nil, err
	}
	g := &guard{opts: opts, bounds: b}
	if g.proxy, err = proxyOf(opts.Proxy); err != nil {
		return nil, err
	}
	g.anywhere = g.transport(roots, nil)
	g.public = g.transport(roots, g.refusePrivate)
	g.public.Proxy = nil // what goes through a proxy is dialled by the other one: the proxy itself may be on a private address
	return g, nil
}

func (g *guard) transport(roots *x509.CertPool, control func(string, string, syscall.RawConn) error) *http.Transport {
	dialer := &net.Dialer{Timeout: g.bounds.connect, KeepAlive: 30 * time.Second, Control: control}
	return &http.Transport{
		Proxy:                  g.proxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           8,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    g.bounds.handshake,
		ResponseHeaderTimeout:  g.bounds.headers,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaders,
	}
}

func rootsWith(file string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil || roots == nil {
		roots = x509.NewCertPool()
	}
	if file == "" {
		return roots, nil
	}
	content, err := readFile(file)
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM([]byte(content)) {
		return nil, fault.New(fault.Invalid, "read", "the file "+file, "it holds no certificate in PEM")
	}
	return roots, nil
}

// proxyOf takes the proxy that was asked for also for loopback, as the environment's is not.
func proxyOf(proxy string) (func(*http.Request) (*url.URL, error), error) {
	if proxy == "" {
		find := httpproxy.FromEnvironment().ProxyFunc()
		return func(r *http.Request) (*url.URL, error) { return find(r.URL) }, nil
	}
	at, err := url.Parse(proxy)
	if err != nil || at.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, at.Scheme) {
		return nil, fault.New(fault.Invalid, "read", "the proxy", "it is not an http, https or socks5 URL").
			WithHint("write it as http://host:port, https://host:port or socks5://host:port; other proxies are not supported")
	}
	return http.ProxyURL(at), nil
}

// RoundTrip makes one request of a chain.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	began, err := g.begin(r)
	if err != nil {
		return nil, closing(r, err)
	}
	through, err := g.proxy(r)
	if err != nil {
		return nil, closing(r, fault.New(fault.Invalid, "fetch", Redact(r.URL.String()), "the proxy of the environment is not a URL"))
	}
	ctx := context.WithValue(r.Context(), originKey{}, began)
	if began.redirects == 0 {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
			began.private.Store(g.beganPrivate(r.URL, got.Conn.RemoteAddr(), through != nil))
		}})
	}
	out := r.Clone(ctx)
	out.Header.Del("Referer") // which would show the query to another host
	if began.redirects > 0 && r.URL.Host != began.host {
		out.Header.Del("Authorization")
		out.Header.Del("Cookie")
	}
	switch {
	case began.redirects == 0 || began.private.Load():
		return g.anywhere.RoundTrip(out)
	case through == nil:
		return g.public.RoundTrip(out)
	case g.privateURL(r.URL):
		return nil, closing(r, errToPrivate(Redact(r.URL.String())))
	}
	return g.anywhere.RoundTrip(out)
}

// begin finds the first request of a chain, and judges the step from it to this one.
func (g *guard) begin(r *http.Request) (*origin, error) {
	refuse := func(cause string) error {
		return fault.New(fault.Denied, "fetch", Redact(r.URL.String()), cause).
			WithHint("use the URL that the server redirects to, if that is meant")
	}
	if r.Response == nil {
		if r.URL.Scheme == "http" && !g.opts.Insecure {
			return nil, fault.New(fault.Denied, "fetch", Redact(r.URL.String()), "it is not https").
				WithHint("use https, or say that HTTP is meant")
		}
		return &origin{scheme: r.URL.Scheme, host: r.URL.Host}, nil
	}
	before, ok := r.Response.Request.Context().Value(originKey{}).(*origin)
	if !ok {
		return nil, refuse("a redirect comes from nowhere")
	}
	now := &origin{scheme: before.scheme, host: before.host, redirects: before.redirects + 1}
	now.private.Store(before.private.Load())
	switch {
	case now.redirects > maxRedirects:
		return nil, refuse("there are more than five redirects")
	case r.Response.Request.URL.Scheme == "https" && r.URL.Scheme != "https":
		return nil, refuse("a redirect leads from https to http")
	case r.URL.Scheme == "http" && r.URL.Host != now.host:
		return nil, refuse("a redirect leads to another host without TLS")
	}
	return now, nil
}

// closing closes a request's body, as a transport has to, and gives the error.
func closing(r *http.Request, err error) error {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return err
}

func (g *guard) beganPrivate(at *url.URL, remote net.Addr, proxied bool) bool {
	if proxied {
		return g.privateURL(at)
	}
	host, port, err := net.SplitHostPort(remote.String())
	return err == nil && g.bounds.private(host, portOf(port))
}

func (g *guard) privateURL(at *url.URL) bool {
	return g.bounds.private(at.Hostname(), portOf(at.Port()))
}

func errToPrivate(item string) error {
	return fault.New(fault.Denied, "fetch", item, "a redirect leads from a public server to a private address").
		WithHint("use the URL that the server redirects to, if that is meant")
}

// refusePrivate stops a connection when its address is known, and before it is made.
func (g *guard) refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || g.bounds.private(at.Addr().String(), at.Port()) {
		return errToPrivate("")
	}
	return nil
}
