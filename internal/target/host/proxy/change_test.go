package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// TestNoRequestFailsWhileBackendsAreExchanged: 20,000 requests of 32 clients that keep their connections, while two backends take the place
// of two others again and again. Those that left are ended as soon as they are idle, as the supervisor does with processes.
func TestNoRequestFailsWhileBackendsAreExchanged(t *testing.T) {
	noLeaks(t)
	const requests, clients, exchanges = 20_000, 32, 50
	p := newProxy(t, Options{Refused: func(key string) { t.Errorf("%s refused", key) }})
	generation := func(n int) (backends []Backend, end func()) {
		var ends []func()
		for i := range 2 {
			b, server := serve(t, fmt.Sprintf("%d.%d", n, i), func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			backends = append(backends, b)
			ends = append(ends, func() {
				<-p.Idle(b.Key)
				server.CloseClientConnections()
				server.Close()
			})
		}
		return backends, func() { ends[0](); ends[1]() }
	}
	backends, end := generation(0)
	url := set(t, p, http1, backends...)
	var made atomic.Int64
	var working sync.WaitGroup
	for range clients {
		client := newClient(t)
		working.Go(func() {
			for n := made.Add(1); n <= requests; n = made.Add(1) {
				method := []string{http.MethodGet, http.MethodPost, http.MethodPut}[n%3]
				answer, body, err := do(client, request(context.Background(), method, url, strings.NewReader("hello")))
				if err != nil || answer.StatusCode != http.StatusOK || body != "hello" {
					t.Errorf("%s %d: %v %v %q", method, n, answer, err, body)
				}
			}
		})
	}
	for n := range exchanges {
		reached := int64((n + 1) * requests / (exchanges + 1))
		eventually(t, "enough requests before the exchange", func() bool { return made.Load() >= reached })
		next, endNext := generation(n + 1)
		set(t, p, http1, next...)
		end()
		end = endNext
	}
	working.Wait()
	wantCounters(t, p, requests, 0)
}

func TestIdle(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	release := make(chan struct{})
	a, _ := serve(t, "a", func(http.ResponseWriter, *http.Request) { <-release })
	b, _ := serve(t, "b", nil)
	if !isClosed(p.Idle("a")) || p.InFlight("a") != 0 {
		t.Error("a backend that nobody knows is busy")
	}
	url := set(t, p, http1, a)
	idle := p.Idle("a")
	if isClosed(idle) {
		t.Error("a backend in a route is done")
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if answer, _, err := do(client, request(context.Background(), http.MethodGet, url, nil)); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%v %v", answer, err)
		}
	})
	eventually(t, "the request is under way", func() bool { return p.InFlight("a") == 1 })
	set(t, p, http1, b)
	if answer, _ := get(t, client, url); answer.Header.Get("Backend") != "b" {
		t.Error("a backend that has left got a request")
	}
	if isClosed(idle) {
		t.Error("a backend with a request under way is idle")
	}
	close(release)
	<-idle
	waiting.Wait()
	idle = p.Idle("b")
	p.Remove("shop")
	<-idle
	p.Remove("shop")
}

func TestMove(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	release := make(chan struct{})
	a, _ := serve(t, "a", func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	})
	url := set(t, p, http1, a)
	old := p.Addr("shop")
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if answer, _, err := do(client, request(context.Background(), http.MethodGet, url+"/slow", nil)); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("a request that was under way: %v %v", answer, err)
		}
	})
	eventually(t, "the request is under way", func() bool { return p.InFlight("a") == 1 })
	for _, listen := range []string{silent(t), "127.0.0.2:0"} {
		if err := p.Set(t.Context(), "shop", Route{Listen: listen, Backends: []Backend{a}}); err != nil {
			t.Fatal(err)
		}
		if answer, _ := get(t, newClient(t), "http://"+p.Addr("shop")); answer.StatusCode != http.StatusOK {
			t.Errorf("the new address answers %v", answer)
		}
		if conn, err := net.Dial("tcp", old); err == nil {
			t.Errorf("the old address %s still listens", old)
			_ = conn.Close()
		}
		old = p.Addr("shop")
	}
	close(release)
	waiting.Wait()
}

// TestMoveOnTheSamePort is a move between addresses that cannot both be listened on.
func TestMoveOnTheSamePort(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	a, _ := serve(t, "a", nil)
	url := set(t, p, http1, a)
	_, port, _ := net.SplitHostPort(p.Addr("shop"))
	for _, host := range []string{"0.0.0.0", "127.0.0.1"} {
		if err := p.Set(t.Context(), "shop", Route{Listen: host + ":" + port, Backends: []Backend{a}}); err != nil {
			t.Fatal(err)
		}
		if got := p.addresses["shop"].front.socket().Addr().(*net.TCPAddr); !sameAddress(got, host+":"+port) {
			t.Errorf("it listens at %s, want %s", got, host)
		}
		get(t, client, url)
	}
}

