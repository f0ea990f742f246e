package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func TestRunReadsFlagsBeforeTheEnvironment(t *testing.T) {
	c := newConsole(t)
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got agent.Config
	c.parts.Run = func(_ context.Context, config agent.Config) error { got = config; return nil }
	maps.Copy(c.env, map[string]string{
		"SETPOINT_SOURCE": "https://git.example.com/env.git", "SETPOINT_PATH": "clusters/env", "SETPOINT_REF": "tag:v1", "SETPOINT_DATA": "/data",
		"SETPOINT_TOKEN": "from-env", "SETPOINT_LISTEN": ":80", "SETPOINT_INTERVAL": "30s", "SETPOINT_NAME": "eu", "SETPOINT_CONTEXT": "c",
		"SETPOINT_NAMESPACE": "n", "SETPOINT_KUBECONFIG": "k", "SETPOINT_DATABASE_URL": "sqlite:x", "SETPOINT_LOG_LEVEL": "error",
	})
	if code := c.run(t.Context(), "run", "--path", "clusters/flag", "--kubernetes", "off", "--host-root", "/mnt", "--ref", "main", "--token-file", tokenFile); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	if got.Log == nil {
		t.Error("Log is missing")
	}
	got.Log, got.SOPS = nil, nil
	want := agent.Config{
		Environment: map[string]string{},
		Source: v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: "https://git.example.com/env.git", Ref: v1alpha1.GitRef{Branch: "main"}},
			Interval: v1alpha1.Duration(30 * time.Second)},
		Path: "clusters/flag", Name: "eu", Data: "/data", DatabaseURL: "sqlite:x", Listen: ":80", Token: "from-file",
		Kubeconfig: "k", Context: "c", Namespace: "n", HostRoot: "/mnt", NoCluster: true, Version: "1.2.3",
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("want -, got +:\n%s", difference)
	}
}

func TestRefs(t *testing.T) {
	hash := strings.Repeat("0123456789", 4)
	for text, want := range map[string]v1alpha1.GitRef{
		"": {}, "main": {Branch: "main"}, "feature/x": {Branch: "feature/x"}, "branch:tag": {Branch: "tag"}, "tag:v1.2": {Tag: "v1.2"},
		"refs/heads/main": {Branch: "main"}, "refs/tags/v1": {Tag: "v1"}, hash: {Commit: hash}, "commit:" + hash: {Commit: hash},
		"semver:>=1.2 <2": {Semver: ">=1.2 <2"}, "pr:17": {PR: 17},
	} {
		c := newConsole(t)
		c.env["HOME"] = t.TempDir()
		var got v1alpha1.GitRef
		c.parts.Run = func(_ context.Context, config agent.Config) error { got = config.Source.Git.Ref; return nil }
		if code := c.run(t.Context(), "run", "--source", "x", "--ref", text); code != 0 || got != want {
			t.Errorf("%q: exit code %d, %+v, want %+v", text, code, got, want)
		}
	}
	for _, text := range []string{"tag:", "pr:x", "pr:0", "commit:", "head:main"} {
		if code := newConsole(t).run(t.Context(), "run", "--source", "x", "--ref", text); code != 2 {
			t.Errorf("%q: exit code %d, want 2", text, code)
		}
	}
}

func TestTheTokenIsNeverShown(t *testing.T) {
	c := newConsole(t)
	c.env["HOME"], c.env["SETPOINT_TOKEN"] = t.TempDir(), "hunter2"
	c.parts.Run = func(context.Context, agent.Config) error { return errors.New("broken") }
	for _, args := range [][]string{{"run", "--source", "x", "--log-level", "debug"}, {"run", "--help"}, {"status"}, {"run", "--nonsense"}} {
		c.run(t.Context(), args...)
		if strings.Contains(c.out.String()+c.err.String(), "hunter2") {
			t.Errorf("%v shows the token", args)
		}
	}
}

