package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
)

var start = time.Date(2026, 1, 31, 15, 0, 0, 0, time.UTC)

func content() httpapitest.Content {
	web := v1alpha1.ObjectID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	change := v1alpha1.Change{ID: web, Op: "update", Cause: "drift", Fields: []v1alpha1.Field{
		{Path: "/spec/replicas", Old: "5", New: "2", By: "kubectl-edit", When: start}}}
	revision := v1alpha1.Revision{ID: strings.Repeat("1a2b3c4d", 5), Ref: "main", Author: "Ann <ann@example.com>", Message: "Scale web", Time: start}
	status := func(name, parent, state string) v1alpha1.SyncStatus {
		return v1alpha1.SyncStatus{Name: name, Parent: parent, State: state, Since: start, Looked: start, Source: "https://git.example.com/a.git main",
			Path: "clusters/eu", Revision: revision, Applied: revision, Objects: v1alpha1.Counts{Total: 1, Healthy: 1}}
	}
	failed := status("shop", "root", "Failed")
	failed.Problems = []v1alpha1.Problem{{Kind: "Invalid", Message: "broken", Hint: "mend it"}}
	earlier := v1alpha1.Revision{ID: strings.Repeat("9f8e7d6c", 5), Ref: "main"}
	control(&failed, revision, web)
	return httpapitest.Content{
		Syncs: []v1alpha1.SyncDetail{
			{SyncStatus: status("root", "", "InSync")},
			{SyncStatus: failed, Items: []v1alpha1.ObjectStatus{
				{ID: web, Health: v1alpha1.Health{Status: "Healthy"}, Change: &change, Origin: "a.yaml:1", Applied: start}}},
		},
		Attempts: []v1alpha1.Attempt{
			{ID: "01", Sync: "shop", Trigger: "revision", Revision: revision, Started: start, Finished: start.Add(time.Second), Outcome: "Succeeded",
				Changes: []v1alpha1.Change{change}, Durations: map[string]v1alpha1.Duration{"apply": v1alpha1.Duration(time.Second)}},
			{ID: "02", Sync: "root", Trigger: "drift", Started: start.Add(time.Minute), Outcome: "Running"},
			{ID: "03", Sync: "shop", Trigger: "drift", Started: start.Add(2 * time.Minute), Outcome: "Failed"},
		},
		Changes: map[string][]v1alpha1.Change{"shop": {change}},
		Apps:    apps(revision),
		Healthy: map[string][]v1alpha1.Revision{"shop": {earlier}},
		Why: map[string]v1alpha1.Why{"shop": {Chain: []v1alpha1.WhyLink{
			{ID: v1alpha1.ObjectID{Group: "setpoint.dev", Kind: "Sync", Name: "shop"}, State: "Failed", Reason: "Unhealthy", Since: start, Revision: "main@1a2b3c4"},
			{ID: web, Relation: "owns", State: "Degraded", Message: "crashes", Hint: "look at its log"}}}},
		Deviations: map[string]v1alpha1.DeviationSeries{"shop": {
			Points: []v1alpha1.DeviationPoint{{Time: start, Span: v1alpha1.Duration(time.Hour), Objects: 2, Fields: 3, Unhealthy: 1}},
			Days: []v1alpha1.DeviationDay{{Day: "2026-01-31", Deviating: v1alpha1.Duration(time.Hour), Repairs: 3,
				Causes: map[string]int{"kubectl-edit": 3}, Settled: 1, SettlingMean: v1alpha1.Duration(time.Second)}}}},
		Events: []v1alpha1.Event{{ID: 2, Time: start, Sync: "shop", Type: "drift", Message: "edited", Change: &change}},
	}
}

// control gives a status everything that guards, damping and people add to one.
func control(status *v1alpha1.SyncStatus, revision v1alpha1.Revision, id v1alpha1.ObjectID) {
	status.Deviation = v1alpha1.Deviation{Objects: 2, Fields: 3, Unhealthy: 1, Since: start}
	status.Trend = []int{0, 1, 2}
	status.Plan = &v1alpha1.HeldPlan{Digest: strings.Repeat("0badcafe", 8), Revision: revision, Changes: map[string]int{"delete": 3},
		Verdicts: []v1alpha1.Verdict{{Check: "MassDeletion", Outcome: "hold", Message: "3 of 4 objects go", Remedy: "approve it", Until: start, Approvable: true}},
		Void:     &v1alpha1.Approval{Digest: strings.Repeat("0", 64), By: "bob@box", Comment: "fine", Time: start}}
	status.Quarantine = &v1alpha1.Quarantine{Revision: revision, Reason: "Unhealthy", Message: "not healthy in time", Since: start, Until: []v1alpha1.ObjectID{id}}
	status.Contended = []v1alpha1.Contention{{ID: id, Path: "/spec/replicas", By: "hpa", Theirs: "5", Ours: "2", Rounds: 5, Since: start, RetryAt: start}}
	status.Override = &v1alpha1.WindowOverride{Until: start.Add(time.Hour), By: "alice@box", Comment: "hotfix"}
	status.Cause = &v1alpha1.Cause{ID: id, Message: "crashes"}
	status.RootCause = "apps/Deployment/shop/web: crashes"
}

