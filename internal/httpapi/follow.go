package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
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
	since := ""
	if !query.Since.IsZero() {
		since = query.Since.UTC().Format(time.RFC3339)
	}
	last := uint64(0)
	events := subscription{client: c, up: query.Connected, down: query.Lost}
	events.request = func(ctx context.Context) (*http.Request, error) {
		request, err := c.ask(ctx, base+"/events"+encode("sync", query.Sync, "since", since), mediaSSE)
		if err == nil && last > 0 {
			request.Header.Set("Last-Event-ID", strconv.FormatUint(last, 10))
		}
		return request, err
	}
	events.line = func(text string) error {
		data, ok := strings.CutPrefix(text, "data: ")
		if !ok {
			return nil
		}
		var event v1alpha1.Event
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return c.stranger()
		}
		last = event.ID
		return enoughOf(handle(event))
	}
	return events.run(ctx)
}