func TestEventsAreFollowedUntilInterrupted(t *testing.T) {
	for format, want := range map[string]string{
		"table": "drift     update: apps/Deployment/shop/web /spec/replicas 5 → 2 by kubectl-edit 4m ago, and 1 more field",
		"json":  `"by":"kubectl-edit"`,
		"yaml":  "by: kubectl-edit",
	} {
		c := newConsole(t)
		ctx, stop := context.WithCancel(t.Context())
		c.parts.Out = &trigger{to: &c.out, on: "last words", do: stop}
		go func() {
			for c.backend.Followers() == 0 {
				time.Sleep(time.Millisecond)
			}
			c.backend.Emit(v1alpha1.Event{Sync: "db", Type: "warning", Message: "not asked for"})
			c.backend.Emit(v1alpha1.Event{Sync: "shop", Type: "warning", Message: "last words"})
		}()
		if code := c.run(ctx, "events", "shop", "--since", "10m", "-o", format); code != 0 {
			t.Errorf("%s: exit code %d: %s", format, code, c.err.String())
		}
		out := c.out.String()
		if !strings.Contains(out, want) || strings.Contains(out, "not asked for") || strings.Contains(out, "1a2b3c4\"") {
			t.Errorf("%s: %s", format, out)
		}
	}
}

// trigger does something once when a word is written.
type trigger struct {
	to *strings.Builder
	on string
	do func()
}

func (w *trigger) Write(data []byte) (int, error) {
	n, err := w.to.Write(data)
	if strings.Contains(string(data), w.on) {
		w.do()
	}
	return n, err
}

func TestWatchShowsWhatChanged(t *testing.T) {
	c := newConsole(t)
	ctx, stop := context.WithCancel(t.Context())
	c.parts.Out = &trigger{to: &c.out, on: "db  InSync", do: stop}
	go func() {
		for c.backend.Followers() == 0 {
			time.Sleep(time.Millisecond)
		}
		detail := fleet().Syncs[2]
		detail.State, detail.Message = "InSync", ""
		c.backend.Disconnect() // the watch must find its way back
		c.backend.Set(detail)
	}()
	if code := c.run(ctx, "status", "--watch"); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	for _, line := range []string{"shop  Drifted  main@1a2b3c4  2/2", "db  Failed", "db  InSync"} {
		if strings.Count(c.out.String(), line) != 1 {
			t.Errorf("%q is not there once:\n%s", line, c.out.String())
		}
	}
}

func TestWaitEndsWhenTheSyncHasLooked(t *testing.T) {
	c := newConsole(t)
	detail := fleet().Syncs[0]
	detail.Looked = now.Add(-time.Minute)
	c.backend.Set(detail)
	c.backend.OnRequest = func(string) {
		go func() {
			for c.backend.Followers() == 0 {
				time.Sleep(time.Millisecond)
			}
			detail.State, detail.Looked = "InSync", now.Add(time.Second)
			c.backend.Set(detail)
		}()
	}
	if code := c.run(t.Context(), "sync", "api", "--wait", "-o", "json"); code != 0 {
		t.Errorf("exit code %d: %s", code, c.err.String())
	}
	var shown v1alpha1.SyncDetail
	if err := json.Unmarshal([]byte(c.out.String()), &shown); err != nil || shown.State != "InSync" {
		t.Errorf("%v: %s", err, c.out.String())
	}
	detail.State = "Settling"
	c.backend.OnRequest = nil
	c.backend.Set(detail)
	if code := c.run(t.Context(), "sync", "api", "--wait", "--timeout", "30ms"); code != 1 {
		t.Errorf("too late: exit code %d: %s", code, c.err.String())
	}
}

func TestNobodyAnswers(t *testing.T) {
	c := newConsole(t)
	c.env["SETPOINT_URL"] = "http://127.0.0.1:1"
	for _, command := range []string{"status", "tree", "history", "diff", "events", "status --watch", "sync x", "suspend x", "resume x",
		"history app/x", "rollback app/x", "logs app/x", "logs app/x -f"} {
		code := c.run(t.Context(), strings.Fields(command)...)
		want := "setpoint: no agent at http://127.0.0.1:1\n  hint: start one with `setpoint run --source URL`, or set SETPOINT_URL to where it listens\n"
		if code != 1 || c.err.String() != want || c.out.Len() > 0 {
			t.Errorf("%s: exit code %d, %q, %q", command, code, c.err.String(), c.out.String())
		}
	}
}

