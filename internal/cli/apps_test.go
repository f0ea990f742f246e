package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// host is an agent with three apps: web, whose newest release has failed; api, whose operator went back to an earlier one; and new, which
// has none yet.
func host() httpapitest.Content {
	digest := func(digits string) string { return "sha256:" + strings.Repeat(digits, 16) }
	release := func(number int, state, message string) v1alpha1.Release {
		return v1alpha1.Release{Number: number, Build: digest("1a2b3c4" + string(rune('0'+number))), Config: digest("c0ffee00"), State: state,
			Created: now.Add(time.Duration(number-6) * time.Hour), Available: number > 1,
			Revision: v1alpha1.Revision{ID: strings.Repeat("9f8e7d6"+string(rune('0'+number)), 5), Ref: "main", Message: message}}
	}
	failed := release(4, v1alpha1.ReleaseFailed, "Use the new driver")
	failed.Reason, failed.Message = "ProcessUnhealthy", "web.1 did not become healthy: GET /healthz: 503"
	line := func(process, stream, text string, ago time.Duration) v1alpha1.LogLine {
		return v1alpha1.LogLine{Time: now.Add(-ago), App: "web", Process: process, Release: 3, Stream: stream, Text: text}
	}
	status := func(name string, release int, health state.HealthStatus) v1alpha1.AppStatus {
		return v1alpha1.AppStatus{Name: name, Sync: "shop", Release: release, Health: v1alpha1.Health{Status: health}}
	}
	back := status("api", 1, state.Degraded)
	back.RolledBack, back.Health.Reason, back.Health.Message = 1, "CrashLoopBackOff", "api.1 exits with 1"
	older := release(1, v1alpha1.ReleaseActive, "First")
	older.Available = true
	return httpapitest.Content{Apps: []httpapitest.App{
		{AppStatus: status("web", 3, state.Healthy),
			Releases: []v1alpha1.Release{failed, release(3, v1alpha1.ReleaseActive, "Scale \x1b[31mweb"),
				release(2, v1alpha1.ReleaseSuperseded, "Second"), release(1, v1alpha1.ReleaseSuperseded, "First")},
			Logs: []v1alpha1.LogLine{
				line("web.1", "stdout", "started yesterday", 26*time.Hour),
				line("web.1", "stdout", "\x1b[1;32mGET\x1b[0m /\t200", time.Minute),
				line("worker.10", "stderr", "cannot reach the queue\x1b]0;owned\x07", 30*time.Second),
				line("web.2", "stdout", "GET / 200", 1500*time.Millisecond)}},
		{AppStatus: back, Since: now.Add(-5 * time.Minute),
			Releases: []v1alpha1.Release{release(3, v1alpha1.ReleaseSuperseded, "Third"), release(2, v1alpha1.ReleaseSuperseded, "Second"), older}},
		{AppStatus: status("new", 0, state.Progressing)},
	}}
}

