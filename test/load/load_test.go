package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyLoopback(t *testing.T) {
	for _, url := range []string{
		"http://192.0.2.1/", "http://example.com/", "https://127.0.0.1/", "http://localhost.example.com/", "http://0.0.0.0/", "ftp://127.0.0.1/", "", "::",
	} {
		if _, err := Run(t.Context(), Options{URL: url, Requests: 1}); err == nil {
			t.Errorf("%q is allowed", url)
		}
	}
	for _, options := range []Options{{Workers: -1}, {Workers: maxWorkers + 1}, {Requests: -1}} {
		options.URL = "http://127.0.0.1:1/"
		if _, err := Run(t.Context(), options); err == nil {
			t.Errorf("%+v is allowed", options)
		}
	}
}

func TestRequestsAreCounted(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := seen.Add(1)
		body, _ := io.ReadAll(r.Body)
		switch {
		case n%10 == 0:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case n%10 == 1:
			panic(http.ErrAbortHandler)
		default:
			_, _ = fmt.Fprint(w, r.Method, string(body), r.Header.Get("X"))
		}
	}))
	defer server.Close()
	r, err := Run(t.Context(), Options{
		URL: server.URL, Workers: 4, Requests: 1000, Body: "hello", Header: http.Header{"X": {"y"}},
		Check: func(_ int, _ http.Header, body []byte) error {
			if string(body) != "POSThelloy" {
				return errors.New("wrong: " + string(body))
			}
			return nil
		},
	})
	if err != nil || r.Requests != 1000 || seen.Load() != 1000 || r.Failed != 200 || r.Errors["status 503: busy"] != 100 {
		t.Errorf("%v %v, want 200 failures of 1000", r, err)
	}
	if r.Percentile(0) > r.Percentile(0.5) || r.Percentile(0.5) > r.Percentile(1) || r.Percentile(1) <= 0 {
		t.Errorf("%v: the percentiles are out of order", r)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	for _, test := range []struct {
		close bool
		want  int64
	}{{false, 3}, {true, 100}} {
		var opened atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		r, err := Run(t.Context(), Options{URL: server.URL, Workers: 3, Requests: 100, Close: test.close})
		if err != nil || r.Failed > 0 || opened.Load() > test.want || test.close && opened.Load() < test.want {
			t.Errorf("%v %v: %d connections, want %d", r, err, opened.Load(), test.want)
		}
		server.Close()
	}
}

// TestUntilToldToStop: what is under way then is finished, and is no failure.
func TestUntilToldToStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if seen.Add(1) == 500 {
			stop()
		}
	}))
	defer server.Close()
	r, err := Run(ctx, Options{URL: server.URL, Workers: 8})
	if err != nil || r.Failed > 0 || r.Requests < 500 || int64(r.Requests) != seen.Load() {
		t.Errorf("%v %v, want all of %d", r, err, seen.Load())
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	r, err := Run(t.Context(), Options{URL: url, Workers: 2, Requests: 20, Pause: time.Microsecond})
	if err != nil || r.Failed != 20 || len(r.Errors) != 1 || !strings.Contains(r.String(), "connection refused") {
		t.Errorf("%v %v, want 20 failures of one kind", r, err)
	}
}

func TestPercentiles(t *testing.T) {
	var r Report
	if r.Percentile(0.5) != 0 {
		t.Error("nothing took time")
	}
	for i := range 100 {
		r.latencies = append(r.latencies, time.Duration(i+1))
	}
	for part, want := range map[float64]time.Duration{0: 1, 0.01: 1, 0.5: 50, 0.99: 99, 0.991: 100, 1: 100, 2: 100, -1: 1} {
		if got := r.Percentile(part); got != want {
			t.Errorf("%v: %d, want %d", part, got, want)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var one tally
	for i := range 200 {
		one.add(0, fmt.Errorf("error %d", i))
		one.add(0, fmt.Errorf("read tcp 127.0.0.1:%d->127.0.0.1:80: reset", i+1))
	}
	r := report([]tally{one, {}}, time.Second)
	if r.Failed != 400 || len(r.Errors) > maxErrors+1 || r.Errors["read tcp 127.0.0.1->127.0.0.1:80: reset"] != 200 {
		t.Errorf("%v", r)
	}
}
