package proxy

import (
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
)

// maxSends is how often a request is put on a connection at most. What no connection could be made for does not count.
const maxSends = 4

// idempotent methods do the same when they are done twice (RFC 9110, 9.2.2).
var idempotent = []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace}

// An exchange is one request with its answer. It holds its backend until the answer is through.
type exchange struct {
	search search
	with   *backend // nil for none
}

type exchangeKey struct{}

// end gives the backend back.
func (e *exchange) end() {
	if e.with != nil {
		e.search.done(e.with)
		e.with = nil
	}
}

// A carrier brings a request to a backend of its exchange, and to another one when the first did not get it.
type carrier struct{}

// RoundTrip gives the answer of whichever backend gave one. The exchange goes on to hold that backend.
func (carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	e := r.Context().Value(exchangeKey{}).(*exchange)
	source := newSource(r.Body)
	for sends := 0; ; {
		one, err := e.search.next(r.Context())
		if err != nil {
			return nil, err
		}
		e.with = one
		a := attempt{body: source.reader()}
		answer, err := a.send(r, one)
		if err == nil {
			return answer, nil
		}
		a.body.stop()
		e.with = nil
		switch {
		case isDial(err):
			e.search.failed(one)
		case a.unwritten():
			e.search.done(one)
			sends++
		default:
			e.search.avoid(one)
			sends++
		}
		if r.Context().Err() != nil || sends == maxSends || !source.whole() || !isDial(err) && !a.repeatable(r.Method) {
			return nil, err
		}
	}
}

// An attempt is a request that is put on a connection.
type attempt struct {
	body     *reader
	wire     *wire // the connection; nil when there was none
	before   int64 // bytes that earlier requests wrote to it
	reused   bool
	answered atomic.Bool // the first byte of an answer was seen
}

func (a *attempt) send(r *http.Request, to *backend) (*http.Response, error) {
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			a.answered.Store(false) // the transport itself may have tried another connection before
			a.reused = info.Reused
			if a.wire, _ = info.Conn.(*wire); a.wire != nil {
				a.before = a.wire.written.Load()
				a.wire.rested.Store(info.Reused)
			}
		},
		GotFirstResponseByte: func() { a.answered.Store(true) },
	})
	out := r.WithContext(ctx)
	where := *r.URL
	where.Host = to.address
	out.URL = &where
	if r.Body != nil {
		out.Body = a.body
	}
	return to.transport.RoundTrip(out)
}

// unwritten says that no backend can have seen the request.
func (a *attempt) unwritten() bool { return a.wire != nil && a.wire.written.Load() == a.before }

// repeatable says whether sending a request again, after it was put on a connection in vain, does what sending it once does. That is so
// when nothing of it was written. And it is so for an idempotent one on a connection that had been idle, and was closed without a byte of
// an answer: that happens when a server closes idle connections, or has ended.
func (a *attempt) repeatable(method string) bool {
	return a.unwritten() || a.reused && !a.answered.Load() && slices.Contains(idempotent, method)
}