func TestWhatPeopleSeeOfApps(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		exit int
	}{
		"app-history":           {"history app/web", 0},
		"app-history-limited":   {"history app/web --limit 2 --since 10h", 0},
		"app-history-back":      {"history app/api", 0},
		"app-history-none":      {"history app/new", 0},
		"app-history-yaml":      {"history app/api --limit 1 -o yaml", 0},
		"app-history-unknown":   {"history app/wep", 1},
		"app-history-misused":   {"history app/web --before 01", 2},
		"app-rollback":          {"rollback app/web", 0},
		"app-rollback-to":       {"rollback app/api --to 2", 0},
		"app-rollback-forward":  {"rollback app/api --to 3", 0},
		"app-rollback-newest":   {"rollback app/web --to 3", 0}, // the newest has failed
		"app-rollback-wait":     {"rollback app/web --wait", 0},
		"app-rollback-unwell":   {"rollback app/api --to 3 --wait", 4},
		"app-rollback-none":     {"rollback app/new", 1},
		"app-rollback-gone":     {"rollback app/web --to 1", 1},
		"app-rollback-failed":   {"rollback app/web --to 4", 1},
		"app-rollback-no-such":  {"rollback app/web --to 7", 1},
		"app-rollback-unknown":  {"rollback app/shop", 1},
		"app-rollback-number":   {"rollback app/web --to 0", 2},
		"app-rollback-no-app":   {"rollback web", 1},
		"app-rollback-comment":  {"rollback app/web --comment because", 2},
		"app-rollback-nothing":  {"rollback", 2},
		"app-logs":              {"logs app/web", 0},
		"app-logs-type":         {"logs app/web --process web --since 10m", 0},
		"app-logs-tail":         {"logs app/web -n 1 --since 30h -o json", 0},
		"app-logs-negative":     {"logs app/web -n -1", 2},
		"app-logs-unknown":      {"logs app/wbe -f", 1},
		"app-exec-no-dashes":    {"exec app/web ./migrate", 2},
		"app-exec-no-command":   {"exec app/web --", 2},
		"app-exec-nothing":      {"exec", 2},
		"app-exec-two":          {"exec app/web app/api -- env", 2},
		"app-exec-no-app":       {"exec web -- env", 2},
		"app-help-exec":         {"exec --help", 0},
		"app-exec-forgot-name":  {"exec -- env", 2},
		"app-history-no-suffix": {"history app/", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TZ", "UTC")
			c := newConsoleWith(t, host())
			code := c.run(t.Context(), strings.Fields(test.args)...)
			if code != test.exit {
				t.Errorf("exit code %d, want %d", code, test.exit)
			}
			out := "$ setpoint " + test.args + "\n" + c.out.String()
			if c.err.Len() > 0 {
				out += "--- stderr\n" + c.err.String()
			}
			golden(t, filepath.Join("testdata", name+".golden"), out)
		})
	}
}

func TestARollbackIsAwaited(t *testing.T) {
	for name, test := range map[string]struct {
		state  string
		health v1alpha1.Health
		exit   int
		want   string
	}{
		"it runs, and is healthy":       {v1alpha1.ReleaseActive, v1alpha1.Health{Status: state.Healthy}, 0, "runs release 2 and is healthy"},
		"it failed":                     {v1alpha1.ReleaseFailed, v1alpha1.Health{Status: state.Healthy}, 4, "PreFailed: ./migrate exits with 1"},
		"it runs, and stays unhealthy":  {v1alpha1.ReleaseActive, v1alpha1.Health{Status: state.Degraded, Message: "crashes"}, 4, "crashes"},
		"it runs, and nothing can help": {v1alpha1.ReleaseActive, v1alpha1.Health{Status: state.Progressing, Final: true}, 4, "not healthy"},
		"it is still on the way":        {v1alpha1.ReleasePending, v1alpha1.Health{Status: state.Healthy}, 1, "release 3 keeps running until release 2 is healthy"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsoleWith(t, host())
			c.backend.OnRollback = func(string) {
				app := host().Apps[0]
				app.RolledBack, app.Health = 2, test.health
				app.Releases[2].State = test.state
				app.Releases[2].Reason, app.Releases[2].Message = "PreFailed", "./migrate exits with 1"
				c.backend.SetApp(app)
			}
			timeout := "1m"
			if test.exit == 1 {
				timeout = "50ms"
			}
			code := c.run(t.Context(), "rollback", "app/web", "--wait", "--timeout", timeout)
			if code != test.exit || !strings.Contains(c.out.String(), test.want) {
				t.Errorf("exit code %d, want %d and %q: %s%s", code, test.exit, test.want, c.out.String(), c.err.String())
			}
		})
	}
}

func TestARollbackThatIsOvertakenEnds(t *testing.T) {
	c := newConsoleWith(t, host())
	c.backend.OnRollback = func(string) {
		app := host().Apps[0] // the declaration has changed: nothing holds, and another release runs
		c.backend.SetApp(app)
	}
	if code := c.run(t.Context(), "rollback", "app/web", "--to", "2", "--wait", "-o", "json"); code != 4 {
		t.Errorf("exit code %d: %s%s", code, c.out.String(), c.err.String())
	}
	var shown v1alpha1.Releases
	if err := json.Unmarshal([]byte(c.out.String()), &shown); err != nil || len(shown.Releases) != 4 {
		t.Errorf("%v: %s", err, c.out.String())
	}
}

