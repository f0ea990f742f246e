package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// TestMain is also a process that listens, for those who look for one.
func TestMain(m *testing.M) {
	if os.Getenv("PROXY_TEST_LISTEN") != "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(listener.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
		return
	}
	os.Exit(m.Run())
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happened: %s", what)
		}
	}
}

// noLeaks sees to it that a test ends all goroutines that it started. Call it first.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Errorf("goroutines are left over:\n%s", stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}

func newProxy(t *testing.T, options Options) *Proxy {
	t.Helper()
	p := New(options)
	t.Cleanup(p.Close)
	return p
}

// set sets an address on a free port, which stays the same, and gives its URL.
func set(t *testing.T, p *Proxy, protocol string, backends ...Backend) string {
	t.Helper()
	if err := p.Set(t.Context(), "shop", Route{Listen: "127.0.0.1:0", Protocol: protocol, Backends: backends}); err != nil {
		t.Fatal(err)
	}
	return "http://" + p.Addr("shop")
}

// serve starts a backend whose answers say in a header who gave them.
func serve(t *testing.T, key string, handler http.HandlerFunc) (Backend, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Backend", key)
		if handler != nil {
			handler(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return Backend{Key: key, Address: server.Listener.Addr().String()}, server
}

// silent is an address at which nobody listens.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// do sends a request and reads its answer.
func do(client *http.Client, r *http.Request) (answer *http.Response, body string, err error) {
	answer, err = client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return answer, string(content), err
}

func request(ctx context.Context, method, url string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		panic(err)
	}
	return r
}

func get(t *testing.T, client *http.Client, url string) (answer *http.Response, body string) {
	t.Helper()
	answer, body, err := do(client, request(t.Context(), http.MethodGet, url, nil))
	if err != nil {
		t.Fatal(err)
	}
	return answer, body
}

func wantCounters(t *testing.T, p *Proxy, requests, failed uint64) {
	t.Helper()
	if r, f := p.Counters("shop"); r != requests || f != failed {
		t.Errorf("%d requests and %d failed, want %d and %d", r, f, requests, failed)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func name(i int) string { return "web-" + strconv.Itoa(i) }
