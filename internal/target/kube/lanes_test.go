package kube

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestLanesTakeTurns(t *testing.T) {
	l := newLanes(1)
	if err := l.acquire(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 100)
	var waiting sync.WaitGroup
	wait := func(lane string, count int) {
		for range count {
			waiting.Go(func() {
				if l.acquire(context.Background(), lane) == nil {
					order <- lane
					l.release()
				}
			})
		}
	}
	queued := func(lane string, count int) {
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			l.mu.Lock()
			have := len(l.waiting[lane])
			l.mu.Unlock()
			if have == count {
				return
			}
		}
		t.Fatalf("%s does not wait", lane)
	}
	wait("large", 50)
	queued("large", 50)
	wait("small", 1)
	queued("small", 1)
	l.release()
	waiting.Wait()
	close(order)
	at, position := 0, -1
	for lane := range order {
		if lane == "small" {
			position = at
		}
		at++
	}
	if position < 0 || position > 2 {
		t.Errorf("the small owner came %d. of %d, behind the large one", position+1, at)
	}
	if l.free != 1 || len(l.turn) != 0 || len(l.waiting) != 0 {
		t.Errorf("afterwards: %d free, turn %v, waiting %v", l.free, l.turn, l.waiting)
	}
}

func TestLanesAbandoned(t *testing.T) {
	l := newLanes(1)
	_ = l.acquire(t.Context(), "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if l.acquire(ctx, "b") == nil {
			t.Fatal("acquired what is taken")
		}
	}
	l.release()
	if l.free != 1 || len(l.turn) != 0 || len(l.waiting) != 0 {
		t.Errorf("afterwards: %d free, turn %v, waiting %v", l.free, l.turn, l.waiting)
	}
}

// clientOf gives a client of a server that answers as the test wants, which no real one does on demand.
func clientOf(t *testing.T, answer http.HandlerFunc) *client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := newClient(&rest.Config{Host: server.URL}, newLanes(maxInFlight))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOverloadIsWaitedOut(t *testing.T) {
	tries := 0
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	got, err := c.do(t.Context(), call{method: http.MethodPatch, path: "/x"})
	if err != nil || got.code != http.StatusCreated || tries != 3 {
		t.Errorf("code %d after %d tries: %v", got.code, tries, err)
	}
}

func TestFailuresThatStayAreNotRepeated(t *testing.T) {
	for code, kind := range map[int]fault.Kind{
		http.StatusForbidden: fault.Denied, http.StatusUnauthorized: fault.Denied, http.StatusUnprocessableEntity: fault.Invalid,
		http.StatusNotFound: fault.NotFound, http.StatusConflict: fault.Conflict,
	} {
		tries := 0
		c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
			tries++
			w.WriteHeader(code)
			_, _ = w.Write([]byte(`{"kind":"Status","status":"Failure","message":"no","reason":"` +
				map[int]string{403: "Forbidden", 401: "Unauthorized", 422: "Invalid", 404: "NotFound", 409: "Conflict"}[code] + `"}`))
		})
		_, err := c.do(t.Context(), call{method: http.MethodPatch, path: "/x"})
		if got := fault.KindOf(explain("apply", "x", err)); got != kind || tries != 1 {
			t.Errorf("HTTP %d: %s after %d tries, want %s after one", code, got, tries, kind)
		}
	}
}

func TestUnreachableIsTransientAndStable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	c, err := newClient(&rest.Config{Host: address}, newLanes(maxInFlight))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.once(t.Context(), call{method: http.MethodGet, path: "/x"})
	err = explain("read", "x", err)
	if fault.KindOf(err) != fault.Transient || err.Error() != "read x: the API server cannot be reached" {
		t.Errorf("error %v (%s)", err, fault.KindOf(err))
	}
}
