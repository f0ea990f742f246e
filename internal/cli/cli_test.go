package cli_test

import (
	"context"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/cli"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var update = flag.Bool("update", false, "write the golden files and docs/cli.md")

var now = time.Date(2026, 1, 31, 15, 0, 0, 0, time.UTC)

// console is a command line with an agent to talk to.
type console struct {
	parts    cli.Parts
	out, err strings.Builder
	env      map[string]string
	backend  *httpapitest.Backend
}

func newConsole(t *testing.T) *console {
	t.Helper()
	return newConsoleWith(t, fleet())
}

func newConsoleWith(t *testing.T, content httpapitest.Content) *console {
	t.Helper()
	clock := func() time.Time { return now }
	c := &console{backend: httpapitest.New(content, clock), env: map[string]string{}}
	server := httptest.NewServer(httpapi.New(c.backend, httpapi.Options{Version: "1.2.3", Now: clock}))
	t.Cleanup(func() { c.backend.Disconnect(); server.CloseClientConnections(); server.Close() })
	c.env["SETPOINT_URL"] = server.URL
	c.parts = parts()
	c.parts.Out, c.parts.Err = &c.out, &c.err
	c.parts.Getenv = func(name string) string { return c.env[name] }
	c.parts.Now = clock
	return c
}

func parts() cli.Parts {
	return cli.Parts{
		Version: cli.Version{Version: "1.2.3", Commit: strings.Repeat("ab", 20), Go: "go1.26", Platform: "linux/amd64"},
		Getenv:  func(string) string { return "" },
		Now:     time.Now,
	}
}

func (c *console) run(ctx context.Context, args ...string) int {
	c.out.Reset()
	c.err.Reset()
	return cli.Main(ctx, c.parts, args)
}

func object(group, kind, namespace, name string) state.ID {
	return state.ID{Group: group, Kind: kind, Namespace: namespace, Name: name}
}

// fleet is a root with a Sync of every kind of trouble.
func fleet() httpapitest.Content {
	revision := v1alpha1.Revision{ID: strings.Repeat("1a2b3c4d", 5), Ref: "main", Author: "Ann <ann@example.com>", Message: "Scale web"}
	older := v1alpha1.Revision{ID: strings.Repeat("9f8e7d6c", 5), Ref: "main", Author: "Bob <bob@example.com>", Message: "First"}
	sync := func(name, state string, items ...v1alpha1.ObjectStatus) v1alpha1.SyncDetail {
		d := v1alpha1.SyncDetail{Items: items, SyncStatus: v1alpha1.SyncStatus{Name: name, Parent: "root", State: state, Since: now.Add(-3 * time.Minute),
			Looked: now.Add(time.Second), Source: "https://git.example.com/fleet.git main", Path: "apps/" + name, Revision: revision, Applied: revision,
			Objects: v1alpha1.Counts{Total: len(items), Healthy: len(items)}}}
		return d
	}
	item := func(id state.ID) v1alpha1.ObjectStatus {
		return v1alpha1.ObjectStatus{ID: id, Health: v1alpha1.Health{Status: state.Healthy}}
	}
	child := func(name string) v1alpha1.ObjectStatus { return item(object("setpoint.dev", "Sync", "", name)) }
	web := object("apps", "Deployment", "shop", "web")
	change := v1alpha1.Change{ID: web, Op: "update", Cause: "drift", Fields: []v1alpha1.Field{
		{Path: "/spec/replicas", Old: "5", New: "2", By: "kubectl-edit", When: now.Add(-4 * time.Minute)},
		{Path: "/spec/paused", Old: "true", By: "kubectl-edit"}}}
	root := sync("root", "InSync", child("api"), child("db"), item(object("", "Namespace", "", "shop")))
	root.Parent, root.Path = "", "clusters/eu"
	drifted := sync("shop", "Drifted", item(web), item(object("", "Service", "shop", "web")))
	drifted.Items[0].Change, drifted.Objects.Different = &change, 1
	drifted.Reason, drifted.Message = "DriftReported", "1 object differs, and drift is only reported"
	failed := sync("db", "Failed", item(object("apps", "StatefulSet", "db", "postgres")))
	failed.Items[0].Health = v1alpha1.Health{Status: state.Degraded, Reason: "CrashLoopBackOff", Message: "container postgres exits with 1"}
	failed.Objects = v1alpha1.Counts{Total: 1, Failed: 1}
	failed.Applied, failed.Message, failed.NextTry = older, "2 objects are refused", now.Add(40*time.Second)
	failed.Problems = []v1alpha1.Problem{
		{Kind: "Denied", Message: "apply Secret/db/admin: the agent may not patch secrets in namespace db", Hint: "grant it with a Role"},
		{Kind: "Invalid", Message: "apply apps/StatefulSet/db/postgres: spec.replicas: want an integer"}}
	failed.Hint = failed.Problems[0].Hint // as the agent gives it
	settling := sync("api", "Settling", item(object("apps", "Deployment", "api", "api")))
	settling.Items[0].Health = v1alpha1.Health{Status: state.Progressing, Reason: "RolloutInProgress", Message: "1 of 3 replicas are ready"}
	settling.Objects.Healthy, settling.Message = 0, "waits for 1 object"
	stopped := sync("batch", "Suspended")
	stopped.SuspendedBy = "person"
	return httpapitest.Content{
		Syncs: []v1alpha1.SyncDetail{settling, stopped, failed, root, drifted},
		Attempts: []v1alpha1.Attempt{
			{ID: "01", Sync: "shop", Trigger: "revision", Revision: revision, Started: now.Add(-2 * time.Hour), Finished: now.Add(-2*time.Hour + 1400*time.Millisecond),
				Outcome: "Succeeded", Changes: []v1alpha1.Change{{ID: web, Op: "create"}}},
			{ID: "02", Sync: "db", Trigger: "retry", Revision: revision, Started: now.Add(-time.Hour), Finished: now.Add(-time.Hour + 80*time.Millisecond),
				Outcome: "Failed", Message: "2 objects are refused", Problems: failed.Problems[:1]},
			{ID: "03", Sync: "shop", Trigger: "drift", Revision: revision, Started: now.Add(-time.Minute), Outcome: "Running", Changes: []v1alpha1.Change{change}, Omitted: 3},
		},
		Changes: map[string][]v1alpha1.Change{"shop": {change}, "db": {{ID: object("", "ConfigMap", "db", "same"), Op: "none"}}},
		Events: []v1alpha1.Event{
			{ID: 2, Time: now.Add(-time.Hour), Sync: "shop", Type: "source", Message: "main is at 1a2b3c4"},
			{ID: 3, Time: now.Add(-time.Minute), Sync: "shop", Type: "drift", Message: "differs", Change: &change},
			{ID: 4, Time: now.Add(-time.Minute), Sync: "shop", Type: "state", Message: "1 object differs", Status: &drifted.SyncStatus},
		},
	}
}

func TestWhatPeopleSee(t *testing.T) {
	preview := []agent.Previewed{{Sync: "shop", Path: "apps/shop", Changes: []v1alpha1.Change{{ID: object("", "Service", "shop", "new"), Op: "create", Origin: "apps/shop/new.yaml:1"}}},
		{Sync: "db", Path: "apps/db", Changes: []v1alpha1.Change{}}}
	for name, test := range map[string]struct {
		args string
		exit int
	}{
		"help":             {"--help", 0},
		"help-status":      {"status --help", 0},
		"help-run":         {"run --help", 0},
		"status":           {"status", 0},
		"status-exit-code": {"status --exit-code", 4},
		"status-one":       {"status db", 0},
		"status-drifted":   {"status shop --exit-code", 4},
		"status-fine":      {"status root --exit-code", 0},
		"status-yaml":      {"status batch -o yaml", 0},
		"status-unknown":   {"status nothing", 1},
		"tree":             {"tree", 0},
		"tree-one":         {"tree db", 0},
		"history":          {"history", 0},
		"history-paged":    {"history shop --limit 1 --since 3h", 0},
		"diff":             {"diff", 3},
		"diff-one":         {"diff db", 0},
		"diff-path":        {"diff --path testdata --sync shop", 3},
		"diff-misused":     {"diff shop --path .", 2},
		"sync":             {"sync shop", 0},
		"sync-wait":        {"sync db --wait", 4},
		"suspend":          {"suspend shop", 0},
		"resume":           {"resume batch -o json", 0},
		"schema-unknown":   {"schema Deployment", 2},
		"version":          {"version", 0},
		"no-command":       {"stauts", 2},
		"no-flag":          {"status --wacht", 2},
		"no-name":          {"sync", 2},
		"bad-format":       {"status -o xml", 2},
		"bad-since":        {"history --since yesterday", 2},
		"render":           {"render apps/shop", 0},
		"render-secrets":   {"render apps/shop --secrets", 0},
		"render-table":     {"render apps/shop -o table", 0},
		"run-no-source":    {"run", 2},
		"run-bad-ref":      {"run --source x --ref tog:v1", 2},
		"run-bad-interval": {"run --source x --interval 5", 2},
		"run-failing":      {"run --source x", 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsole(t)
			c.env["HOME"] = t.TempDir()
			c.parts.Preview = func(context.Context, agent.PreviewConfig) ([]agent.Previewed, error) { return preview, nil }
			c.parts.Render = func(context.Context, agent.LocalConfig) (render.Result, error) { return rendered(), nil }
			c.parts.Run = func(context.Context, agent.Config) error {
				return fault.New(fault.NotFound, "connect to", "the cluster", "there is no kubeconfig").WithHint("set SETPOINT_KUBECONFIG")
			}
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

func rendered() render.Result {
	secret := state.NewObject(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "shop"},
		"data": map[string]any{"k": "v"}}, state.Origin{File: "apps/shop/a.yaml", Line: 3})
	set, _ := state.NewSet([]*state.Object{secret})
	return render.Result{Objects: set, Format: "plain"}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(string(want), got); difference != "" {
		t.Errorf("want -, got + (go test ./internal/cli -update writes the file):\n%s", difference)
	}
}

func TestTheReferenceIsUpToDate(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "cli.md"), cli.Docs(parts()))
}
