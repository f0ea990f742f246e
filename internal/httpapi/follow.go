package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Bounds of following: one event's line, and the pauses before connecting again.
const (
	eventLimit = 4 << 20
	pauseFirst = 200 * time.Millisecond
	pauseMax   = 5 * time.Second
	silence    = 45 * time.Second // three heartbeats: the connection is dead
)

// FollowQuery selects events.
type FollowQuery struct {
	Sync  string    // "" for all
	Since time.Time // begin with the kept events from then on; zero for new ones only
	// Connected is called when the stream stands, also after a loss, and Lost when it broke and is being set up again. Either
	// may be nil.
	Connected func()
	Lost      func(error)
}

// Follow calls handle for every event until ctx ends, which is no error. Once it was connected it connects again after a loss,
// and goes on after the last event that it saw; an agent that cannot be reached at first, or refuses, is an error. An error
// from handle ends it.
func (c *Client) Follow(ctx context.Context, query FollowQuery, handle func(v1alpha1.Event) error) error {
	follower := follower{client: c, query: query, handle: handle, pause: pauseFirst}
	for {
		err := follower.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // being told to stop is no error
		case follower.handled != nil:
			return follower.handled
		case err != nil && (!follower.connected || fault.KindOf(err) != fault.Transient):
			return err
		}
		if query.Lost != nil {
			query.Lost(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(follower.pause):
		}
		follower.pause = min(2*follower.pause, pauseMax)
	}
}

type follower struct {
	client    *Client
	query     FollowQuery
	handle    func(v1alpha1.Event) error
	connected bool
	last      uint64
	pause     time.Duration
	handled   error // from handle
}

// once follows one connection until it ends; nil when the agent closed it.
func (f *follower) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	f.connected, f.pause = true, pauseFirst
	if f.query.Connected != nil {
		f.query.Connected()
	}
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 64<<10), eventLimit)
	for lines.Scan() {
		watchdog.Reset(silence)
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event v1alpha1.Event
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return f.client.stranger()
		}
		f.last = event.ID
		if f.handled = f.handle(event); f.handled != nil {
			return nil
		}
	}
	return nil // however the connection ended, the next one goes on after the last event
}

func (f *follower) connect(ctx context.Context) (*http.Response, error) {
	since := ""
	if !f.query.Since.IsZero() {
		since = f.query.Since.UTC().Format(time.RFC3339)
	}
	address := f.client.base + base + "/events" + encode("sync", f.query.Sync, "since", since)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "use", "SETPOINT_URL", err)
	}
	request.Header.Set("Accept", mediaSSE)
	if f.client.token != "" {
		request.Header.Set("Authorization", "Bearer "+f.client.token)
	}
	if f.last > 0 {
		request.Header.Set("Last-Event-ID", strconv.FormatUint(f.last, 10))
	}
	return f.client.roundTrip(request)
}