func TestRenderHidesSecretsUnlessAsked(t *testing.T) {
	secret := state.NewObject(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a"},
		"stringData": map[string]any{"password": "hunter2"}}, state.Origin{File: "a.yaml", Line: 1})
	set, _ := state.NewSet([]*state.Object{secret})
	c := newConsole(t)
	c.parts.Render = func(context.Context, agent.LocalConfig) (render.Result, error) {
		return render.Result{Objects: set}, nil
	}
	for _, format := range []string{"yaml", "json", "table"} {
		if c.run(t.Context(), "render", ".", "-o", format); strings.Contains(c.out.String(), "hunter2") {
			t.Errorf("%s shows the secret", format)
		}
	}
	if c.run(t.Context(), "render", ".", "--secrets"); !strings.Contains(c.out.String(), "password: hunter2") {
		t.Errorf("--secrets does not show it: %s", c.out.String())
	}
}

func TestEveryErrorIsShownWithItsHint(t *testing.T) {
	c := newConsole(t)
	c.parts.Render = func(context.Context, agent.LocalConfig) (render.Result, error) {
		return render.Result{}, errors.Join(
			fault.New(fault.Invalid, "read", "a.yaml:3", "found a tab\x1b[2J").WithHint("indent with spaces"),
			fault.New(fault.Invalid, "read", "b.yaml:1", "kind is missing"))
	}
	code := c.run(t.Context(), "render", ".")
	want := "setpoint: read a.yaml:3: found a tab[2J\n  hint: indent with spaces\nsetpoint: read b.yaml:1: kind is missing\n"
	if code != 1 || c.err.String() != want {
		t.Errorf("exit code %d, %q", code, c.err.String())
	}
}

func TestDiffPathFindsTheCheckout(t *testing.T) {
	c := newConsole(t)
	c.env["SETPOINT_DATA"] = "/data"
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "apps", "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	var got agent.PreviewConfig
	c.parts.Preview = func(_ context.Context, config agent.PreviewConfig) ([]agent.Previewed, error) {
		got = config
		return nil, nil
	}
	if code := c.run(t.Context(), "diff", "--path", filepath.Join(root, "apps", "shop"), "--context", "eu"); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	resolved, err := filepath.EvalSymlinks(root)
	if err != nil {
		t.Fatal(err)
	}
	if got.Known == nil {
		t.Error("the agent that answers was not asked what it has")
	}
	if _, allowed := got.Environment("HOME"); allowed {
		t.Error("a variable may be substituted that nobody has allowed")
	}
	got.Known, got.Environment, got.SOPS, got.StandIns = nil, nil, nil, nil
	want := agent.PreviewConfig{Dir: resolved, Path: "apps/shop", Data: "/data", HostRoot: "/", Context: "eu", Namespace: "default"}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("want -, got +:\n%s", difference)
	}
	if code := c.run(t.Context(), "diff", "--path", filepath.Join(root, "none")); code != 2 {
		t.Errorf("no such folder: exit code %d", code)
	}
}

func TestDoctor(t *testing.T) {
	c := newConsole(t)
	c.env["SETPOINT_DATA"] = filepath.Join(t.TempDir(), "data")
	c.env["SETPOINT_SOURCE"] = "https://git.example.com/fleet.git"
	c.parts.CheckSource = func(context.Context, v1alpha1.SourceSpec) (string, error) { return "main@1a2b3c4", nil }
	c.parts.CheckCluster = func(context.Context, string, string) (string, error) { return "v1.37.2", nil }
	if code := c.run(t.Context(), "doctor"); code != 0 {
		t.Errorf("exit code %d: %s", code, c.out.String())
	}
	for _, line := range []string{"✓ agent", "✓ data directory", "✓ git             main@1a2b3c4", "✓ cluster         v1.37.2"} {
		if !strings.Contains(c.out.String(), line) {
			t.Errorf("%q is missing in:\n%s", line, c.out.String())
		}
	}
	c.parts.CheckSource = func(context.Context, v1alpha1.SourceSpec) (string, error) {
		return "", fault.New(fault.Denied, "fetch", "https://git.example.com/fleet.git", "the token is wrong").WithHint("set SETPOINT_GIT_TOKEN")
	}
	if code := c.run(t.Context(), "doctor"); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, line := range []string{"✗ git", "hint: set SETPOINT_GIT_TOKEN", "1 check failed"} {
		if !strings.Contains(c.out.String(), line) {
			t.Errorf("%q is missing in:\n%s", line, c.out.String())
		}
	}
}
