package httpapi_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
)

func TestWhoIsAnswered(t *testing.T) {
	const token = "correct horse"
	for _, test := range []struct {
		name         string
		token        string
		method, path string
		headers      []string
		status       int
	}{
		{"loopback without token", "", "GET", "/api/v1alpha1/syncs", nil, 200},
		{"localhost", "", "GET", "/api/v1alpha1/syncs", []string{"Host: localhost:7468"}, 200},
		{"IPv6 loopback", "", "GET", "/api/v1alpha1/syncs", []string{"Host: [::1]:7468"}, 200},
		{"rebound name", "", "GET", "/api/v1alpha1/syncs", []string{"Host: evil.example.com"}, 403},
		{"rebound name, POST", "", "POST", "/hook", []string{"Host: evil.example.com:7468"}, 403},
		{"name that only looks local", "", "GET", "/metrics", []string{"Host: localhost.example.com"}, 403},
		{"foreign page", "", "POST", "/hook", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"foreign origin", "", "POST", "/hook", []string{"Origin: https://evil.example.com"}, 403},
		{"foreign page with token", token, "POST", "/hook", []string{"Origin: https://evil.example.com", "Authorization: Bearer " + token}, 403},
		{"no token", token, "GET", "/api/v1alpha1/syncs", nil, 401},
		{"wrong token", token, "GET", "/api/v1alpha1/syncs", []string{"Authorization: Bearer wrong"}, 401},
		{"other scheme", token, "GET", "/api/v1alpha1/syncs", []string{"Authorization: Basic " + token}, 401},
		{"empty token", token, "GET", "/api/v1alpha1/syncs", []string{"Authorization: Bearer "}, 401},
		{"right token", token, "GET", "/api/v1alpha1/syncs", []string{"Authorization: Bearer " + token}, 200},
		{"right token, any host", token, "GET", "/api/v1alpha1/syncs", []string{"authorization: bearer " + token, "Host: setpoint.example.com"}, 200},
		{"metrics need the token", token, "GET", "/metrics", nil, 401},
		{"the document needs the token", token, "GET", "/openapi.json", nil, 401},
		{"unknown paths need the token", token, "GET", "/nowhere", nil, 401},
		{"alive without token", token, "GET", "/livez", []string{"Host: 10.0.0.7"}, 200},
		{"ready without token", token, "GET", "/readyz", nil, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, httpapi.Options{Token: test.token})
			response, body := server.ask(t, test.method, test.path, "", test.headers...)
			if response.StatusCode != test.status && !(test.status == 200 && response.StatusCode == http.StatusAccepted) {
				t.Errorf("status %d, want %d: %s", response.StatusCode, test.status, body)
			}
			if strings.Contains(body, token) {
				t.Error("the token is in the answer")
			}
			if (response.StatusCode == http.StatusUnauthorized) != (response.Header.Get("WWW-Authenticate") != "") {
				t.Error("401 and WWW-Authenticate belong together")
			}
			if response.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("security headers are missing")
			}
			if test.status == 403 && len(server.backend.Requested()) > 0 {
				t.Error("a refused request woke a Sync")
			}
		})
	}
}

func TestListenRefuses(t *testing.T) {
	taken, err := httpapi.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		addr, token string
		kind        fault.Kind
	}{
		{"7468", "", fault.Invalid},
		{"127.0.0.1:99999", "", fault.Invalid},
		{"192.0.2.1:7468", "x", fault.Invalid},
		{":0", "", fault.Denied},
		{"0.0.0.0:0", "", fault.Denied},
		{taken.Addr().String(), "", fault.Conflict},
	} {
		listener, err := httpapi.Listen(t.Context(), test.addr, test.token)
		if err == nil {
			listener.Close()
		}
		if fault.KindOf(err) != test.kind || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (kind %s, hint %q), want kind %s and a hint", test.addr, err, fault.KindOf(err), fault.HintOf(err), test.kind)
		}
	}
	open, err := httpapi.Listen(t.Context(), "0.0.0.0:0", "secret")
	if err != nil {
		t.Fatalf("with a token: %v", err)
	}
	open.Close()
}

func TestServeStopsThoughSomebodyFollows(t *testing.T) {
	listener, err := httpapi.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	backend := httpapitest.New(content(), nil)
	done := make(chan error, 1)
	go func() { done <- httpapi.Serve(ctx, listener, httpapi.New(backend, httpapi.Options{})) }()
	response, err := http.Get("http://" + listener.Addr().String() + "/api/v1alpha1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}