type serving struct {
	*httptest.Server
	backend *httpapitest.Backend
}

func serve(t *testing.T, options httpapi.Options) serving {
	t.Helper()
	backend := httpapitest.New(content(), func() time.Time { return start })
	server := serveBackend(t, backend, options)
	server.backend = backend
	return server
}

func serveBackend(t *testing.T, backend interface {
	httpapi.Backend
	Disconnect()
}, options httpapi.Options) serving {
	t.Helper()
	options.Version, options.Now = "1.2.3", func() time.Time { return start }
	if options.Metrics == nil {
		options.Metrics = httpapi.NewMetrics("1.2.3", backend.Syncs).Handler()
	}
	server := httptest.NewServer(httpapi.New(backend, options))
	t.Cleanup(func() { backend.Disconnect(); server.CloseClientConnections(); server.Close() })
	return serving{Server: server}
}

// ask sends a request whose headers are "Name: value".
func (s serving) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") == "text/event-stream" {
		return response, ""
	}
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(data)
}

// bodies are what each POST is sent in TestEveryRouteFitsItsSchema.
var bodies = map[string]string{"diff": `{"revision":"main"}`, "hook": "anything \x00",
	"approve": `{"by":"alice@box"}`, "override": `{"by":"alice@box","until":"2026-01-31T16:00:00Z"}`, "rollBackSync": `{"by":"alice@box"}`}

func TestEveryRouteFitsItsSchema(t *testing.T) {
	server := serve(t, httpapi.Options{})
	_, text := server.ask(t, "GET", "/openapi.json", "")
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	check := checker{document: document}
	listed := 0
	for path, item := range document["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			listed++
			op := op.(map[string]any)
			t.Run(op["operationId"].(string), func(t *testing.T) {
				response, body := server.ask(t, strings.ToUpper(method), strings.ReplaceAll(path, "{name}", "shop"), bodies[op["operationId"].(string)])
				responses := op["responses"].(map[string]any)
				described, ok := responses[fmt.Sprint(response.StatusCode)].(map[string]any)
				if !ok {
					t.Fatalf("status %d is not described: %s", response.StatusCode, body)
				}
				for media, schema := range described["content"].(map[string]any) {
					if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, strings.Split(media, ";")[0]) {
						t.Errorf("Content-Type %q, described as %q", got, media)
					}
					values := []string{body}
					switch media {
					case "application/json":
					case "application/x-ndjson":
						values = strings.Split(strings.TrimSpace(body), "\n")
					default:
						continue
					}
					for _, text := range values {
						var value any
						if err := json.Unmarshal([]byte(text), &value); err != nil {
							t.Fatal(err)
						}
						for _, problem := range check.value("answer", value, schema.(map[string]any)["schema"].(map[string]any)) {
							t.Error(problem)
						}
					}
				}
			})
		}
	}
	if want := httpapi.RouteCount(); listed != want {
		t.Errorf("%d operations are described, %d are routed", listed, want)
	}
}

