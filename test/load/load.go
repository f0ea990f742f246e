// Package load puts a bounded load on a server on loopback, for tests and measurements: so many requests, or requests until it is told to
// stop, from so many clients. It reports every kind of failure with its number, and how long requests took. It refuses any other address
// than one of loopback, so that no mistake in a test becomes an attack.
package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxWorkers = 1024
	timeout    = 30 * time.Second // of one request, unless another is given
	maxBody    = 64 << 20         // bytes of an answer that are read
)

// Options of a load.
type Options struct {
	URL      string        // http, with a host of loopback: 127.0.0.1, [::1], localhost
	Workers  int           // clients at the same time, each with a connection of its own; default 1, at most 1024
	Requests int           // in all; 0 until the context ends
	Method   string        // default GET, or POST with a body
	Body     string        // of each request
	Header   http.Header   // of each request
	Close    bool          // a new connection for each request
	Timeout  time.Duration // of one request; default 30s
	Pause    time.Duration // of each client between two requests; default none
	// Check says what is wrong with an answer of a status from 200 to 299. It is called by many at once. Default: nothing is.
	Check func(status int, header http.Header, body []byte) error
}

// Run makes the requests and reports them. That requests fail is no error; that the options are wrong is. When the context ends, those that
// are under way are finished and counted.
func Run(ctx context.Context, options Options) (Report, error) {
	options, err := options.checked()
	if err != nil {
		return Report{}, err
	}
	clients := make([]tally, options.Workers)
	var made atomic.Int64
	var working sync.WaitGroup
	start := time.Now()
	for i := range clients {
		working.Go(func() {
			w := newWorker(&options, &clients[i])
			defer w.client.CloseIdleConnections()
			for ctx.Err() == nil && (options.Requests == 0 || made.Add(1) <= int64(options.Requests)) {
				w.request(context.WithoutCancel(ctx))
				rest(ctx, options.Pause)
			}
		})
	}
	working.Wait()
	return report(clients, time.Since(start)), nil
}

// rest pauses, unless the context ends.
func rest(ctx context.Context, pause time.Duration) {
	if pause <= 0 {
		return
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// checked gives the options with their defaults, or refuses them.
func (o Options) checked() (Options, error) {
	target, err := url.Parse(o.URL)
	if err != nil {
		return o, fmt.Errorf("load: %w", err)
	}
	if target.Scheme != "http" || !isLoopback(target.Hostname()) {
		return o, fmt.Errorf("load %s: only http to an address of loopback is allowed", target.Redacted())
	}
	if o.Workers == 0 {
		o.Workers = 1
	}
	if o.Workers < 1 || o.Workers > maxWorkers || o.Requests < 0 {
		return o, fmt.Errorf("load %s: from 1 to %d workers, and no fewer than 0 requests", target.Redacted(), maxWorkers)
	}
	if o.Timeout <= 0 {
		o.Timeout = timeout
	}
	if o.Method == "" {
		o.Method = http.MethodGet
		if o.Body != "" {
			o.Method = http.MethodPost
		}
	}
	return o, nil
}

// isLoopback does not ask a name server: a name can mean anything the next time.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// A worker is one client.
type worker struct {
	options *Options
	tally   *tally
	client  *http.Client
}

func newWorker(options *Options, tally *tally) *worker {
	dialer := net.Dialer{Timeout: options.Timeout}
	return &worker{options: options, tally: tally, client: &http.Client{
		Timeout: options.Timeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err == nil && !conn.RemoteAddr().(*net.TCPAddr).IP.IsLoopback() { // whatever "localhost" means here
					_ = conn.Close()
					return nil, fmt.Errorf("%s is not loopback", conn.RemoteAddr())
				}
				return conn, err
			},
			DisableKeepAlives:  options.Close,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// request makes one request and counts it.
func (w *worker) request(ctx context.Context) {
	start := time.Now()
	err := w.answer(ctx)
	w.tally.add(time.Since(start), err)
}

func (w *worker) answer(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, w.options.Method, w.options.URL, strings.NewReader(w.options.Body))
	if err != nil {
		return err
	}
	if w.options.Header != nil {
		r.Header = w.options.Header.Clone()
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return fmt.Errorf("status %d: %w", answer.StatusCode, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("status %d: %.200s", answer.StatusCode, strings.TrimSpace(string(body)))
	}
	if w.options.Check != nil {
		return w.options.Check(answer.StatusCode, answer.Header, body)
	}
	return nil
}
