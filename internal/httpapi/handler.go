package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Options of the API. The zero value serves a loopback listener without a token.
type Options struct {
	// Token is asked of every client but those of /livez and /readyz; empty asks nobody, and then only connections to a
	// loopback address are answered.
	Token string
	// Metrics serves /metrics; nil leaves that path unanswered.
	Metrics http.Handler
	// Name and Version of the agent, as shown by /api/v1alpha1/agent.
	Name, Version string
	// HostRoot and Data of the agent, likewise.
	HostRoot, Data string
	// Log takes panics of handlers. Default: discarded.
	Log *slog.Logger
	// Heartbeat is the pause between two comments on a silent event stream. Default 15s.
	Heartbeat time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Bounds of what one client can cost.
const (
	bodyLimit   = 64 << 10         // bytes of a request's body that are read; more is refused
	hookLimit   = 1 << 20          // bytes of a webhook's body that are read and thrown away
	readTime    = 30 * time.Second // for an answer from memory or the database
	diffTime    = 5 * time.Minute  // for an answer that asks the target
	logTime     = 5 * time.Minute  // for the output of an app that is there already
	streamLimit = 100              // streams of events and output at the same time
	diffLimit   = 4                // comparisons at the same time
)

// api is the handler's state. Everything but the two semaphores is read-only after New.
type api struct {
	backend Backend
	options Options
	guard   guard
	streams chan struct{}
	diffs   chan struct{}
}

// New gives the handler of the whole API. It is safe for concurrent use; every route is in the OpenAPI document, because both
// are made from the same table.
func New(backend Backend, options Options) http.Handler {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Heartbeat <= 0 {
		options.Heartbeat = 15 * time.Second
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	a := &api{
		backend: backend,
		options: options,
		guard:   newGuard(options.Token),
		streams: make(chan struct{}, streamLimit),
		diffs:   make(chan struct{}, diffLimit),
	}
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.Handle(r.method+" "+r.path, a.endpoint(r))
	}
	mux.HandleFunc("/", a.unknown)
	return a.outermost(mux)
}

// endpoint turns a route into a handler: guarded, bounded in time and size, answered in JSON.
func (a *api) endpoint(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.open {
			if err := a.guard.check(req); err != nil {
				fail(w, err)
				return
			}
		}
		limit := int64(bodyLimit)
		if r.hook {
			limit = hookLimit
		}
		req.Body = http.MaxBytesReader(w, req.Body, limit)
		if r.serve != nil {
			if err := r.serve(a, w, req); err != nil {
				fail(w, err)
			}
			return
		}
		patience := r.patience()
		ctx, cancel := context.WithTimeout(req.Context(), patience)
		defer cancel()
		// A client that reads slowly may take as long again; not being able to set the deadline only loses that bound.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * patience))
		value, err := r.answer(a, req.WithContext(ctx))
		if err != nil {
			fail(w, err)
			return
		}
		write(w, r.status(), value)
	})
}

// outermost sets the headers that every answer has, and turns a panic into an error of kind Internal.
func (a *api) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // the sentinel itself, as net/http compares it
				panic(cause)
			}
			a.options.Log.Error("a handler of the API panicked", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
			fail(w, fault.New(fault.Internal, "answer", r.URL.Path, "a bug in the agent").WithHint("see the agent's log"))
		}()
		next.ServeHTTP(w, r)
	})
}

// unknown answers what no route matches.
func (a *api) unknown(w http.ResponseWriter, r *http.Request) {
	if err := a.guard.check(r); err != nil {
		fail(w, err)
		return
	}
	for _, known := range routes() {
		if known.matches(r.URL.Path) {
			w.Header().Set("Allow", known.method)
			refuse(w, http.StatusMethodNotAllowed, fault.New(fault.Invalid, r.Method, r.URL.Path, "the method is not allowed"))
			return
		}
	}
	fail(w, fault.New(fault.NotFound, r.Method, r.URL.Path, "there is no such path").WithHint("GET /openapi.json lists all of them"))
}
