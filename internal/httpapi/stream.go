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

// writeTime is how long one event or line may take to be written before the follower is given up.
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
	leave, err := a.join("events")
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	following := a.backend.Follow(ctx, after)
	stream := stream{w: w, control: http.NewResponseController(w)}
	stream.begin(mediaSSE)
	stream.send("retry: 1000\n\n")
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

// join takes one of the places of those who follow, until it is left.
func (a *api) join(what string) (leave func(), err error) {
	select {
	case a.streams <- struct{}{}:
		return func() { <-a.streams }, nil
	default:
		return nil, fault.New(fault.Transient, "follow", what, "too many followers").WithHint("stop one of the others")
	}
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

// stream writes an answer bit by bit; after its first error it does nothing.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	patient bool // the client waits for all of it: nothing needs to be sent before the buffer is full
	err     error
}

func (s *stream) begin(media string) {
	s.w.Header().Set("Content-Type", media)
	s.w.Header().Set("X-Accel-Buffering", "no") // proxies must not wait for more
	s.w.WriteHeader(http.StatusOK)
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
	if _, s.err = io.WriteString(s.w, text); s.err == nil && !s.patient {
		s.err = s.control.Flush()
	}
}
