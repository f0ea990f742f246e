package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

func TestRequestsAreBalanced(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	var backends []Backend
	for i := range 4 {
		b, _ := serve(t, name(i), nil)
		backends = append(backends, b)
	}
	url := set(t, p, http1, backends...)
	count := map[string]int{}
	for range 100 {
		answer, _ := get(t, client, url)
		count[answer.Header.Get("Backend")]++
	}
	for i := range 4 {
		if count[name(i)] != 25 {
			t.Errorf("%s had %d requests of 100, want 25", name(i), count[name(i)])
		}
	}
	wantCounters(t, p, 100, 0)
}

func TestTheLeastBusyIsChosen(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	release := make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	slow := func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	}
	a, _ := serve(t, "a", slow)
	b, _ := serve(t, "b", slow)
	url := set(t, p, http1, a, b)
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _, _ = do(client, request(context.Background(), http.MethodGet, url+"/slow", nil)) })
	eventually(t, "the slow request is under way", func() bool { return p.InFlight("a")+p.InFlight("b") == 1 })
	free := "a"
	if p.InFlight("a") == 1 {
		free = "b"
	}
	for range 10 {
		if answer, _ := get(t, client, url); answer.Header.Get("Backend") != free {
			t.Fatalf("a request went to %s, which is busy", answer.Header.Get("Backend"))
		}
	}
	once.Do(func() { close(release) })
	waiting.Wait()
}

func TestWhatABackendIsTold(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	var got *http.Request
	b, _ := serve(t, "a", func(_ http.ResponseWriter, r *http.Request) { got = r })
	url := set(t, p, http1, b)
	r := request(t.Context(), http.MethodGet, url+"/a%2Fb?x=1;y=%zz", nil)
	r.Host = "shop.example.com"
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		r.Header.Set(header, "10.9.8.7")
	}
	r.Header.Set("Keep-Alive", "300")
	r.Header.Set("Connection", "X-Mine")
	r.Header.Set("X-Mine", "x")
	r.Header.Set("Accept-Encoding", "br")
	if _, _, err := do(client, r); err != nil {
		t.Fatal(err)
	}
	if got.Host != "shop.example.com" || got.RequestURI != "/a%2Fb?x=1;y=%zz" {
		t.Errorf("%s %s, want the host and the path that the client sent", got.Host, got.RequestURI)
	}
	for header, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example.com", "X-Forwarded-Proto": "http",
		"Forwarded": "", "X-Mine": "", "Keep-Alive": "", "Accept-Encoding": "br",
	} {
		if got.Header.Get(header) != want {
			t.Errorf("%s: %q, want %q", header, got.Header.Get(header), want)
		}
	}
}

func TestBodiesOfAllSizes(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	var lengths sync.Map
	echo := func(w http.ResponseWriter, r *http.Request) {
		lengths.Store(r.Header.Get("Size"), r.ContentLength)
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		_, _ = fmt.Fprintf(w, "%x", sum.Sum(nil))
	}
	a, _ := serve(t, "a", echo)
	// Each request is sent to a backend first that nobody listens at, so that each is sent twice.
	url := set(t, p, http1, Backend{Key: "dead", Address: silent(t)}, a)
	for _, size := range []int{0, 1, 1000, maxReplay - 1, maxReplay, maxReplay + 1, 5 << 20} {
		for _, chunked := range []bool{false, true} {
			content := bytes.Repeat([]byte("x"), size)
			var body io.Reader = bytes.NewReader(content)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			r := request(t.Context(), http.MethodPost, url, body)
			r.Header.Set("Size", fmt.Sprint(size, chunked))
			answer, sum, err := do(client, r)
			if err != nil || answer.StatusCode != http.StatusOK || sum != fmt.Sprintf("%x", sha256.Sum256(content)) {
				t.Errorf("%d bytes, chunked %t: %v %v %s", size, chunked, answer, err, sum)
			}
			want := int64(size)
			if chunked {
				want = -1
			}
			if got, _ := lengths.Load(fmt.Sprint(size, chunked)); got != want {
				t.Errorf("%d bytes, chunked %t: the backend was told %v, want %d", size, chunked, got, want)
			}
		}
	}
	wantCounters(t, p, 14, 0)
}

