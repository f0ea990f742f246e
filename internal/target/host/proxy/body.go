package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// maxReplay is how much of a request's body is kept, in bytes, so that the request can be sent again.
const maxReplay = 64 << 10

var (
	errStopped = errors.New("the attempt is over")
	errLost    = errors.New("the beginning of the body is not kept any more")
)

// A source is the body of a request. It is read from the client as a backend asks for it, never ahead, and its beginning is kept. Attempts
// read it through readers of their own. One that is over may still be waiting in a read: what comes then is kept for its successor.
type source struct {
	mu    sync.Mutex
	body  io.Reader // nil for none
	kept  []byte    // all that was read; nil for good once it is too much
	lost  bool      // something was read that is not kept
	ended error     // that the client's side ended with
}

func newSource(body io.Reader) *source { return &source{body: body} }

// whole says whether another attempt gets all of it.
func (s *source) whole() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.lost
}

func (s *source) reader() *reader { return &reader{source: s} }

// A reader reads a source from its beginning.
type reader struct {
	source  *source
	at      int // of what is kept; of no meaning once something is lost
	first   bool
	stopped atomic.Bool
}

// Read gives what is kept, then what comes from the client.
func (r *reader) Read(p []byte) (int, error) {
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.stopped.Load():
		return 0, errStopped
	case !s.lost && r.at < len(s.kept):
		n := copy(p, s.kept[r.at:])
		r.at += n
		return n, nil
	case s.lost && !r.first:
		return 0, errLost
	case s.ended != nil:
		return 0, s.ended
	}
	n, err := s.body.Read(p)
	s.ended = err
	s.keep(p[:n])
	r.at += n
	r.first = s.lost || r.first
	return n, err
}

// keep remembers what was read, as long as it is not too much.
func (s *source) keep(b []byte) {
	switch {
	case s.lost || len(b) == 0:
	case len(s.kept)+len(b) > maxReplay:
		s.kept, s.lost = nil, true
	default:
		s.kept = append(s.kept, b...)
	}
}

// Close leaves the source alone: another attempt may need it, and the server closes it.
func (r *reader) Close() error {
	r.stop()
	return nil
}

// stop ends reading; a read that is waiting ends when the client sends something, or is gone.
func (r *reader) stop() { r.stopped.Store(true) }
