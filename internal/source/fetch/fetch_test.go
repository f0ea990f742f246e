package fetch

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
)

const plenty = 1 << 20

func client(t *testing.T, opts Options, b bounds) *Client {
	t.Helper()
	opts.Insecure = true
	c, err := newClient(opts, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func serve(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server
}

// get fetches the whole of a URL.
func get(t *testing.T, c *Client, address string, limit int64) (string, error) {
	t.Helper()
	response, err := c.Get(t.Context(), address, nil, limit)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return string(content), err
}

// refused checks kind and words of an error, and that it tells nothing that is secret.
func refused(t *testing.T, err error, kind fault.Kind, word string) {
	t.Helper()
	if fault.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), word) {
		t.Errorf("%v of kind %s, want %s and %q", err, fault.KindOf(err), kind, word)
	}
	if text := fmt.Sprint(err, fault.HintOf(err)); strings.Contains(text, "s3cret") || strings.Contains(text, "->") {
		t.Errorf("%q tells too much", text)
	}
}

func TestGet(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "1" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "content for "+r.Header.Get("User-Agent"))
	})
	c := client(t, Options{}, defaultBounds)
	if got, err := get(t, c, server.URL, 20); err != nil || got != "content for setpoint" {
		t.Errorf("got %q and %v", got, err)
	}
	_, err := get(t, c, server.URL+"/x?token=s3cret", 19)
	refused(t, err, fault.Invalid, "/x")
	response, err := c.Get(t.Context(), server.URL, http.Header{"If-None-Match": {"1"}}, plenty)
	if err != nil || response.StatusCode != http.StatusNotModified {
		t.Fatalf("%v, %v", response, err)
	}
	_ = response.Body.Close()
}

func TestStatusesHaveKinds(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Repeat("s3cret", 100_000))
	})
	c := client(t, Options{}, defaultBounds)
	for status, kind := range map[int]fault.Kind{
		401: fault.Denied, 403: fault.Denied, 404: fault.NotFound, 410: fault.NotFound, 408: fault.Transient, 429: fault.Transient,
		500: fault.Transient, 503: fault.Transient, 400: fault.Invalid, 418: fault.Invalid, 407: fault.Denied,
	} {
		_, err := get(t, c, fmt.Sprint(server.URL, "/", status, "?token=s3cret"), plenty)
		refused(t, err, kind, fmt.Sprint("/", status, ":"))
	}
}

func TestCredentialsAreForTheFirstHost(t *testing.T) {
	var shown atomic.Value
	elsewhere := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		shown.Store(r.Header.Get("Authorization") + r.Header.Get("Referer") + r.Header.Get("Cookie"))
	})
	secure, ca := sourcetest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		shown.Store(r.Header.Get("Authorization") + r.Header.Get("Referer"))
	})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		shown.Store(r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/secure":
			http.Redirect(w, r, secure.URL, http.StatusFound)
		case "/elsewhere":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}
	})
	for want, opts := range map[string]Options{
		"Bearer s3cret": {Token: "s3cret"}, "Basic bWU6czNjcmV0": {Username: "me", Password: "s3cret"},
	} {
		opts.CAFile = ca
		c := client(t, opts, defaultBounds)
		for path, want := range map[string]string{"/": want, "/here": want, "/secure": ""} {
			if _, err := get(t, c, server.URL+path+"?token=s3cret", plenty); err != nil || shown.Load() != want {
				t.Errorf("%s: %v is shown, want %q; %v", path, shown.Load(), want, err)
			}
		}
		_, err := get(t, c, server.URL+"/elsewhere", plenty)
		refused(t, err, fault.Denied, "without TLS")
	}
	c := client(t, Options{CAFile: ca}, defaultBounds)
	inURL := strings.Replace(server.URL, "://", "://me:s3cret@", 1)
	if _, err := get(t, c, inURL+"/secure", plenty); err != nil || shown.Load() != "" {
		t.Errorf("%v is shown; %v", shown.Load(), err)
	}
	_, err := get(t, c, strings.Replace(inURL, "http", "ftp", 1), plenty)
	refused(t, err, fault.Invalid, "web")
}