func TestChangeOfProtocol(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serve(t, "a", nil)
	url := set(t, p, http1, a)
	var answered atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for ctx.Err() == nil {
				client := newClient(t) // each its own connection, so that none is refused
				if answer, _, err := do(client, request(context.Background(), http.MethodGet, url, nil)); err != nil || answer.StatusCode != http.StatusOK {
					t.Errorf("%v %v", answer, err)
				}
				client.CloseIdleConnections()
				answered.Add(1)
			}
		})
	}
	for i := range 10 {
		before := answered.Load()
		eventually(t, "requests between two changes", func() bool { return answered.Load() > before+10 })
		set(t, p, []string{tcp, http1}[i%2], a)
	}
	stop()
	working.Wait()
}

func TestWrongRoutes(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	a, _ := serve(t, "a", nil)
	set(t, p, http1, a)
	for name, route := range map[string]Route{
		"protocol":                 {Listen: "127.0.0.1:0", Protocol: "udp"},
		"address":                  {Listen: "127.0.0.1"},
		"backend without a port":   {Listen: "127.0.0.1:0", Backends: []Backend{{"b", "127.0.0.1"}}},
		"backend without a key":    {Listen: "127.0.0.1:0", Backends: []Backend{{"", "127.0.0.1:1"}}},
		"backend twice":            {Listen: "127.0.0.1:0", Backends: []Backend{{"b", "127.0.0.1:1"}, {"b", "127.0.0.1:1"}}},
		"backend at two addresses": {Listen: "127.0.0.1:0", Backends: []Backend{{"a", "127.0.0.1:1"}}},
	} {
		if err := p.Set(t.Context(), "other", route); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	if p.Addr("other") != "" {
		t.Error("a wrong route is listened on")
	}
}

func TestShutdownLetsFinish(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	release := make(chan struct{})
	a, _ := serve(t, "a", func(http.ResponseWriter, *http.Request) { <-release })
	url := set(t, p, http1, a)
	var waiting, ending sync.WaitGroup
	waiting.Go(func() {
		if answer, _, err := do(client, request(context.Background(), http.MethodGet, url, nil)); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%v %v", answer, err)
		}
	})
	eventually(t, "the request is under way", func() bool { return p.InFlight("a") == 1 })
	ending.Go(func() { p.Shutdown(context.Background()) })
	eventually(t, "nothing listens", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	waiting.Wait()
	ending.Wait()
	if err := p.Set(t.Context(), "shop", Route{Listen: "127.0.0.1:0"}); err == nil {
		t.Error("a proxy that has ended listens")
	}
}

func TestCloseBreaksOff(t *testing.T) {
	noLeaks(t)
	p, client := New(Options{}), newClient(t)
	a, _ := serve(t, "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	url := set(t, p, http1, a)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, _, err := do(client, request(context.Background(), http.MethodGet, url, nil)); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%v, want a connection that was broken off", err)
		}
	})
	eventually(t, "the request is under way", func() bool { return p.InFlight("a") == 1 })
	p.Close()
	p.Close()
	waiting.Wait()
}

// TestSuccessor: a second proxy takes the sockets over. Who connects in between waits, and is served.
func TestSuccessor(t *testing.T) {
	noLeaks(t)
	first, client := newProxy(t, Options{}), newClient(t)
	a, _ := serve(t, "a", nil)
	url := set(t, first, http1, a)
	address := first.Addr("shop")
	if err := first.Set(t.Context(), "gone", Route{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	if err := first.Set(t.Context(), "moved", Route{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	gone := first.Addr("gone")
	files, err := first.Files()
	if err != nil || len(files) != 3 {
		t.Fatalf("%v %v", files, err)
	}
	first.Shutdown(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if answer, _, err := do(client, request(context.Background(), http.MethodGet, url, nil)); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%v %v", answer, err)
		}
	})
	second := newProxy(t, Options{Inherit: files})
	if err := second.Set(t.Context(), "shop", Route{Listen: address, Backends: []Backend{a}}); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
	if err := second.Set(t.Context(), "moved", Route{Listen: silent(t)}); err != nil {
		t.Fatal(err)
	}
	second.Remove("gone")
	if conn, err := net.Dial("tcp", gone); err == nil {
		t.Error("what was inherited and removed still listens")
		_ = conn.Close()
	}
}
