package httpapi_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/store"
)

func client(t *testing.T, url, token string) *httpapi.Client {
	t.Helper()
	c, err := httpapi.NewClient(url, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientReadsWhatTheBackendSays(t *testing.T) {
	server := serve(t, httpapi.Options{Token: "secret"})
	c, ctx := client(t, server.URL, "secret"), t.Context()
	syncs, err := c.Syncs(ctx)
	same(t, err, syncs.Syncs, server.backend.Syncs())
	detail, err := c.Sync(ctx, "shop")
	same(t, err, detail, content().Syncs[1])
	tree, err := c.Tree(ctx, "")
	same(t, err, []int{len(tree.Roots), len(tree.Roots[0].Children)}, []int{1, 1})
	changes, err := c.Diff(ctx, "shop", "")
	same(t, err, changes.Changes, content().Changes["shop"])
	status, err := c.Suspend(ctx, "shop", true)
	same(t, err, status.State, "Suspended")
	accepted, err := c.Request(ctx, "root")
	same(t, err, accepted, v1alpha1.Accepted{Syncs: []string{"root"}, Time: start})
	info, err := c.Agent(ctx)
	same(t, err, info, v1alpha1.AgentInfo{Version: "1.2.3", Time: start, Ready: true})

	first, err := c.History(ctx, store.AttemptQuery{Limit: 2, Since: start})
	same(t, err, first.Next, "02")
	second, err := c.History(ctx, store.AttemptQuery{Limit: 2, Before: first.Next})
	same(t, err, []int{len(second.Attempts), len(second.Next)}, []int{1, 0})
}

func same[T any](t *testing.T, err error, got, want T) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("want -, got +:\n%s", difference)
	}
}

func TestClientErrorsKeepTheirKindAndHint(t *testing.T) {
	server := serve(t, httpapi.Options{Token: "secret"})
	stranger := httptest.NewServer(http.NotFoundHandler())
	defer stranger.Close()
	gone, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, test := range map[string]struct {
		url, token string
		kind       fault.Kind
	}{
		"not found":   {server.URL, "secret", fault.NotFound},
		"wrong token": {server.URL, "guess", fault.Denied},
		"stranger":    {stranger.URL, "", fault.Invalid},
		"nobody":      {"http://" + gone.Addr().String(), "", fault.Transient},
	} {
		_, err := client(t, test.url, test.token).Sync(t.Context(), "none")
		if fault.KindOf(err) != test.kind || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (kind %s, hint %q), want kind %s and a hint", name, err, fault.KindOf(err), fault.HintOf(err), test.kind)
		}
	}
	for _, url := range []string{"127.0.0.1:7468", "ftp://x", "http://", "http://user:secret@host"} {
		if _, err := httpapi.NewClient(url, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want Invalid", url, err)
		}
	}
}

var errEnough = errors.New("enough")

func TestFollowGoesOnAfterALoss(t *testing.T) {
	server := serve(t, httpapi.Options{Heartbeat: time.Millisecond})
	connections, losses := 0, 0
	var seen []uint64
	err := client(t, server.URL, "").Follow(t.Context(), httpapi.FollowQuery{
		Sync: "shop", Since: start,
		Connected: func() {
			connections++
			if connections == 1 {
				server.backend.Emit(v1alpha1.Event{Sync: "root", Type: "warning", Message: "not asked for"})
				server.backend.Emit(v1alpha1.Event{Sync: "shop", Type: "warning", Message: "before the loss"})
			}
		},
		Lost: func(error) {
			losses++
			server.backend.Emit(v1alpha1.Event{Sync: "shop", Type: "warning", Message: "while away"})
		},
	}, func(event v1alpha1.Event) error {
		seen = append(seen, event.ID)
		switch event.Message {
		case "before the loss":
			server.backend.Disconnect()
		case "while away":
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	// Event 2 is an old one, 3 is another Sync's, 5 happened between the two connections.
	if difference := cmp.Diff([]uint64{2, 4, 5}, seen); difference != "" || connections != 2 || losses != 1 {
		t.Errorf("%d connections, %d losses, events:\n%s", connections, losses, difference)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	server := serve(t, httpapi.Options{})
	ctx, stop := context.WithCancel(t.Context())
	err := client(t, server.URL, "").Follow(ctx, httpapi.FollowQuery{Connected: stop}, func(v1alpha1.Event) error { return nil })
	if err != nil {
		t.Errorf("follow: %v", err)
	}
	if err := client(t, "http://127.0.0.1:1", "").Follow(t.Context(), httpapi.FollowQuery{}, nil); fault.KindOf(err) != fault.Transient {
		t.Errorf("nobody there: %v, want Transient", err)
	}
}
