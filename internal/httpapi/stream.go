package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// writeTime is how long one event may take to be written before the follower is given up.
const writeTime = 30 * time.Second

// fromStart asks a Backend for all events that it still has.
const fromStart = 1

// events follows what happens until the client goes, the server stops, or the backend finds the client too slow: the client
// connects again then, and says where it was by Last-Event-ID.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	wanted, after, err := filterOf(r)
	if err != nil {
		return err
	}
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		return fault.New(fault.Transient, "follow", "events", "too many followers").WithHint("stop one of the others")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	following := a.backend.Follow(ctx, after)
	stream := stream{w: w, control: http.NewResponseController(w)}
	stream.begin()
	beat := time.NewTicker(a.options.Heartbeat)
	defer beat.Stop()
	for stream.err == nil {
		select {
		case <-closing(ctx):
			return nil
		case <-ctx.Done():
			return nil
		case <-beat.C:
			stream.send(": alive\n\n")
		case event, open := <-following:
			if !open {
				return nil
			}
			if wanted(event) {
				stream.event(event)
			}
		}
	}
	return nil
}

// filterOf reads which events are wanted and after which ID to begin.
func filterOf(r *http.Request) (wanted func(v1alpha1.Event) bool, after uint64, err error) {
	since, err := timeIn(r, "since")
	if err != nil {
		return nil, 0, err
	}
	if !since.IsZero() {
		after = fromStart
	}
	// The header is what a browser or a client sends when it connects again, so it wins over what the URL once asked for.
	for _, text := range []string{r.URL.Query().Get("after"), r.Header.Get("Last-Event-ID")} {
		if text == "" {
			continue
		}
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, 0, fault.New(fault.Invalid, "read", "the last event's ID", "want a whole number")
		}
	}
	sync := r.URL.Query().Get("sync")
	return func(event v1alpha1.Event) bool {
		return (sync == "" || event.Sync == sync) && !event.Time.Before(since)
	}, after, nil
}

// stream writes server-sent events; after its first error it does nothing.
type stream struct {
	w       io.Writer
	control *http.ResponseController
	err     error
}

func (s *stream) begin() {
	if w, ok := s.w.(http.ResponseWriter); ok {
		w.Header().Set("Content-Type", mediaSSE)
		w.Header().Set("X-Accel-Buffering", "no") // proxies must not wait for more
		w.WriteHeader(http.StatusOK)
	}
	s.send("retry: 1000\n\n")
}

func (s *stream) event(event v1alpha1.Event) {
	data, err := json.Marshal(event)
	if err != nil {
		s.err = err
		return
	}
	s.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", event.ID, event.Type, data))
}

func (s *stream) send(text string) {
	if s.err != nil {
		return
	}
	// Not every writer has deadlines; the server's own limits hold then.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, s.err = io.WriteString(s.w, text); s.err == nil {
		s.err = s.control.Flush()
	}
}