func TestErrorsFitTheirSchemaAndStatus(t *testing.T) {
	server := serve(t, httpapi.Options{})
	for _, test := range []struct {
		method, path, body string
		status             int
		kind               string
	}{
		{"GET", "/api/v1alpha1/syncs/none", "", 404, "NotFound"},
		{"GET", "/api/v1alpha1/tree?name=none", "", 404, "NotFound"},
		{"GET", "/nowhere", "", 404, "NotFound"},
		{"DELETE", "/api/v1alpha1/syncs/shop", "", 405, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/none/suspend", "", 404, "NotFound"},
		{"POST", "/api/v1alpha1/syncs/shop/diff", `{"revison":""}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/diff", `{"revision":"` + strings.Repeat("x", 100<<10) + `"}`, 413, "Invalid"},
		{"GET", "/api/v1alpha1/history?limit=0", "", 400, "Invalid"},
		{"GET", "/api/v1alpha1/history?since=yesterday", "", 400, "Invalid"},
		{"GET", "/api/v1alpha1/events?after=x", "", 400, "Invalid"},
		{"GET", "/api/v1alpha1/apps/none/releases", "", 404, "NotFound"},
		{"GET", "/api/v1alpha1/apps/none/logs?follow=true", "", 404, "NotFound"},
		{"GET", "/api/v1alpha1/apps/shop/logs?tail=-1", "", 400, "Invalid"},
		{"GET", "/api/v1alpha1/apps/shop/logs?tail=many", "", 400, "Invalid"},
		{"GET", "/api/v1alpha1/apps/shop/logs?since=yesterday", "", 400, "Invalid"},
		{"GET", "/api/v1alpha1/apps/shop/logs?follow=perhaps", "", 400, "Invalid"},
		{"POST", "/api/v1alpha1/apps/none/rollback", "", 404, "NotFound"},
		{"POST", "/api/v1alpha1/apps/shop/rollback", `{"to":-1}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/apps/shop/rollback", `{"release":1}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/apps/shop/rollback", `{"to":9}`, 404, "NotFound"},
		{"POST", "/api/v1alpha1/apps/shop/rollback", `{"to":1}`, 400, "Invalid"},
		{"GET", "/api/v1alpha1/syncs/none/why", "", 404, "NotFound"},
		{"GET", "/api/v1alpha1/syncs/none/deviation", "", 404, "NotFound"},
		{"POST", "/api/v1alpha1/syncs/none/approve", `{"by":"a"}`, 404, "NotFound"},
		{"POST", "/api/v1alpha1/syncs/root/approve", `{"by":"a"}`, 404, "NotFound"}, // nothing is held back
		{"POST", "/api/v1alpha1/syncs/shop/approve", `{"by":"a","digest":"0badcafe"}`, 409, "Conflict"},
		{"POST", "/api/v1alpha1/syncs/shop/approve", "", 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/approve", `{"by":"` + strings.Repeat("x", 201) + `"}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/approve", `{"by":"a","comment":"` + strings.Repeat("x", 1001) + `"}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/approve", `{"by":"a","plan":"x"}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/override", `{"until":"2026-01-31T16:00:00Z"}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/override", `{"by":"a","until":"2026-01-31T14:59:00Z"}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/override", `{"by":"a","until":"2026-02-08T15:00:00Z"}`, 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/none/override", `{"by":"a"}`, 404, "NotFound"},
		{"POST", "/api/v1alpha1/syncs/shop/rollback", "", 400, "Invalid"},
		{"POST", "/api/v1alpha1/syncs/shop/rollback", `{"by":"a","to":"deadbeef"}`, 404, "NotFound"},
		{"POST", "/hook?source=none", "", 404, "NotFound"},
		{"POST", "/hook", strings.Repeat("x", 2<<20), 413, "Invalid"},
	} {
		response, body := server.ask(t, test.method, test.path, test.body)
		var answer v1alpha1.ErrorAnswer
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Errorf("%s %s: %v in %s", test.method, test.path, err, body)
		}
		if response.StatusCode != test.status || answer.Error.Kind != test.kind {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, response.StatusCode, answer.Error.Kind, test.status, test.kind)
		}
	}
}

func TestReadiness(t *testing.T) {
	server := serve(t, httpapi.Options{})
	if response, _ := server.ask(t, "GET", "/readyz", ""); response.StatusCode != http.StatusOK {
		t.Errorf("ready: %d", response.StatusCode)
	}
	server.backend.SetReady(errors.New("the root has not been read yet"))
	if response, body := server.ask(t, "GET", "/readyz", ""); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "root has not") {
		t.Errorf("not ready: %d %s", response.StatusCode, body)
	}
	if response, _ := server.ask(t, "GET", "/livez", ""); response.StatusCode != http.StatusOK {
		t.Errorf("live: %d", response.StatusCode)
	}
}

func TestHookWakesSyncsOfASource(t *testing.T) {
	server := serve(t, httpapi.Options{})
	server.ask(t, "POST", "/hook?source=https://git.example.com/a.git", `{"ref":"refs/heads/main"}`)
	if got, want := server.backend.Requested(), []string{"root", "shop"}; !reflect.DeepEqual(got, want) {
		t.Errorf("woken %v, want %v", got, want)
	}
}

func TestMetricsNameEverySync(t *testing.T) {
	backend := httpapitest.New(content(), nil)
	metrics := httpapi.NewMetrics("1.2.3", backend.Syncs)
	metrics.Attempt(content().Attempts[0])
	metrics.Drift("shop", 3)
	metrics.Poll("https://git.example.com/a.git main", "Transient")
	recorder := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), "GET", "/metrics", nil))
	for _, want := range []string{
		`setpoint_sync_state{state="Failed",sync="shop"} 1`,
		`setpoint_sync_objects{kind="total",sync="root"} 1`,
		`setpoint_sync_deviation_fields{sync="shop"} 3`,
		`setpoint_sync_contended{sync="shop"} 1`,
		`setpoint_attempts_total{outcome="Succeeded",sync="shop",trigger="revision"} 1`,
		`setpoint_drift_total{sync="shop"} 3`,
		`setpoint_apply_seconds_sum{sync="shop"} 1`,
		`setpoint_source_errors_total{kind="Transient",source="https://git.example.com/a.git main"} 1`,
		`setpoint_build_info{version="1.2.3"} 1`, "go_goroutines", "process_",
	} {
		if !strings.Contains(recorder.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	metrics.Forget("shop")
	recorder = httptest.NewRecorder()
	metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), "GET", "/metrics", nil))
	if strings.Contains(recorder.Body.String(), "setpoint_drift_total{") {
		t.Error("a forgotten Sync is still counted")
	}
}
