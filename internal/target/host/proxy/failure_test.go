package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestABackendThatEndsBetweenRequests(t *testing.T) {
	noLeaks(t)
	var told atomic.Int64
	refused := make(chan string, 100)
	p, client := newProxy(t, Options{Refused: func(key string) { told.Add(1); refused <- key }}), newClient(t)
	a, one := serve(t, "a", nil)
	b, _ := serve(t, "b", nil)
	url := set(t, p, http1, a, b)
	for range 10 {
		get(t, client, url)
	}
	one.CloseClientConnections() // the connections that are idle, as when its process ends
	one.Close()
	for range 50 {
		answer, _, err := do(client, request(t.Context(), http.MethodPost, url, strings.NewReader("x")))
		if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("Backend") != "b" {
			t.Fatalf("%v %v, want an answer of b", answer, err)
		}
	}
	if key := <-refused; key != "a" {
		t.Errorf("%s was said to refuse, want a", key)
	}
	wantCounters(t, p, 60, 0)
}

// crash is a backend that has broken connections when it is told so.
func crash(t *testing.T, key string, before string) (Backend, *atomic.Bool) {
	t.Helper()
	var broken atomic.Bool
	b, _ := serve(t, key, func(w http.ResponseWriter, r *http.Request) {
		if !broken.Load() {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, before)
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	return b, &broken
}

func TestABackendThatEndsInTheMiddle(t *testing.T) {
	for _, test := range []struct {
		name, method, before string
		warm                 bool // the connection was used before
		status               int  // 0: the answer breaks off
		answered, failed     uint64
	}{
		{"PUT on a connection that was idle is sent again", http.MethodPut, "", true, 200, 2, 0},
		{"POST on a connection that was idle may have been seen", http.MethodPost, "", true, 502, 1, 1},
		{"GET on a new connection was seen", http.MethodGet, "", false, 502, 0, 1},
		{"POST on a new connection was seen", http.MethodPost, "", false, 502, 0, 1},
		{"half an answer header", http.MethodGet, "HTTP/1.1 200 OK\r\nX:", true, 502, 1, 1},
		{"half an answer", http.MethodGet, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", true, 0, 2, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			p, client := newProxy(t, Options{}), newClient(t)
			a, broken := crash(t, "a", test.before)
			url := set(t, p, http1, a)
			if test.warm {
				get(t, client, url)
			}
			b, _ := serve(t, "b", nil)
			broken.Store(true)
			set(t, p, http1, a, b)
			// b is busy, so that the request goes to a first.
			held, _ := p.addresses["shop"].pool.acquire([]*backend{p.balance.backends["a"]})
			defer p.balance.release(held)
			var body io.Reader
			if test.method != http.MethodGet {
				body = strings.NewReader("hello")
			}
			answer, _, err := do(client, request(t.Context(), test.method, url, body))
			switch {
			case test.status == 0 && err == nil:
				t.Errorf("half an answer looks like a whole one: %v", answer)
			case test.status != 0 && (err != nil || answer.StatusCode != test.status):
				t.Errorf("%v %v, want %d", answer, err, test.status)
			}
			wantCounters(t, p, test.answered, test.failed)
		})
	}
}

func TestNoBackend(t *testing.T) {
	for _, test := range []struct {
		name     string
		backends []Backend
	}{
		{"none", nil},
		{"none that listens", []Backend{{"dead", silent(t)}, {"dead too", silent(t)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			p, client := newProxy(t, Options{}), newClient(t)
			url := set(t, p, http1, test.backends...)
			answer, body := get(t, client, url)
			if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !strings.Contains(body, "Try again") {
				t.Errorf("%v %q, want 503 with a sentence", answer, body)
			}
			wantCounters(t, p, 0, 1)
		})
	}
}

func TestABackendThatAppears(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	url := set(t, p, http1)
	var waiting sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			answer, _, err := do(client, request(context.Background(), http.MethodPost, url, strings.NewReader("hello")))
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("%v %v, want an answer of the backend that appeared", answer, err)
			}
		})
	}
	b, _ := serve(t, "a", nil)
	set(t, p, http1, b)
	waiting.Wait()
}

func TestABackendThatBeginsToListen(t *testing.T) {
	noLeaks(t)
	refused := make(chan string, 1)
	p, client := newProxy(t, Options{Refused: func(key string) {
		select {
		case refused <- key:
		default:
		}
	}}), newClient(t)
	address := silent(t)
	url := set(t, p, http1, Backend{"a", address})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		answer, _, err := do(client, request(context.Background(), http.MethodGet, url, nil))
		if err != nil || answer.StatusCode != http.StatusNoContent {
			t.Errorf("%v %v, want an answer", answer, err)
		}
	})
	<-refused
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	waiting.Wait()
}

func TestAClientThatLeaves(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	left := make(chan struct{})
	b, _ := serve(t, "a", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	})
	url := set(t, p, http1, b)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, _, err := do(client, request(ctx, http.MethodGet, url, nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want a request that was given up", err)
		}
	})
	eventually(t, "the request is under way", func() bool { return p.InFlight("a") == 1 })
	cancel()
	<-left
	waiting.Wait()
	eventually(t, "nothing is under way", func() bool { return p.InFlight("a") == 0 })
	wantCounters(t, p, 0, 0) // nobody failed
}

// TestASlowListener: refusals are told while the one who is told is busy, and nothing waits for him.
func TestASlowListener(t *testing.T) {
	noLeaks(t)
	release := make(chan struct{})
	p, client := newProxy(t, Options{Refused: func(string) { <-release }}), newClient(t)
	defer close(release)
	b, _ := serve(t, "b", nil)
	url := set(t, p, http1, Backend{"dead", silent(t)}, b)
	for range 20 {
		get(t, client, url)
	}
}

// TestBothSidesTalkAtOnce: an answer may begin before the request's body has ended.
func TestBothSidesTalkAtOnce(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	b, _ := serve(t, "a", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.(http.Flusher).Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = io.WriteString(w, lines.Text()+"\n")
			w.(http.Flusher).Flush()
		}
	})
	url := set(t, p, http1, b)
	reader, writer := io.Pipe()
	answer, err := client.Do(request(t.Context(), http.MethodPost, url, reader))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	for range 5 {
		_, _ = io.WriteString(writer, "hello\n")
		if line, err := lines.ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatalf("%q %v, want the line", line, err)
		}
	}
	_ = writer.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("%q %v, want the end", rest, err)
	}
}