func TestLogsAreFollowedUntilInterrupted(t *testing.T) {
	for format, want := range map[string]string{"table": "web.1      first", "json": `"text":"first"`, "yaml": "text: first"} {
		c := newConsoleWith(t, host())
		ctx, stop := context.WithCancel(t.Context())
		c.parts.Out = &trigger{to: &c.out, on: "last words", do: stop}
		say := func(process, text string) {
			c.backend.Write(v1alpha1.LogLine{Time: now, App: "web", Process: process, Stream: "stdout", Text: text})
		}
		go func() {
			for c.backend.Followers() == 0 {
				time.Sleep(time.Millisecond)
			}
			say("worker.10", "not asked for")
			say("web.1", "first")
			c.backend.Disconnect() // the agent is restarted
			say("web.1", "last words")
		}()
		if code := c.run(ctx, "logs", "app/web", "-f", "--process", "web", "-n", "1", "-o", format); code != 0 {
			t.Errorf("%s: exit code %d: %s", format, code, c.err.String())
		}
		out := c.out.String()
		for text, times := range map[string]int{want: 1, "last words": 1, "not asked for": 0, "GET / 200": 1, "started yesterday": 0} {
			if strings.Count(out, text) != times {
				t.Errorf("%s: %q is not there %d times:\n%s", format, text, times, out)
			}
		}
	}
}

func TestExecHandsOver(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		err  error
		exit int
	}{
		{[]string{"exec", "app/web", "--data", "/data", "--", "./migrate", "--to", "3"}, 0, nil, 0},
		{[]string{"exec", "app/web", "--data", "/data", "--", "./migrate", "--to", "3"}, 143, nil, 143},
		{[]string{"exec", "app/web", "--data", "/data", "--", "./migrate", "--to", "3"}, 0, fault.New(fault.NotFound, "find", "app/web", "it has no release"), 1},
	} {
		c := newConsoleWith(t, host())
		c.parts.In = strings.NewReader("input")
		var got agent.ExecConfig
		c.parts.Exec = func(_ context.Context, config agent.ExecConfig) (int, error) {
			got = config
			data, err := io.ReadAll(config.In)
			if string(data) != "input" {
				t.Errorf("read %q, %v", data, err)
			}
			_, _ = io.WriteString(config.Out, "output")
			return test.code, test.err
		}
		if code := c.run(t.Context(), test.args...); code != test.exit || c.out.String() != "output" {
			t.Errorf("exit code %d, want %d: %s%s", code, test.exit, c.out.String(), c.err.String())
		}
		got.In, got.Out, got.Err = nil, nil, nil
		want := agent.ExecConfig{Data: "/data", App: "web", Command: []string{"./migrate", "--to", "3"}}
		if difference := cmp.Diff(want, got); difference != "" {
			t.Errorf("want -, got +:\n%s", difference)
		}
		if shown := strings.Contains(c.err.String(), "it has no release"); shown != (test.err != nil) {
			t.Errorf("stderr: %s", c.err.String())
		}
	}
}

func TestNamesOfAppsAreCompleted(t *testing.T) {
	content := host()
	content.Syncs, content.Attempts = fleet().Syncs, fleet().Attempts
	c := newConsoleWith(t, content)
	for args, want := range map[string]string{
		"history ":               "api batch db root shop app/api app/new app/web",
		"rollback ":              "api batch db root shop app/api app/new app/web",
		"logs ":                  "app/api app/new app/web",
		"exec ":                  "app/api app/new app/web",
		"status ":                "api batch db root shop",
		"rollback app/api --to ": "3\tThird 2\tSecond",
		"rollback shop --to ":    "1a2b3c4\tScale web",
	} {
		words := append([]string{"__complete"}, strings.Split(args, " ")...)
		if code := c.run(t.Context(), words...); code != 0 {
			t.Errorf("%q: exit code %d: %s", args, code, c.err.String())
		}
		list, _, _ := strings.Cut(c.out.String(), "\n:")
		if got := strings.ReplaceAll(list, "\n", " "); got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}

var errPipe = errors.New("the pipe is closed")

// closed is an output that nobody reads.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errPipe }

func TestLogsEndWhenNobodyReads(t *testing.T) {
	c := newConsoleWith(t, host())
	c.parts.Out = closed{}
	if code := c.run(t.Context(), "logs", "app/web", "-f", "-o", "json"); code != 1 || !strings.Contains(c.err.String(), errPipe.Error()) {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
}
