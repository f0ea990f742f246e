package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
)

// apps are one that has had a failed release, and one that says nothing.
func apps(revision v1alpha1.Revision) []httpapitest.App {
	release := func(number int, state string, available bool) v1alpha1.Release {
		return v1alpha1.Release{Number: number, Build: "sha256:" + strings.Repeat("ab", 32), Config: "sha256:" + strings.Repeat("cd", 32),
			State: state, Created: start.Add(time.Duration(number) * time.Minute), Revision: revision, Available: available}
	}
	return []httpapitest.App{
		{AppStatus: v1alpha1.AppStatus{Name: "shop", Sync: "shop", Health: v1alpha1.Health{Status: "Healthy"}, Release: 4},
			Releases: []v1alpha1.Release{
				release(4, v1alpha1.ReleaseActive, true), release(3, v1alpha1.ReleaseFailed, true),
				release(2, v1alpha1.ReleaseSuperseded, true), release(1, v1alpha1.ReleaseSuperseded, false)},
			Logs: []v1alpha1.LogLine{
				logLine("web.1", 0, "first"), logLine("web.2", 0, "second"), logLine("worker.1", 1, "third")}},
		{AppStatus: v1alpha1.AppStatus{Name: "quiet", Sync: "root", Health: v1alpha1.Health{Status: "Progressing"}}},
	}
}

// logLine is one that was written so many seconds after the start.
func logLine(process string, second int, text string) v1alpha1.LogLine {
	at := start.Add(time.Duration(second)*time.Second + 123456789*time.Nanosecond)
	return v1alpha1.LogLine{Time: at, App: "shop", Process: process, Release: 4, Stream: "stdout", Text: text}
}

func TestAnAppThatIsNotThereLeadsToOneThatIs(t *testing.T) {
	server := serve(t, httpapi.Options{})
	for name, hint := range map[string]string{
		"shpo":    "did you mean app/shop?",
		"another": "this agent has app/quiet, app/shop",
	} {
		_, err := client(t, server.URL, "").Releases(t.Context(), name)
		if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) != hint {
			t.Errorf("%s: %v, hint %q, want %q", name, err, fault.HintOf(err), hint)
		}
	}
}

func TestLogsAreOneValueInEachLine(t *testing.T) {
	server := serve(t, httpapi.Options{})
	for query, want := range map[string]int{
		"": 3, "?process=web": 2, "?process=web.2": 1, "?process=none": 0, "?tail=2": 2, "?since=2026-01-31T15:00:01Z": 1,
	} {
		response, body := server.ask(t, "GET", "/api/v1alpha1/apps/shop/logs"+query, "")
		if got := strings.Count(body, "\n"); response.StatusCode != http.StatusOK || got != want {
			t.Errorf("%q: status %d, %d lines, want %d:\n%s", query, response.StatusCode, got, want, body)
		}
	}
}

// broken is a backend whose output cannot be read to its end.
type broken struct {
	*httpapitest.Backend
	lines int
}

func (b broken) Logs(_ context.Context, _ string, _ v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error {
	for range b.lines {
		if err := emit(logLine("web.1", 0, "fine")); err != nil {
			return err
		}
	}
	return fault.New(fault.Denied, "read", "web.log", "permission denied").WithHint("give it back to the agent")
}

func TestWhatBreaksOffSaysWhy(t *testing.T) {
	for _, lines := range []int{0, 1} {
		for _, follow := range []bool{false, true} {
			server := serveBackend(t, broken{httpapitest.New(content(), nil), lines}, httpapi.Options{})
			seen := 0
			err := client(t, server.URL, "").Logs(t.Context(), "shop", v1alpha1.LogQuery{Follow: follow},
				httpapi.LogHandler{Line: func(v1alpha1.LogLine) error { seen++; return nil }})
			if fault.KindOf(err) != fault.Denied || fault.HintOf(err) != "give it back to the agent" || seen != lines {
				t.Errorf("%d lines, follow %v: saw %d, %v, hint %q", lines, follow, seen, err, fault.HintOf(err))
			}
		}
	}
}

func TestASilentAppIsKeptUp(t *testing.T) {
	server := serve(t, httpapi.Options{Heartbeat: time.Millisecond})
	response := server.follow(t, "quiet")
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for range 3 { // a heartbeat each
		if !lines.Scan() || lines.Text() != "" {
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
	}
}

func TestFollowersOfOutputAreBounded(t *testing.T) {
	server := serve(t, httpapi.Options{})
	for range httpapi.StreamLimit {
		defer server.follow(t, "quiet").Body.Close()
	}
	response, body := server.ask(t, "GET", "/api/v1alpha1/apps/quiet/logs", "")
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "too many followers") {
		t.Errorf("status %d: %s", response.StatusCode, body)
	}
}

// follow begins to follow an App's output.
func (s serving) follow(t *testing.T, app string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+fmt.Sprintf("/api/v1alpha1/apps/%s/logs?follow=true", app), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	return response
}

func TestServeStopsThoughSomebodyReadsOutput(t *testing.T) {
	listener, err := httpapi.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- httpapi.Serve(ctx, listener, httpapi.New(httpapitest.New(content(), nil), httpapi.Options{}))
	}()
	response, err := http.Get("http://" + listener.Addr().String() + "/api/v1alpha1/apps/quiet/logs?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Errorf("the answer was broken off: %v", err)
	}
}
