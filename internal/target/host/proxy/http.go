package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what clients may do at an address that balances requests.
const (
	maxRequestHeader = 64 << 10         // bytes
	headerTimeout    = 10 * time.Second // to send a request's header
	idleClient       = 2 * time.Minute  // between two requests of a connection
	copyBuffer       = 32 << 10         // bytes of an answer that are under way at once
)

// An httpFront serves requests.
type httpFront struct {
	listener *boundedListener
	server   *http.Server
	serving  sync.WaitGroup
	leaving  atomic.Bool
	count    [http.StateClosed + 1]atomic.Int64 // of connections, by state
}

// An httpHandler passes requests on. What belongs to one request is in its exchange.
type httpHandler struct {
	log      *slog.Logger
	pool     *pool
	refusals *refusals
	leaving  *atomic.Bool
	reverse  *httputil.ReverseProxy
}

func (p *Proxy) serveHTTP(socket *net.TCPListener, pool *pool) front {
	f := &httpFront{listener: bound(socket)}
	f.server = &http.Server{
		Handler:           newHTTPHandler(p, pool, &f.leaving),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleClient,
		MaxHeaderBytes:    maxRequestHeader,
		BaseContext:       p.base,
		ConnState:         f.note,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	f.serving.Go(func() { _ = f.server.Serve(f.listener) }) // it returns when the listener is closed, and retries all else
	return f
}

func (f *httpFront) socket() *net.TCPListener { return f.listener.TCPListener }

func (f *httpFront) leave() {
	f.leaving.Store(true)
	_ = f.listener.Close()
	f.serving.Wait()
}

// note keeps count of the connections. Those that are upgraded belong to the server no more.
func (f *httpFront) note(conn net.Conn, state http.ConnState) {
	f.count[state].Add(1)
	if state == http.StateNew {
		return
	}
	f.count[http.ConnState(conn.(*boundedConn).state.Load())].Add(-1)
	conn.(*boundedConn).state.Store(int32(state))
}

func (f *httpFront) busy() bool {
	return f.count[http.StateNew].Load()+f.count[http.StateActive].Load() > 0
}

// drain lets each connection end with its next answer, which says so, or when it was idle for long. Server.Shutdown would close those that
// are new or idle at once, and lose the requests that are on their way.
func (f *httpFront) drain(ctx context.Context) {
	wait(ctx, func() bool { return !f.busy() && f.count[http.StateIdle].Load() == 0 })
	_ = f.server.Close()
}

func newHTTPHandler(p *Proxy, pool *pool, leaving *atomic.Bool) *httpHandler {
	h := &httpHandler{log: p.log, pool: pool, refusals: p.refusals, leaving: leaving}
	h.reverse = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      carrier{},
		FlushInterval:  -1, // an answer that trickles in is shown as it comes
		BufferPool:     buffers{},
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ModifyResponse: h.answered,
		ErrorHandler:   h.failed,
	}
	return h
}

// rewrite says for whom a request is made, whatever the client says of that, and leaves all else as the client sent it. The carrier fills
// in where it goes.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme = "http"
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.SetXForwarded()
}

func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		http.Error(w, "This address is no proxy for other servers.", http.StatusMethodNotAllowed)
		return
	}
	if r.ContentLength < 0 { // it may go on while it is answered; otherwise the server wants its end before an answer begins
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	if h.leaving.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	e := &exchange{search: search{pool: h.pool, refusals: h.refusals}}
	defer e.end()
	h.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e)))
}

// answered counts an answer, whatever its status, and watches whether it comes to its end.
func (h *httpHandler) answered(answer *http.Response) error {
	h.pool.answered.Add(1)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		answer.Body = &watchedBody{ReadCloser: answer.Body, ctx: answer.Request.Context(), pool: h.pool}
	}
	return nil
}

// failed answers for a backend that did not.
func (h *httpHandler) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client has left, or the proxy ends: an answer of our own would be a lie
	}
	h.pool.failed.Add(1)
	h.log.Debug("a request failed", "method", r.Method, "error", err)
	if errors.Is(err, errNoBackend) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "No process of this app is ready for requests at the moment. Try again shortly.", http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "The process of this app that had the request did not answer it.", http.StatusBadGateway)
}

// A watchedBody counts an answer that its backend broke off. The client notices too: its connection is closed before the end.
type watchedBody struct {
	io.ReadCloser
	ctx  context.Context //nolint:containedctx // the request's, which the body belongs to
	pool *pool
}

// Read counts the error that ends it.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() == nil {
		b.pool.failed.Add(1)
	}
	return n, err
}

// buffers lends what answers are copied with.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// Get lends a buffer.
func (buffers) Get() []byte { return bufferPool.Get().(*[copyBuffer]byte)[:] }

// Put takes it back.
func (buffers) Put(b []byte) { bufferPool.Put((*[copyBuffer]byte)(b)) }
