package probe

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// quick is a check that is not waited for long.
func quick(check Check) Check {
	check.Interval, check.Timeout = 5*time.Millisecond, 10*time.Second
	return check
}

// running gives a set that looks until the test ends, and what it tells.
func running(t *testing.T) (*Set, *heard) {
	t.Helper()
	told := &heard{}
	s := New(told.add)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s, told
}

type heard struct {
	mu     sync.Mutex
	owners []string
}

func (h *heard) add(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owners = append(h.owners, owner)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.owners, " ")
}

// eventually waits until something holds, which is no measure of speed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// closedPort gives an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener := listen(t)
	address := listener.Addr().String()
	_ = listener.Close()
	return address
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// speaking serves raw bytes to everyone who connects, whatever they ask.
func speaking(t *testing.T, answer string) string {
	t.Helper()
	listener := listen(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 1024)
			_, _ = connection.Read(buffer)
			_, _ = connection.Write([]byte(answer))
			_ = connection.Close()
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

// quietTLS serves HTTPS, with a certificate that this machine does not trust, and without a word about those who hang up.
func quietTLS(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

var longHeader = "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeader)

func TestLooks(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/broken", http.StatusFound)
		case "/broken":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/slow":
			<-r.Context().Done()
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}
	}))
	defer web.Close()
	secure := quietTLS(t)
	plain := strings.TrimPrefix(web.URL, "http://")
	for _, test := range []struct {
		name   string
		check  Check
		status state.HealthStatus
		reason string
	}{
		{"an answer", Check{URL: web.URL}, state.Healthy, ""},
		{"a redirect is an answer, and is not followed", Check{URL: web.URL + "/moved"}, state.Healthy, ""},
		{"a body without an end", Check{URL: web.URL + "/endless"}, state.Healthy, ""},
		{"an error of the server", Check{URL: web.URL + "/broken"}, state.Degraded, "Status503"},
		{"the status that is asked for", Check{URL: web.URL + "/teapot", Status: 418}, state.Healthy, ""},
		{"another status than is asked for", Check{URL: web.URL, Status: 204}, state.Degraded, "Status200"},
		{"no answer in time", Check{URL: web.URL + "/slow", Timeout: 50 * time.Millisecond}, state.Degraded, "Timeout"},
		{"nobody listens", Check{URL: "http://" + closedPort(t)}, state.Degraded, "ConnectionRefused"},
		{"the server hangs up", Check{URL: "http://" + speaking(t, "")}, state.Degraded, "ConnectionClosed"},
		{"no HTTP", Check{URL: "http://" + speaking(t, "220 mail.example.com ESMTP\r\n")}, state.Degraded, "NoAnswer"},
		{"a header without an end", Check{URL: "http://" + speaking(t, longHeader)}, state.Degraded, "NoAnswer"},
		{"a certificate of nobody", Check{URL: secure.URL}, state.Degraded, "CertificateInvalid"},
		{"HTTP where HTTPS is asked for", Check{URL: "https://" + plain}, state.Degraded, "NoTLS"},
		{"a host that is not there", Check{URL: "http://nobody.invalid"}, state.Degraded, "UnknownHost"},
		{"no URL of the web", Check{URL: "file:///etc/passwd"}, state.Degraded, "InvalidURL"},
		{"no URL", Check{URL: "http://[::1"}, state.Degraded, "InvalidURL"},
		{"TCP", Check{Address: plain}, state.Healthy, ""},
		{"TCP where nobody listens", Check{Address: closedPort(t)}, state.Degraded, "ConnectionRefused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.check.Timeout == 0 {
				test.check.Timeout = 10 * time.Second
			}
			look := func() state.Health {
				ctx, cancel := context.WithTimeout(t.Context(), test.check.Timeout)
				defer cancel()
				return newLooker().look(ctx, test.check)
			}
			got := look()
			lookedUp := test.reason == "UnknownHost" && got.Reason == "LookupFailed" // without a network there is no name server
			if got.Status != test.status || got.Reason != test.reason && !lookedUp {
				t.Errorf("%+v, want %s %s", got, test.status, test.reason)
			}
			if got.Status == state.Degraded && got.Message == "" {
				t.Error("it does not say why")
			}
			if again := look(); again != got {
				t.Errorf("the same problem is told in two ways: %+v and %+v", got, again)
			}
		})
	}
}

// An error of the library must not reach people: it has ports and times in it, and what a server wrote.
func TestCertificatesAreJudgedWithoutTimes(t *testing.T) {
	server := quietTLS(t)
	l := newLooker()
	transport, _ := l.client.Transport.(*http.Transport)
	trusting, _ := server.Client().Transport.(*http.Transport)
	transport.TLSClientConfig = trusting.TLSClientConfig.Clone()
	where, _ := url.Parse(server.URL)
	if got := l.look(t.Context(), Check{URL: server.URL}); got.Reason != "Status404" {
		t.Errorf("a trusted certificate: %+v, want Status404", got)
	}
	transport.TLSClientConfig.Time = func() time.Time { return time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC) }
	got := l.look(t.Context(), Check{URL: server.URL})
	if !strings.Contains(got.Message, "expired") || strings.Contains(got.Message, "2190") {
		t.Errorf("a certificate of another time: %+v", got)
	}
	transport.TLSClientConfig.Time = nil
	if got := l.look(t.Context(), Check{URL: "https://localhost:" + where.Port()}); !strings.Contains(got.Message, "another name") {
		t.Errorf("a certificate of another name: %+v", got)
	}
	transport.TLSClientConfig.MaxVersion, transport.TLSClientConfig.MinVersion = tls.VersionTLS10, tls.VersionTLS10
	if got := l.look(t.Context(), Check{URL: server.URL}); got.Status != state.Degraded {
		t.Errorf("no version in common: %+v", got)
	}
}

