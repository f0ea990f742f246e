package git

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// httpChannel talks smart HTTP: one GET for what the server can do, then one POST for each request.
type httpChannel struct {
	client *http.Client
	base   *url.URL // of the repository, after redirects
	auth   secrets
	host   string // the only one that is shown the credentials
}

// statusError is an answer other than 200.
type statusError struct{ code int }

func (e *statusError) Error() string { return "the server answers " + http.StatusText(e.code) }

// newHTTPClient makes the client of one upstream: its own certificates and proxy, and connections that are kept.
func newHTTPClient(caFile []byte, proxy string, environ func(string) string) (*http.Client, error) {
	pool, err := x509.SystemCertPool()
	if err != nil || pool == nil {
		pool = x509.NewCertPool()
	}
	if caFile != nil && !pool.AppendCertsFromPEM(caFile) {
		return nil, fault.New(fault.Invalid, "read", "git.caFile", "it holds no certificate in PEM")
	}
	transport := &http.Transport{
		Proxy:                 proxyFunc(proxy, environ),
		TLSClientConfig:       &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   1,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   30 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}, nil
}

func proxyFunc(proxy string, environ func(string) string) func(*http.Request) (*url.URL, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if v := environ(name); v != "" {
				return v
			}
		}
		return ""
	}
	config := httpproxy.Config{
		HTTPProxy:  first("HTTP_PROXY", "http_proxy"),
		HTTPSProxy: first("HTTPS_PROXY", "https_proxy"),
		NoProxy:    first("NO_PROXY", "no_proxy"),
	}
	if proxy != "" {
		config = httpproxy.Config{HTTPProxy: proxy, HTTPSProxy: proxy}
		fixed, err := url.Parse(proxy)
		return func(*http.Request) (*url.URL, error) { return fixed, err } // also for loopback, since it was asked for
	}
	find := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return find(r.URL) }
}

var errRedirect = errors.New("a redirect leads from https to http")

// checkRedirect follows the first request only (a repository that was renamed), and never back to plain HTTP.
func checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case r.Method != http.MethodGet || len(via) >= 5:
		return http.ErrUseLastResponse
	case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
		return errRedirect
	}
	if r.URL.Host != via[0].URL.Host {
		r.Header.Del("Authorization")
	}
	return nil
}

const infoRefs = "/info/refs"

func (c *httpChannel) greet(ctx context.Context) (io.ReadCloser, error) {
	res, err := c.do(ctx, http.MethodGet, infoRefs+"?service=git-upload-pack", nil)
	if err != nil {
		return nil, err
	}
	final := *res.Request.URL
	if repo, ok := strings.CutSuffix(final.Path, infoRefs); ok {
		final.Path, final.RawQuery, final.RawPath = repo, "", ""
		c.base = &final
	}
	return res.Body, nil
}

func (c *httpChannel) ask(ctx context.Context, request []byte) (io.ReadCloser, error) {
	res, err := c.do(ctx, http.MethodPost, "/git-upload-pack", request)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

func (c *httpChannel) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", agentName)
	r.Header.Set("Git-Protocol", "version=2")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-git-upload-pack-request")
		r.Header.Set("Accept", "application/x-git-upload-pack-result")
	}
	if c.auth.user != "" && c.base.Host == c.host {
		r.SetBasicAuth(c.auth.user, c.auth.password)
	}
	res, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		_ = res.Body.Close()
		return nil, &statusError{res.StatusCode}
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/x-git-upload-pack-") {
		_ = res.Body.Close()
		return nil, errNotGit
	}
	return res, nil
}

func (c *httpChannel) close() {}
