package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
)

func TestClientReadsAndRollsBackApps(t *testing.T) {
	server := serve(t, httpapi.Options{Token: "secret"})
	c, ctx := client(t, server.URL, "secret"), t.Context()
	apps, err := c.Apps(ctx)
	same(t, err, apps.Apps, server.backend.Apps())
	before, err := c.Releases(ctx, "shop")
	same(t, err, before.Releases, content().Apps[0].Releases)
	none, err := c.Releases(ctx, "quiet")
	same(t, err, none, v1alpha1.Releases{App: "quiet", Releases: []v1alpha1.Release{}})

	after, err := c.Rollback(ctx, "shop", 0)
	same(t, err, []int{after.RolledBack, len(after.Releases)}, []int{2, 4})
	same(t, err, []string{after.Releases[0].State, after.Releases[2].State}, []string{v1alpha1.ReleaseSuperseded, v1alpha1.ReleaseActive})
	for to, kind := range map[int]fault.Kind{0: fault.Invalid, 1: fault.Invalid, 3: fault.Invalid, 9: fault.NotFound} {
		if _, err := c.Rollback(ctx, "shop", to); fault.KindOf(err) != kind || fault.HintOf(err) == "" {
			t.Errorf("to %d: %v, hint %q, want kind %s", to, err, fault.HintOf(err), kind)
		}
	}
}

func TestClientReadsLogs(t *testing.T) {
	server := serve(t, httpapi.Options{})
	var seen []v1alpha1.LogLine
	take := httpapi.LogHandler{Line: func(line v1alpha1.LogLine) error { seen = append(seen, line); return nil }}
	err := client(t, server.URL, "").Logs(t.Context(), "shop", v1alpha1.LogQuery{}, take)
	same(t, err, seen, content().Apps[0].Logs)

	take.Line = func(v1alpha1.LogLine) error { return errEnough }
	if err := client(t, server.URL, "").Logs(t.Context(), "shop", v1alpha1.LogQuery{}, take); !errors.Is(err, errEnough) {
		t.Errorf("the handler's own error: %v", err)
	}
}

func TestLogsThatBreakOffAreNotTakenForWhole(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"text":"half of it"}`)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	err := client(t, cut.URL, "").Logs(t.Context(), "shop", v1alpha1.LogQuery{},
		httpapi.LogHandler{Line: func(v1alpha1.LogLine) error { return nil }})
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("%v, want Transient", err)
	}
}

func TestFollowingLogsGoesOnAfterALoss(t *testing.T) {
	server := serve(t, httpapi.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var seen []string
	losses := 0
	err := client(t, server.URL, "").Logs(ctx, "shop", v1alpha1.LogQuery{Tail: 2, Follow: true}, httpapi.LogHandler{
		Line: func(line v1alpha1.LogLine) error {
			seen = append(seen, line.Text)
			switch line.Text {
			case "third":
				server.backend.Write(logLine("web.1", 2, "live"))
			case "live":
				if losses == 0 {
					server.backend.Disconnect() // a proper end
				} else {
					server.CloseClientConnections()
				}
			case "last":
				stop()
			}
			return nil
		},
		Lost: func(error) {
			losses++
			server.backend.Write(logLine("web.2", 1, "while away, a little late"))
			server.backend.Write(logLine("web.1", 2, "while away, at the same time as the last one"))
			if losses == 1 {
				server.backend.Write(logLine("worker.1", 3, "live")) // once more
			} else {
				server.backend.Write(logLine("worker.1", 4, "last"))
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	late, again := "while away, a little late", "while away, at the same time as the last one"
	// After the loss the backend gives what it has in the order in which it was written.
	want := []string{"second", "third", "live", late, again, "live", late, again, "last"}
	if difference := cmp.Diff(want, seen); difference != "" || losses != 2 {
		t.Errorf("%d losses, lines:\n%s", losses, difference)
	}
	if slices.Contains(seen, "first") {
		t.Error("the tail was forgotten")
	}
}

func TestFollowingLogsOfNobodyIsAnError(t *testing.T) {
	err := client(t, "http://127.0.0.1:1", "").Logs(t.Context(), "shop", v1alpha1.LogQuery{Follow: true}, httpapi.LogHandler{})
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("nobody there: %v, want Transient", err)
	}
}