func TestCertificates(t *testing.T) {
	server, ca := sourcetest.Serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secure") })
	server.Config.ErrorLog = nil
	if got, err := get(t, client(t, Options{CAFile: ca}, defaultBounds), server.URL, plenty); err != nil || got != "secure" {
		t.Errorf("got %q and %v", got, err)
	}
	_, err := get(t, client(t, Options{}, defaultBounds), server.URL, plenty)
	refused(t, err, fault.Denied, "unknown authority")
	plain, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = get(t, plain, "http://127.0.0.1:1/", plenty)
	refused(t, err, fault.Denied, "not https")
	for _, file := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir(), os.Args[0]} {
		if _, err := New(Options{CAFile: file}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestRedirectsAreBounded(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	server, ca := sourcetest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		var left int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &left)
		switch {
		case r.URL.Path == "/down":
			http.Redirect(w, r, plain.URL+"?token=s3cret", http.StatusFound)
		case left > 0:
			http.Redirect(w, r, fmt.Sprint("/", left-1), http.StatusMovedPermanently)
		}
	})
	c := client(t, Options{CAFile: ca}, defaultBounds)
	if _, err := get(t, c, server.URL+"/5", plenty); err != nil {
		t.Error(err)
	}
	_, err := get(t, c, server.URL+"/6", plenty)
	refused(t, err, fault.Denied, "five")
	_, err = get(t, c, server.URL+"/down", plenty)
	refused(t, err, fault.Denied, "https to http")
	alone := &http.Client{Transport: c.HTTP().Transport} // as a library uses it
	response, err := alone.Get(server.URL + "/6")
	if err == nil {
		_ = response.Body.Close()
	}
	refused(t, err, fault.Denied, "five")
}

// TestPrivateAddresses: of two servers on loopback, one counts as public, by its port.
func TestPrivateAddresses(t *testing.T) {
	private, ca := sourcetest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "internal")
	})
	_, port, _ := net.SplitHostPort(private.Listener.Addr().String())
	public := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.URL.Query().Get("to"), http.StatusFound)
	})
	b := defaultBounds
	b.private = func(_ string, at uint16) bool { return fmt.Sprint(at) == port }
	c := client(t, Options{CAFile: ca}, b)
	for _, address := range []string{private.URL, private.URL + "/again"} { // a private server is asked if that is what the source says
		if got, err := get(t, c, address, plenty); err != nil || got != "internal" {
			t.Fatalf("got %q and %v", got, err)
		}
	}
	for _, host := range []string{"127.0.0.1:", "localhost:", "[::ffff:127.0.0.1]:"} { // also where there is a connection already
		_, err := get(t, c, public.URL+"/?to="+host+port, plenty)
		refused(t, err, fault.Denied, "private")
	}
	b.private = func(string, uint16) bool { return true }
	if got, err := get(t, client(t, Options{CAFile: ca}, b), public.URL+"/?to=127.0.0.1:"+port, plenty); err != nil || got != "internal" {
		t.Errorf("from one private server to another: got %q and %v", got, err)
	}
}

func TestWhatIsPrivate(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "10.1.2.3": true, "172.16.0.1": true, "192.168.1.1": true, "169.254.169.254": true, "::1": true, "fd00:ec2::254": true,
		"fe80::1": true, "0.0.0.0": true, "::": true, "100.100.100.200": true, "192.0.0.192": true, "168.63.129.16": true, "224.0.0.1": true,
		"::ffff:10.0.0.1": true, "64:ff9b::a00:1": true, "2002:a00:1::": true, "::10.0.0.1": true, "255.255.255.255": true,
		"8.8.8.8": false, "1.1.1.1": false, "172.32.0.1": false, "2606:4700::1111": false, "64:ff9b::808:808": false, "2002:808:808::": false,
	} {
		if got := isPrivateAddress(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	for host, want := range map[string]bool{"localhost": true, "LOCALHOST.": true, "a.localhost": true, "example.com": false, "10.0.0.1": true} {
		if got := isPrivate(host, 443); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

// hurried waits but a moment for what is not going to come, and patiently for everything else.
func hurried(trouble string) bounds {
	b := defaultBounds
	switch trouble {
	case "stalled":
		b.stall = 200 * time.Millisecond
	case "slow headers":
		b.headers = 200 * time.Millisecond
	}
	return b
}

func TestServersThatDoNotEndWell(t *testing.T) {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	wait := func(r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}
	begin := func(w http.ResponseWriter, text string) {
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		word   string
	}{
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			begin(w, "half")
			panic(http.ErrAbortHandler)
		}, "too early"},
		"truncated in pieces": {func(w http.ResponseWriter, _ *http.Request) {
			begin(w, "half")
			panic(http.ErrAbortHandler)
		}, "too early"},
		"stalled":      {func(w http.ResponseWriter, r *http.Request) { begin(w, "half"); wait(r) }, "stopped sending"},
		"slow headers": {func(_ http.ResponseWriter, r *http.Request) { wait(r) }, "in time"},
		"no answer":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "too early"},
		"cut compression": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1})
		}, "too early"},
		"endless headers": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, test.answer)
			server.Config.ErrorLog = nil
			c := client(t, Options{}, hurried(name))
			_, err := get(t, c, server.URL+"/x?token=s3cret", plenty)
			refused(t, err, fault.Transient, test.word)
			_, again := get(t, c, server.URL+"/x?token=s3cret", plenty)
			if fmt.Sprint(err) != fmt.Sprint(again) {
				t.Errorf("first %q, then %q", err, again)
			}
		})
	}
}