func TestNoProxyOfTheEnvironment(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := newLooker().look(ctx, Check{URL: "http://nobody.invalid/", Timeout: 10 * time.Second})
	if got.Status != state.Degraded || asked.Load() != 0 {
		t.Errorf("%+v, with %d requests through the proxy", got, asked.Load())
	}
}

func TestRecovery(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer web.Close()
	s, told := running(t)
	check := quick(Check{URL: web.URL})
	if got := s.Health(check); got.Status != state.Progressing || got.Reason == "" {
		t.Errorf("before anybody wants to know: %+v", got)
	}
	s.Use("shop", []Check{check})
	for i, want := range []struct {
		answers int32
		reason  string
	}{{http.StatusOK, ""}, {http.StatusBadGateway, "Status502"}, {http.StatusOK, ""}} {
		status.Store(want.answers)
		eventually(t, "the probe says "+want.reason, func() bool {
			got := s.Health(check)
			return got.Status != state.Progressing && got.Reason == want.reason
		})
		eventually(t, "the owner is told", func() bool { return told.String() == strings.Repeat(" shop", i+1)[1:] })
	}
}

// Owners of equal checks share one look, which goes on while any of them wants it, and only then.
func TestSharedLooks(t *testing.T) {
	var looks atomic.Int32
	fails := atomic.Bool{}
	s, told := running(t)
	s.look = func(context.Context, Check) state.Health {
		looks.Add(1)
		if fails.Load() {
			return degraded("Timeout", "no answer")
		}
		return state.Health{Status: state.Healthy}
	}
	check := quick(Check{Address: "db:5432"})
	other := quick(Check{Address: "cache:6379"})
	s.Use("b", []Check{check, check})
	eventually(t, "the first is told", func() bool { return told.String() == "b" })
	s.Use("a", []Check{check})
	if got := s.Health(check); got.Status != state.Healthy {
		t.Errorf("the second owner of a probe is told %+v, want what is known", got)
	}
	fails.Store(true)
	eventually(t, "both are told", func() bool { return told.String() == "b a b" })
	s.Use("b", []Check{other})
	before := looks.Load()
	eventually(t, "it goes on for the other", func() bool { return looks.Load() > before+3 })
	if got := s.Health(check).Reason; got != "Timeout" {
		t.Errorf("a probe that is still wanted began anew: %q", got)
	}
	s.Use("a", nil)
	s.Use("b", nil)
	s.mu.Lock()
	left := len(s.probes) + len(s.owners)
	s.mu.Unlock()
	if left != 0 {
		t.Errorf("%d probes and owners are left when nobody wants any", left)
	}
	if got := s.Health(check).Status; got != state.Progressing {
		t.Errorf("what nobody looks at is %s", got)
	}
}

// What changes all the time (who wants what, and that it ends) leaves no goroutine and tells nobody who is gone.
func TestManyChangesAtOnce(t *testing.T) {
	s := New(func(string) {})
	s.look = func(context.Context, Check) state.Health { return state.Health{Status: state.Healthy} }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	var using sync.WaitGroup
	for _, owner := range []string{"a", "b", "c", "d"} {
		using.Go(func() {
			for i := range 200 {
				s.Use(owner, []Check{quick(Check{Address: "shared"}), quick(Check{Address: owner, Status: i % 3})}[:i%3])
				s.Health(quick(Check{Address: "shared"}))
			}
		})
	}
	using.Wait()
	cancel()
	<-done // every goroutine has ended, or this would not return
}

func TestFromDeclarations(t *testing.T) {
	checks := All([]v1alpha1.HealthCheck{
		{Kind: "Widget", Healthy: "true"},
		{HTTP: &v1alpha1.HTTPCheck{URL: "https://user:secret@shop.example.com/ready?deep=1", Status: 204}},
		{TCP: &v1alpha1.TCPCheck{Address: "db:5432", Interval: 1, Timeout: v1alpha1.Duration(time.Hour)}},
		{Object: &v1alpha1.Reference{Kind: "Secret", Name: "x"}},
	})
	want := []Check{
		{URL: "https://user:secret@shop.example.com/ready?deep=1", Status: 204, Interval: 10 * time.Second, Timeout: 5 * time.Second},
		{Address: "db:5432", Interval: time.Second, Timeout: time.Minute},
	}
	if len(checks) != 2 || checks[0] != want[0] || checks[1] != want[1] {
		t.Fatalf("%+v, want %+v", checks, want)
	}
	for check, name := range map[Check]string{
		checks[0]: "Probe/https://shop.example.com/ready?deep=1", checks[1]: "Probe/db:5432",
		{URL: "http://user:secret@[::1"}: "Probe/(unreadable URL)",
	} {
		if got := check.ID().String(); got != name {
			t.Errorf("named %s, want %s", got, name)
		}
	}
}