func TestExpectContinue(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	b, _ := serve(t, "a", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	url := set(t, p, http1, b)
	r := request(t.Context(), http.MethodPut, url, strings.NewReader("hello"))
	r.Header.Set("Expect", "100-continue")
	if answer, body, err := do(client, r); err != nil || body != "hello" {
		t.Errorf("%v %q %v, want the body", answer, body, err)
	}
}

func TestEarlyHints(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	b, _ := serve(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	})
	url := set(t, p, http1, b)
	hint := ""
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		hint = h.Get("Link")
		return nil
	}})
	answer, _, err := do(client, request(ctx, http.MethodGet, url, nil))
	if err != nil || answer.StatusCode != http.StatusNoContent || hint != "</style.css>" {
		t.Errorf("%v %v, hint %q", answer, err, hint)
	}
}

func TestStreamingAndTrailers(t *testing.T) {
	noLeaks(t)
	p, client := newProxy(t, Options{}), newClient(t)
	next := make(chan struct{})
	for _, length := range []string{"", "10"} {
		b, _ := serve(t, "a"+length, func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			} else {
				w.Header().Set("Trailer", "Sum")
			}
			w.(http.Flusher).Flush()
			for range 5 {
				<-next // the client has what was sent before, or it would never ask for more
				_, _ = io.WriteString(w, "x\n")
				w.(http.Flusher).Flush()
			}
			if length == "" {
				w.Header().Set("Sum", "5")
			}
		})
		url := set(t, p, http1, b)
		answer, err := client.Do(request(t.Context(), http.MethodGet, url, nil))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(answer.Body)
		for range 5 {
			next <- struct{}{}
			if !lines.Scan() || lines.Text() != "x" {
				t.Fatalf("the stream ended: %v", lines.Err())
			}
		}
		if lines.Scan() || lines.Err() != nil {
			t.Errorf("the stream did not end: %q %v", lines.Text(), lines.Err())
		}
		if length == "" && answer.Trailer.Get("Sum") != "5" {
			t.Errorf("trailers %v, want Sum", answer.Trailer)
		}
		_ = answer.Body.Close()
	}
}

// TestUpgrade speaks like a WebSocket: after the switch, both sides send when they like.
func TestUpgrade(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	b, _ := serve(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome\n")
		_, _ = io.Copy(conn, buffered)
	})
	set(t, p, http1, b)
	conn, err := net.Dial("tcp", p.Addr("shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v, want a switch of protocols", answer, err)
	}
	expect := func(want string) {
		t.Helper()
		if line, err := reader.ReadString('\n'); err != nil || line != want+"\n" {
			t.Fatalf("%q %v, want %q", line, err, want)
		}
	}
	expect("welcome")
	for i := range 10 {
		_, _ = fmt.Fprintf(conn, "%d\n", i)
		expect(fmt.Sprint(i))
	}
	idle := p.Idle("a")
	set(t, p, http1) // it stays when its backend leaves
	_, _ = io.WriteString(conn, "still there\n")
	expect("still there")
	if isClosed(idle) || p.InFlight("a") != 1 {
		t.Error("a backend with a connection under way is idle")
	}
	_ = conn.Close()
	eventually(t, "the backend is idle", func() bool { return isClosed(idle) })
}

func TestBadRequests(t *testing.T) {
	noLeaks(t)
	p := newProxy(t, Options{})
	b, _ := serve(t, "a", nil)
	set(t, p, http1, b)
	for request, want := range map[string]string{
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n":                           "405",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxRequestHeader) + "\r\n\r\n": "431",
		"GET / HTTP/1.1\r\n\r\n": "400",
		"nonsense\r\n\r\n":       "400",
	} {
		conn, err := net.Dial("tcp", p.Addr("shop"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request)
		status, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(status, want) {
			t.Errorf("%.20q: %q %v, want %s", request, status, err, want)
		}
		_ = conn.Close()
	}
}
