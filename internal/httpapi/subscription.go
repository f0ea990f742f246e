package httpapi

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Bounds of following: one line, and the pauses before connecting again.
const (
	lineLimit  = 4 << 20
	pauseFirst = 200 * time.Millisecond
	pauseMax   = 5 * time.Second
	silence    = 45 * time.Second // three heartbeats: the connection is dead
)

// subscription is an answer that goes on, line by line, and is asked for again after a loss.
type subscription struct {
	client *Client
	// request makes the next request, which begins where the last answer ended.
	request func(ctx context.Context) (*http.Request, error)
	// line takes one line. Its error ends the connection, and unless it is transient also the subscription; one that is made by
	// enough ends that in any case.
	line func(text string) error
	up   func()      // the connection stands; may be nil
	down func(error) // it is lost; nil when nothing is wrong with the agent. May be nil

	connected bool // once, at least
	pause     time.Duration
}

// enough is the caller's own error, whatever its kind.
type enough struct{ error }

func (e enough) Unwrap() error { return e.error }

// enoughOf marks an error of the caller's own function; nil stays nil.
func enoughOf(err error) error {
	if err == nil {
		return nil
	}
	return enough{err}
}

// run goes on until ctx ends, which is no error. An agent that cannot be reached at first, or refuses, is one.
func (s *subscription) run(ctx context.Context) error {
	s.pause = pauseFirst
	for {
		_, err := s.once(ctx)
		own, ended := errors.AsType[enough](err)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // being told to stop is no error
		case ended:
			return own.error
		case err != nil && (!s.connected || fault.KindOf(err) != fault.Transient):
			return err
		}
		if s.down != nil {
			s.down(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.pause):
		}
		s.pause = min(2*s.pause, pauseMax)
	}
}

// once reads one answer until it ends, and says whether that was its proper end; how a connection breaks is no error.
func (s *subscription) once(ctx context.Context) (whole bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := s.request(ctx)
	if err != nil {
		return false, err
	}
	response, err := s.client.roundTrip(request)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	s.connected, s.pause = true, pauseFirst
	if s.up != nil {
		s.up()
	}
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 64<<10), lineLimit)
	for lines.Scan() {
		watchdog.Reset(silence)
		if err := s.line(lines.Text()); err != nil {
			return false, err
		}
	}
	return lines.Err() == nil, nil
}

// ask makes a request for something that goes on.
func (c *Client) ask(ctx context.Context, path, media string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "use", "SETPOINT_URL", err)
	}
	request.Header.Set("Accept", media)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}
