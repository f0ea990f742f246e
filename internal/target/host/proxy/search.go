package proxy

import (
	"context"
	"errors"
	"time"
)

const (
	// patience is how long a request or connection waits, in all, when no backend takes it: about what a process needs to start.
	patience = 2 * time.Second
	// again is when those that refused are tried once more: one may have begun to listen in the meantime.
	again = 100 * time.Millisecond
)

// errNoBackend is the end of patience.
var errNoBackend = errors.New("no backend takes it")

// A search finds a backend for one request or connection. Each is tried once; when none is left it waits. Not for concurrent use.
type search struct {
	pool     *pool
	refusals *refusals
	tried    []*backend
	over     <-chan time.Time // the end of patience; nil before the first wait
}

// next gives a backend, which the caller gives back with failed or done.
func (s *search) next(ctx context.Context) (*backend, error) {
	for {
		one, changed := s.pool.acquire(s.tried)
		if one != nil {
			return one, nil
		}
		if s.over == nil {
			s.over = time.After(patience)
		}
		var retry <-chan time.Time
		if len(s.tried) > 0 {
			retry = time.After(again)
		}
		select {
		case <-changed:
		case <-retry:
		case <-s.over:
			return nil, errNoBackend
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.tried = s.tried[:0]
	}
}

// failed gives back a backend that could not be connected to: the next one is another.
func (s *search) failed(one *backend) {
	s.refusals.tell(one.key)
	s.avoid(one)
}

// avoid gives back a backend that broke off: the next one is another, if there is any.
func (s *search) avoid(one *backend) {
	s.tried = append(s.tried, one)
	s.done(one)
}

// done gives a backend back.
func (s *search) done(one *backend) { s.pool.balance.release(one) }