func TestServersThatCannotBeReached(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	server.Close()
	c := client(t, Options{}, defaultBounds)
	_, err := get(t, c, server.URL+"/x?token=s3cret", plenty)
	refused(t, err, fault.Transient, "refused")
	_, err = get(t, c, "http://host.invalid/x", plenty)
	refused(t, err, fault.Transient, "")
	for _, address := range []string{"", "not a URL", "http://", "http://me:s3cret@[", "file:///etc/passwd"} {
		_, err := get(t, c, address, plenty)
		refused(t, err, fault.Invalid, "URL")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, server.URL, nil, plenty); fault.KindOf(err) != fault.Transient || !errors.Is(err, context.Canceled) {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
}

// TestLongBodies: ten gigabytes are refused before they are read when the server says so, and at the limit when it does not.
func TestLongBodies(t *testing.T) {
	block := make([]byte, 64<<10)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/said":
			w.Header().Set("Content-Length", "10737418240")
		case "/compressed":
			w.Header().Set("Content-Encoding", "gzip")
			compressed := gzip.NewWriter(w)
			for range 10 << 30 / len(block) {
				if _, err := compressed.Write(block); err != nil {
					return
				}
			}
		}
		for range 10 << 30 / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	c := client(t, Options{}, defaultBounds)
	for _, path := range []string{"/said", "/unsaid", "/compressed"} {
		got, err := get(t, c, server.URL+path, plenty)
		refused(t, err, fault.Invalid, "longer than the 1048576 bytes")
		if len(got) > plenty {
			t.Errorf("%s: got %d bytes", path, len(got))
		}
	}
}

func TestProxy(t *testing.T) {
	var asked atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		switch r.URL.Path {
		case "/to-private":
			http.Redirect(w, r, "https://169.254.169.254/latest?token=s3cret", http.StatusFound)
		default:
			_, _ = io.WriteString(w, "by proxy")
		}
	})
	c := client(t, Options{Proxy: proxy.URL}, defaultBounds)
	if got, err := get(t, c, "http://example.com/a", plenty); err != nil || got != "by proxy" || asked.Load() != "http://example.com/a" {
		t.Errorf("got %q and %v; %v was asked for", got, err, asked.Load())
	}
	_, err := get(t, c, "http://example.com/to-private", plenty)
	refused(t, err, fault.Denied, "private")
	for _, bad := range []string{"no URL", "%", "http://"} {
		if _, err := New(Options{Proxy: bad}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestBounded(t *testing.T) {
	for length, ok := range map[int]bool{0: true, 9: true, 10: true, 11: false, 1000: false} {
		got, err := io.ReadAll(Bounded(strings.NewReader(strings.Repeat("x", length)), 10, "the index"))
		if (err == nil) != ok || len(got) != min(length, 10) {
			t.Errorf("%d: got %d bytes and %v", length, len(got), err)
		}
		if !ok {
			refused(t, err, fault.Invalid, "the index")
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, seed := range []string{"https://me:s3cret@example.com/a?b=s3cret#c", "://", "http://[::1]:80/%zz", "mailto:s3cret"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		at, err := url.Parse(address)
		if got := Redact(address); err == nil && at.RawQuery != "" && strings.Contains(got, "?"+at.RawQuery) {
			t.Errorf("%q tells the query", got)
		}
	})
}
