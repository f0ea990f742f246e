package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// logs writes an App's output, a LogLine in each line. Following goes on until the client goes or the server stops, and the client
// connects again then: it knows the time of the last line that it saw.
func (a *api) logs(w http.ResponseWriter, r *http.Request) error {
	name, err := a.appOf(r)
	if err != nil {
		return err
	}
	query, err := logQueryOf(r)
	if err != nil {
		return err
	}
	leave, err := a.join("the output of app/" + name)
	if err != nil {
		return err
	}
	defer leave()
	out := &lineStream{stream: stream{w: w, control: http.NewResponseController(w), patient: !query.Follow}}
	read := func(ctx context.Context) error { return a.backend.Logs(ctx, name, query, out.line) }
	if !query.Follow {
		ctx, cancel := context.WithTimeout(r.Context(), logTime)
		defer cancel()
		return out.end(ctx, read(ctx))
	}
	out.beat() // so that the client knows at once that the connection stands
	return a.keptUp(r.Context(), out, read)
}

// logQueryOf reads which lines are wanted.
func logQueryOf(r *http.Request) (query v1alpha1.LogQuery, err error) {
	values := r.URL.Query()
	query.Process = values.Get("process")
	if query.Since, err = timeIn(r, "since"); err != nil {
		return query, err
	}
	if text := values.Get("tail"); text != "" {
		if query.Tail, err = strconv.Atoi(text); err != nil || query.Tail < 0 {
			return query, fault.New(fault.Invalid, "read", "tail", "want a number of lines, 0 for all")
		}
	}
	if text := values.Get("follow"); text != "" {
		if query.Follow, err = strconv.ParseBool(text); err != nil {
			return query, fault.New(fault.Invalid, "read", "follow", "want true or false")
		}
	}
	return query, nil
}

// keptUp lets something write to a stream, and sends heartbeats in between; it ends when the client is gone or the server stops.
func (a *api) keptUp(ctx context.Context, out *lineStream, write func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		defer cancel()
		beat := time.NewTicker(a.options.Heartbeat)
		defer beat.Stop()
		for out.alive() {
			select {
			case <-ctx.Done():
				return
			case <-closing(ctx):
				return
			case <-beat.C:
				out.beat()
			}
		}
	})
	// The answer may not be written to once the handler has returned, however it does.
	defer func() { cancel(); beating.Wait() }()
	return out.end(ctx, write(ctx))
}

// lineStream writes values of JSON, one in each line. Safe for concurrent use: heartbeats come from another goroutine.
type lineStream struct {
	mu     sync.Mutex
	stream stream
	begun  bool
}

// line writes one line of output, or says why nobody reads it any more.
func (s *lineStream) line(line v1alpha1.LogLine) error { return s.value(line) }

// beat writes an empty line, which means nothing but that both sides are there.
func (s *lineStream) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text("\n")
}

func (s *lineStream) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.err == nil
}

func (s *lineStream) value(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fault.Wrap(fault.Internal, "encode", "a line", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text(string(data) + "\n")
	return s.stream.err
}

// text is called with the lock held.
func (s *lineStream) text(text string) {
	if !s.begun {
		s.begun = true
		s.stream.begin(mediaLine)
	}
	s.stream.send(text)
}

// end closes the answer. An error is answered as ever while nothing is written yet; after that it is the last line, so that nobody takes
// for whole what is not. A client that is gone, and a follower that is sent away, need no reason.
func (s *lineStream) end(ctx context.Context, err error) error {
	s.mu.Lock()
	gone, begun := s.stream.err != nil, s.begun
	s.mu.Unlock()
	switch {
	case gone || errors.Is(ctx.Err(), context.Canceled):
		return nil //nolint:nilerr // nobody is there to be told
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fault.New(fault.Transient, "read", "the output", "it takes too long").WithHint("ask for less of it, with tail or since")
	}
	switch {
	case err != nil && !begun:
		return err
	case err != nil:
		_ = s.value(v1alpha1.ErrorAnswer{Error: Problem(err)}) // nobody is left to tell when it cannot be written
	case !begun:
		s.stream.begin(mediaLine)
	}
	return nil
}
